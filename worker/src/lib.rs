//! The workers: they take jobs, run handlers and report how it went.
//!
//! [`Worker`] serves job queues with any set of handlers; [`stages`] holds the six of the document workflow.
//! [`callbacks`] and [`logging`] serve the two queues that workers write to. Only the runner acknowledges,
//! retries, times out, catches panics, counts and opens spans; handlers stay about documents.

pub mod callbacks;
pub mod context;
pub mod flags;
pub mod handler;
mod leases;
pub mod logging;
mod metrics;
#[cfg(feature = "fleet")]
pub mod process;
mod reporter;
mod returns;
mod runner;
pub mod stages;
mod unserved;
mod worker;

pub use context::Context;
pub use handler::{Handle, Stop};
pub use worker::{Builder, Config, Ports, Worker};
