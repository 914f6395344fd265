//! Runs that start because something happened elsewhere.
//!
//! Reading order: [`event`] (what happened), [`s3`] (what buckets tell, as events), [`subscription`] (which events start
//! what; [`filter`] and [`template`] are its parts), [`plan`] (what an event would start), [`starting`] (it is started, once; `intake` fetches
//! documents),
//! [`store`] (subscriptions on record, and what became of them).

pub mod event;
pub mod filter;
mod intake;
pub mod path;
pub mod plan;
pub mod s3;
pub mod starting;
pub mod store;
pub mod subscription;
pub mod template;

pub use event::Event;
pub use plan::{Place, Plan, Planned};
pub use starting::{Outcome, Refusal};
pub use store::{Activity, Kept, Store};
pub use subscription::Subscription;
