//! The workers: they take jobs, run handlers and report how it went.
//!
//! [`Worker`] serves job queues with any set of handlers; [`stages`] holds the six of the document workflow.
//! [`callbacks`] and [`logging`] serve the two queues that workers write to. Only the runner acknowledges,
//! retries, times out, catches panics, counts and opens spans; handlers stay about documents.

mod autoscale;
pub mod callbacks;
#[cfg(feature = "fleet")]
mod capacity;
pub mod context;
mod crew;
#[cfg(feature = "fleet")]
mod desk;
pub mod flags;
pub mod handler;
pub mod hosts;
mod in_flight;
mod leases;
mod line;
mod lists;
pub mod logging;
mod metrics;
#[cfg(feature = "fleet")]
pub mod process;
mod reporter;
pub mod resolver;
mod restraint;
mod returns;
mod runner;
#[cfg(feature = "fleet")]
mod size;
pub mod stages;
mod time_limits;
mod unserved;
pub mod webhooks;
mod worker;

pub use autoscale::Autoscale;
pub use context::Context;
pub use handler::{Handle, Stop};
pub use in_flight::InFlight;
pub use resolver::Resolver;
pub use time_limits::TimeLimits;
pub use worker::{Builder, Config, Ports, Worker};
