//! The way out: how the fleet reaches addresses that tenants name, without being led where they have no business.
//!
//! [`Policy`] says which addresses may be reached; [`Client`] is HTTP under it: names are resolved and checked once, and
//! what was checked is what is connected to, for every redirect again. [`signature`] signs what is sent by webhook.
//!
//! Nothing here knows of runs, queues or documents.

mod addresses;
mod allowed;
mod client;
mod error;
#[cfg(feature = "flags")]
pub mod flags;
mod policy;
mod resolver;
mod retry_after;
pub mod signature;
mod upload;

pub use addresses::is_public;
pub use allowed::{Allowed, InvalidEntry};
pub use client::{Answer, Client, Incoming, InvalidHeader, Request};
pub use error::{Error, Refusal};
pub use policy::Policy;
pub use resolver::Resolver;
pub use retry_after::retry_after;
pub use upload::Upload;
