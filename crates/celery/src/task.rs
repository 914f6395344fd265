//! What a worker of ours runs: handlers, what they are given, and what they may say.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::rate::Rate;
use crate::{Error, Failure, Outcome, TaskId, TimeLimits};

/// The code of a task.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Does the work once. It may be dropped at any point where it waits: when its hard time limit is over, when the task
    /// is terminated, or when the worker may wait no longer. A handler that never waits cannot be stopped.
    ///
    /// # Errors
    /// [`Stop`] says what becomes of the task.
    async fn run(&self, task: Task) -> Result<Value, Stop>;
}

/// Why a handler returns without a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It failed for good.
    Failed(Failure),
    /// It is to be tried again.
    Retry(Box<Retry>),
    /// The message is refused, without a result. With `requeue` it goes back to its queue, otherwise to the queue's dead
    /// letters if it has some.
    Reject {
        /// Whether somebody else may try.
        requeue: bool,
    },
    /// The message is done with, without a result.
    Ignore,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How to try again: under the same id, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retry {
    /// When; after [`TaskOptions::retry_delay`] otherwise.
    pub countdown: Option<Duration>,
    /// What went wrong. It is the task's failure when there are no tries left; Celery's `MaxRetriesExceededError` otherwise.
    pub reason: Option<Failure>,
    /// Another limit than [`TaskOptions::max_retries`], for this time.
    pub max_retries: Option<u32>,
    /// What the next try finds in [`Task::headers`], besides what was there before.
    pub headers: Map<String, Value>,
}

impl Retry {
    /// Tries again after a while, because of something.
    #[must_use]
    pub fn after(countdown: Duration, reason: Failure) -> Self {
        Self { countdown: Some(countdown), reason: Some(reason), ..Self::default() }
    }
}

impl From<Retry> for Stop {
    fn from(retry: Retry) -> Self {
        Self::Retry(Box::new(retry))
    }
}

/// How a task is treated, unless its message says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskOptions {
    /// Acknowledge when it is done rather than when it begins: a worker that dies leaves it to another.
    pub acks_late: bool,
    /// With late acknowledgement: a handler that panics leaves it to another, up to [`TaskOptions::max_crashes`] times.
    /// Otherwise that is its failure.
    pub reject_on_worker_lost: bool,
    /// How often it may panic before that is its failure.
    pub max_crashes: u32,
    /// How often it may be delivered before it is taken for one that kills its workers. Quorum queues alone count, and they
    /// count what a worker handed back when it shut down too, so it should be generous.
    pub max_deliveries: u64,
    /// With late acknowledgement: whether one that failed or took too long is done with; otherwise it is rejected.
    pub acks_on_failure: bool,
    /// How often it is tried again; `None` is without end.
    pub max_retries: Option<u32>,
    /// When it is tried again, if the handler does not say it.
    pub retry_delay: Duration,
    /// How long it may take, unless the message says it.
    pub limits: TimeLimits,
    /// Store no results.
    pub ignore_result: bool,
    /// Store failures even so.
    pub store_errors_even_if_ignored: bool,
    /// Say when it starts.
    pub track_started: bool,
    /// How many of it may start in a time, on this worker.
    pub rate_limit: Option<Rate>,
}

impl Default for TaskOptions {
    /// As with Celery: early acknowledgement, three retries three minutes apart, no limits.
    fn default() -> Self {
        Self {
            acks_late: false,
            reject_on_worker_lost: false,
            max_crashes: 3,
            max_deliveries: 20,
            acks_on_failure: true,
            max_retries: Some(3),
            retry_delay: Duration::from_secs(180),
            limits: TimeLimits::default(),
            ignore_result: false,
            store_errors_even_if_ignored: false,
            track_started: false,
            rate_limit: None,
        }
    }
}

impl TaskOptions {
    /// Acknowledged late and given to another worker when this one is lost: what work that may be repeated wants.
    #[must_use]
    pub fn late() -> Self {
        Self { acks_late: true, reject_on_worker_lost: true, ..Self::default() }
    }
}

/// One try of a task.
#[derive(Clone)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Positional arguments; times, decimals and UUIDs are text, bytes text or Base64.
    pub args: Vec<Value>,
    /// Keyword arguments, likewise.
    pub kwargs: Map<String, Value>,
    /// How often it was tried before.
    pub retries: u32,
    /// The first task of the work it belongs to.
    pub root_id: Option<TaskId>,
    /// The task that caused it.
    pub parent_id: Option<TaskId>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Its place in the group.
    pub group_index: Option<i64>,
    /// The queue it came from.
    pub queue: String,
    /// Whether it was delivered before, to a worker that did not acknowledge it.
    pub redelivered: bool,
    /// When it was to run at the earliest.
    pub eta: Option<Timestamp>,
    /// How long it may take.
    pub limits: TimeLimits,
    /// Its priority.
    pub priority: Option<u8>,
    /// Headers that mean nothing to Celery, such as a tenant or a trace.
    pub headers: Map<String, Value>,
    pub(crate) soft: CancellationToken,
    pub(crate) cancelled: CancellationToken,
    pub(crate) draining: CancellationToken,
    pub(crate) reporter: Arc<dyn Report>,
}

impl Task {
    /// Cancelled when its soft time limit is over: the handler should come to an end. What it returns counts.
    #[must_use]
    pub fn soft_limit(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when the task is terminated: the handler has a moment to let go of what it holds. What it returns does not
    /// count.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Cancelled when the worker shuts down and waits for this task.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Says how far it is, as a state of the application's own such as `PROGRESS`.
    ///
    /// # Errors
    /// What the store of results says.
    pub async fn report(&self, state: &str, meta: Value) -> Result<(), Error> {
        self.reporter.report(Outcome::Custom { state: state.to_owned(), meta }).await
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a task says how far it is.
#[async_trait]
pub(crate) trait Report: Send + Sync {
    async fn report(&self, outcome: Outcome) -> Result<(), Error>;
}

#[async_trait]
impl<F, Running> Handler for F
where
    F: Fn(Task) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<Value, Stop>> + Send + 'static,
{
    async fn run(&self, task: Task) -> Result<Value, Stop> {
        self(task).await
    }
}
