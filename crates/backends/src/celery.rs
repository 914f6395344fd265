//! Celery as a backend: our engine says what is next, and tasks travel as Celery messages (protocol 2).
//!
//! There are two kinds of them. A task that names one of a Celery application ([`protocol::workflow::CeleryTask`]) goes to the
//! queue of that name, where Python's workers take it, and its result comes back by message. Every other task of a run on this
//! backend goes to a queue of ours, as the one Celery task [`TASK`] that carries the whole job; workers of ours do it, and its
//! outcome goes the usual way. So a workflow can have tasks of both kinds, on any backend.

mod backend;
mod collector;
mod host;
mod id;
mod settings;

pub use backend::Celery;
pub use collector::CeleryReplies;
pub use host::CeleryHost;
pub use settings::Settings;

/// The Celery task that carries a job of ours.
pub const TASK: &str = "flotilla.task";

/// The keyword that the job is under.
const JOB: &str = "job";
