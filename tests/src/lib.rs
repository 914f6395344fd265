//! The fleet, specified from outside. The specifications are the test targets under `tests/`; here is what they share.

mod berth;
mod celery_berth;
pub mod chain;
pub mod desk;
pub mod errands;
#[cfg(feature = "hatchet")]
pub mod hatchet_server;
pub mod inngest_server;
pub mod peer;
pub mod receiver;
pub mod seven;
#[cfg(feature = "temporal")]
pub mod temporal;
pub mod walker;

pub use berth::{Berth, Servers};
pub use celery_berth::CeleryBerth;
