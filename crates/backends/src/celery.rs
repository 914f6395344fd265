//! Celery as a backend: our engine says what is next, and tasks travel as Celery messages (protocol 2).
//!
//! There are two kinds of them. A task that names one of a Celery application ([`protocol::workflow::CeleryTask`]) goes to the
//! queue of that name, where Python's workers take it, and its result comes back by message. Every other task of a run on this
//! backend goes to a queue of ours, as the one Celery task [`TASK`] that carries the whole job; workers of ours do it, and its
//! outcome goes the usual way. So a workflow can have tasks of both kinds, on any backend.
//!
//! Beside that, handlers of our workers can be tasks of a Celery application ([`Settings::celery_task`]): its clients send them
//! as any other, in chains and chords too, and get their results. Those belong to no run, and the ledger does not hear of them.

mod backend;
mod called;
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
