//! [Temporal](https://temporal.io) walks the workflows: `docs/adr/0025-temporal.md`.
//!
//! Every run is one workflow there, `FleetDag`, whose input is the DAG; every turn of a task is an activity on the task queue
//! of the task's queue, named after the task. Results stay with us: what passes through Temporal is who is next.
//! [`Temporal`] is the dispatcher's side, [`TemporalHost`] the workers'; [`Settings`] makes both.

pub use fleet_dag::{FleetDag, Signal, Walked};
pub use host::TemporalHost;
pub use plan::{Mark, Plan, Progress, Step};
pub use settings::{Settings, SettingsError};
pub use walker::Temporal;

mod connection;
mod fleet_dag;
mod host;
mod plan;
mod progress;
mod settings;
mod turns;
mod walker;
