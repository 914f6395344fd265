//! Everything that crosses a process boundary: identifiers, workflows as data, jobs and callbacks,
//! the extraction request, the document model and the contracts of the six stages.
//!
//! This crate does no I/O and keeps no state: every type here can be read, written and compared on
//! its own. A change to a type that travels is a change of the wire, so each message has a golden
//! JSON fixture under `protocol/fixtures/`.

pub mod answer;
pub mod backend;
pub mod document;
pub mod error;
pub mod ids;
pub mod message;
pub mod operations;
pub mod payload;
pub mod presence;
pub mod request;
pub mod resolved;
pub mod result;
pub mod run_event;
pub mod shape;
pub mod stages;
pub mod state;
pub mod task;
pub mod time;
pub mod webhooks;
pub mod wire;
pub mod workflow;

pub use backend::Backend;
pub use error::{ErrorClass, TaskError};
pub use ids::{RunId, TaskRunId, TenantId};
pub use jiff::Timestamp;
pub use message::{Callback, Job, Lifecycle, LifecycleEvent, Outcome};
pub use payload::{ArtifactRef, Payload, TaskOutput};
pub use presence::Presence;
pub use run_event::RunEvent;
pub use state::{RunState, TaskState};
pub use task::Task;
pub use workflow::{RetryPolicy, TaskSpec, Timeouts, Workflow};
