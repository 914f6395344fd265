//! The shell of every process: how it logs, how it stops, what it tells about itself and its work, and who owns its tasks.
//!
//! Configuration has no module of its own: each part declares a `clap::Args` struct with its flags and their
//! environment variables, as [`telemetry::Logging`] does.

pub mod monitoring;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod traces;

pub use shutdown::{Interrupted, Shutdown};
pub use tasks::Tasks;
