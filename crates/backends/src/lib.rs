//! Who executes workflows. [`fleet`] is our own engine: ledger, broker and workers, whether spread over many
//! machines or embedded in one process; [`spans`] is what it tells about runs as traces.

#[cfg(feature = "celery")]
pub mod celery;
pub mod choice;
pub mod desk;
#[cfg(feature = "engines")]
pub mod engines;
pub mod fleet;
#[cfg(feature = "hatchet")]
pub mod hatchet;
pub mod host;
#[cfg(feature = "inngest")]
pub mod inngest;
pub mod port;
pub mod roster;
pub mod spans;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "temporal")]
pub mod temporal;
#[cfg(any(feature = "hatchet", feature = "inngest"))]
mod turns;
