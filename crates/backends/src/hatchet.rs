//! Hatchet: it walks the workflow, and workers of ours listen for its tasks.
//!
//! A workflow is a workflow there, with the same tasks and parents, and a run is a run whose input says which of ours it is.
//! [`HatchetHost`] registers as a worker for the tasks of its queues, has each served as a turn and tells how it ended.
//! Results stay in the ledger; what a task leaves at Hatchet is how it stands. `docs/adr/0026-hatchet.md` has the reasons.

mod backend;
mod client;
mod definition;
mod host;
mod listening;
mod order;
mod performing;
mod proto;
mod settings;
mod token;

pub use backend::Hatchet;
pub use host::HatchetHost;
pub use settings::{Settings, Tls};
pub use token::{InvalidToken, Token};
