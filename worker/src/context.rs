//! What a handler can see and do besides its input.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use objects::Objects;
use protocol::answer::Usage;
use protocol::{ArtifactRef, Job, Payload, Task, TaskError, TaskOutput};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lists::Lists;
use crate::reporter::Reports;
use crate::restraint::Restraint;

/// One attempt, as its handler sees it.
pub struct Context {
    pub(crate) job: Arc<Job>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) reports: Reports,
    pub(crate) restraint: Restraint,
    pub(crate) stopping: CancellationToken,
    pub(crate) hard_deadline: watch::Sender<Instant>,
    /// How far the deadline can be moved: this worker's own limit.
    pub(crate) latest: Option<Instant>,
    pub(crate) usage: Mutex<Usage>,
}

impl Context {
    /// The job that is worked on.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What an ancestor left behind, by type.
    ///
    /// # Errors
    /// `output_missing` when that task is no ancestor or did not succeed, `output_unreadable` when its output is
    /// not what the type says, `store_failed` when the object store is away.
    pub async fn output<T: Task>(&self) -> Result<T::Output, TaskError> {
        match self.job.outputs.get(T::NAME) {
            Some(TaskOutput::One(payload)) => parse(T::NAME, self.payload(payload).await?),
            Some(TaskOutput::Many(_)) | None => Err(TaskError::permanent(
                "output_missing",
                format!("task {:?} left no output for task {:?}", T::NAME, self.job.task),
            )),
        }
    }

    /// What the children of a mapped ancestor left behind, in the order of the list.
    ///
    /// # Errors
    /// As for [`Context::output`].
    pub async fn outputs<T: Task>(&self) -> Result<Vec<T::Output>, TaskError> {
        let Some(TaskOutput::Many(payloads)) = self.job.outputs.get(T::NAME) else {
            return Err(TaskError::permanent(
                "output_missing",
                format!("task {:?} left no list of outputs for task {:?}", T::NAME, self.job.task),
            ));
        };
        let mut outputs = Vec::with_capacity(payloads.len());
        for payload in payloads {
            outputs.push(parse(T::NAME, self.payload(payload).await?)?);
        }
        Ok(outputs)
    }

    /// The error of an ancestor whose failure the workflow tolerates.
    #[must_use]
    pub fn error_of<T: Task>(&self) -> Option<&TaskError> {
        self.job.errors.get(T::NAME)
    }

    /// What this handler stored when it last snoozed; null otherwise.
    #[must_use]
    pub fn state(&self) -> &Value {
        &self.job.state
    }

    /// Cancelled when the handler should come to an end: its soft limit passed or its worker shuts down.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Adds time before this attempt's hard limit. No time can be had beyond the limit of the worker (`--time-limit`), nor
    /// beyond what the broker leaves for a delivery.
    pub fn extend(&self, time: Duration) {
        self.hard_deadline.send_modify(|deadline| {
            let wanted = *deadline + time;
            *deadline = self.latest.map_or(wanted, |latest| wanted.min(latest));
        });
    }

    /// Tells watchers how far the work is. Call it as often as you like: a few reports a second go out.
    pub fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        if let Some(event) = self.restraint.progress(done, total, message.into()) {
            self.reports.report(&self.job, event);
        }
    }

    /// Adds a line to the run's log, at most a thousand per attempt. No document content, no secrets.
    pub fn log(&self, level: &str, message: impl Into<String>) {
        if let Some(event) = self.restraint.line(level, message.into()) {
            self.reports.report(&self.job, event);
        }
    }

    /// Adds to what this attempt consumed; counted even if the attempt fails.
    pub fn consumed(&self, usage: &Usage) {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) += usage;
    }

    /// Stores a value as an artifact of this run. The key follows from run, task and name, so a repeated attempt
    /// overwrites its own traces.
    ///
    /// # Errors
    /// `store_failed` when the object store is away.
    pub async fn store<V: Serialize + Sync>(&self, name: &str, value: &V) -> Result<ArtifactRef, TaskError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|error| TaskError::permanent("output_invalid", format!("{name} cannot be written: {error}")))?;
        self.objects.put(&self.key(name), &bytes, "application/json").await.map_err(store_failed)
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// `store_failed` when the object store is away or the artifact is not what was stored.
    pub async fn load<V: DeserializeOwned>(&self, artifact: &ArtifactRef) -> Result<V, TaskError> {
        let bytes = self.objects.get_checked(artifact).await.map_err(store_failed)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            TaskError::permanent("output_unreadable", format!("artifact {:?} cannot be read: {error}", artifact.key))
        })
    }

    /// The key of an artifact of this task.
    pub(crate) fn key(&self, name: &str) -> String {
        let job = &self.job;
        match job.index {
            Some(index) => format!("runs/{}/{}/{index}/{name}", job.run_id, job.task),
            None => format!("runs/{}/{}/{name}", job.run_id, job.task),
        }
    }

    /// The value of a payload, fetched if it travels by reference.
    pub(crate) async fn payload(&self, payload: &Payload) -> Result<Value, TaskError> {
        match payload {
            Payload::Inline(value) => Ok(value.clone()),
            Payload::Artifact(artifact) => self.load(artifact).await,
        }
    }
}

fn parse<V: DeserializeOwned>(task: &str, value: Value) -> Result<V, TaskError> {
    serde_json::from_value(value).map_err(|error| {
        TaskError::permanent("output_unreadable", format!("the output of task {task:?} cannot be read: {error}"))
    })
}

/// The error for an object store that is away, or that holds something else than was stored.
pub(crate) fn store_failed(error: objects::Error) -> TaskError {
    let message = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        objects::Error::Io { .. } => TaskError::transient("store_failed", message),
        objects::Error::NotFound(_) => TaskError::permanent("object_missing", message),
        objects::Error::InvalidKey(_) => TaskError::permanent("object_key_invalid", message),
        objects::Error::Mismatch { .. } => TaskError::permanent("object_changed", message),
        objects::Error::TooLarge { .. } => TaskError::permanent("object_too_large", message),
    }
}
