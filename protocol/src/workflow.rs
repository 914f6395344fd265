//! A workflow is a named, versioned DAG of tasks, as data.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::task::Task;
use crate::time::{millis, optional_millis};

mod celery;
mod read;
mod validate;

pub use celery::{Arguments, CeleryTask};
pub use validate::{InvalidWorkflow, is_name};

/// Names of the queues that every fleet has.
pub mod queues {
    /// User tasks without a queue, generate-digraph, collate.
    pub const DEFAULT: &str = "default";
    /// Stages that read documents: extract-text, chunk-embed.
    pub const FILE_PROCESSING: &str = "file_processing";
    /// Stages that call providers: agentic-extract, evaluate.
    pub const API_PROCESSING: &str = "api_processing";
    /// Outcomes on their way to the ledger.
    pub const CALLBACKS: &str = "callbacks";
    /// Log lines, progress and lifecycle events.
    pub const LOGGING: &str = "logging";
    /// Messages that nobody can read or that exceeded the delivery limit.
    pub const DEAD_LETTER: &str = "dead_letter";

    /// The queues that carry jobs.
    pub const WORK: [&str; 3] = [FILE_PROCESSING, API_PROCESSING, DEFAULT];

    /// The queues that carry something else than jobs.
    pub const RESERVED: [&str; 3] = [CALLBACKS, LOGGING, DEAD_LETTER];
}

/// A DAG of tasks. Build it with [`Workflow::named`] and [`Workflow::task`], check it with
/// [`Workflow::validate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Unique within a fleet.
    pub name: String,
    /// Raised whenever the tasks change; a run keeps the version it started with.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Whether a run prefers the worker that already holds its files.
    #[serde(default)]
    pub sticky: bool,
    /// How long a run may take from submission to its end.
    #[serde(default, rename = "timeout_ms", with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The tasks in the order they are shown.
    pub tasks: Vec<TaskSpec>,
}

/// One task of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Unique within the workflow; names the handler.
    pub name: String,
    /// The queue that its jobs go to.
    #[serde(default = "default_queue")]
    pub queue: String,
    /// Tasks that have to end before this one starts.
    #[serde(default)]
    pub parents: Vec<String>,
    /// Run once per item of this parent's list output (`map`); descendants see the list of results (`chord`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_over: Option<String>,
    /// What a final failure of this task means for the rest of the run.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How often and when to try again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// Limits of one attempt.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Has a Celery worker do it, whatever backend the run is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celery: Option<CeleryTask>,
}

/// What a task's final failure means for the rest of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Descendants are skipped and the run ends as failed; unrelated branches still finish.
    #[default]
    FailRun,
    /// Descendants run without this task's output and see its error.
    Continue,
}

/// When a failed attempt is followed by another. The error's class picks the curve
/// (DESIGN §5): `rate_limited` and `unavailable` wait 60 s·2ⁿ, `server` 30 s·(n+1), `transient` the
/// policy's own `base·factorⁿ`, where n counts earlier failures from 0; `permanent` is final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// Delay after the first transient failure.
    #[serde(rename = "base_ms", with = "millis")]
    pub base: Duration,
    /// What each further delay is multiplied by.
    pub factor: f64,
    /// No delay is longer than this.
    #[serde(rename = "cap_ms", with = "millis")]
    pub cap: Duration,
    /// Share of the delay that is spread at random, 0 to 1, so that failures do not return together.
    pub jitter: f64,
}

/// Limits of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// After this the handler is told to come to an end.
    #[serde(rename = "soft_ms", with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub soft: Option<Duration>,
    /// After this the attempt is aborted and its child processes are killed.
    #[serde(rename = "hard_ms", with = "millis")]
    pub hard: Duration,
    /// A job that was not started for this long expires unstarted.
    #[serde(rename = "queue_wait_ms", with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3, base: Duration::from_secs(2), factor: 2.0, cap: Duration::from_secs(600), jitter: 0.2 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { soft: None, hard: Duration::from_secs(600), queue_wait: None }
    }
}

fn first_version() -> u32 {
    1
}

fn default_queue() -> String {
    queues::DEFAULT.to_owned()
}

impl Workflow {
    /// An empty workflow, version 1.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: 1, sticky: false, timeout: None, tasks: Vec::new() }
    }

    /// Prefers the worker that already holds the run's files.
    #[must_use]
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    /// Limits a run from submission to its end.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds the task with contract `T`; the builder goes on to describe it.
    pub fn task<T: Task>(&mut self) -> TaskBuilder<'_, T> {
        self.tasks.push(TaskSpec::named(T::NAME));
        let at = self.tasks.len() - 1;
        TaskBuilder { spec: &mut self.tasks[at], contract: PhantomData }
    }

    /// The task of that name.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<&TaskSpec> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The queues that its jobs go to, each once, in the order of the tasks.
    #[must_use]
    pub fn queues(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.tasks.iter().map(|task| task.queue.as_str()).filter(|queue| seen.insert(*queue)).collect()
    }

    /// The tasks that no other one waits for.
    #[must_use]
    pub fn sinks(&self) -> Vec<&TaskSpec> {
        let parents: HashSet<&str> = self.tasks.iter().flat_map(|task| &task.parents).map(String::as_str).collect();
        self.tasks.iter().filter(|task| !parents.contains(task.name.as_str())).collect()
    }

    /// Every task that has to end before `name` can start, directly or not.
    #[must_use]
    pub fn ancestors(&self, name: &str) -> Vec<&TaskSpec> {
        let mut wanted: Vec<&str> = vec![name];
        let mut seen: HashSet<&str> = HashSet::new();
        while let Some(task) = wanted.pop().and_then(|name| self.spec(name)) {
            for parent in &task.parents {
                if seen.insert(parent) {
                    wanted.push(parent);
                }
            }
        }
        self.tasks.iter().filter(|task| seen.contains(task.name.as_str())).collect()
    }
}

impl TaskSpec {
    /// A task with every setting at its default.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            queue: default_queue(),
            parents: Vec::new(),
            map_over: None,
            on_failure: OnFailure::default(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            celery: None,
        }
    }
}

/// A reference to a task already added, for [`TaskBuilder::after`].
#[derive(Debug)]
pub struct TaskHandle<T> {
    name: String,
    contract: PhantomData<T>,
}

/// Describes the task that was added last.
#[derive(Debug)]
pub struct TaskBuilder<'a, T> {
    spec: &'a mut TaskSpec,
    contract: PhantomData<T>,
}

impl<T> TaskBuilder<'_, T> {
    /// Sends its jobs to this queue.
    #[must_use]
    pub fn queue(self, queue: &str) -> Self {
        self.spec.queue = queue.to_owned();
        self
    }

    /// Starts it only when that task has ended.
    #[must_use]
    pub fn after<P>(self, parent: &TaskHandle<P>) -> Self {
        self.spec.parents.push(parent.name.clone());
        self
    }

    /// Runs it once per item of that task's list output.
    #[must_use]
    pub fn map_over<P>(self, parent: &TaskHandle<P>) -> Self {
        self.spec.map_over = Some(parent.name.clone());
        self.after(parent)
    }

    /// Aborts an attempt after this long.
    #[must_use]
    pub fn timeout(self, hard: Duration) -> Self {
        self.spec.timeouts.hard = hard;
        self
    }

    /// Tells the handler to come to an end after this long.
    #[must_use]
    pub fn soft_timeout(self, soft: Duration) -> Self {
        self.spec.timeouts.soft = Some(soft);
        self
    }

    /// Tries again this many times after the first attempt.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        self.spec.retry.max_attempts = retries.saturating_add(1);
        self
    }

    /// Delay after the first transient failure.
    #[must_use]
    pub fn retry_delay(self, base: Duration) -> Self {
        self.spec.retry.base = base;
        self
    }

    /// Lets descendants run even when this task fails for good.
    #[must_use]
    pub fn tolerate_failure(self) -> Self {
        self.spec.on_failure = OnFailure::Continue;
        self
    }

    /// Ends the description.
    #[must_use]
    pub fn add(self) -> TaskHandle<T> {
        TaskHandle { name: self.spec.name.clone(), contract: PhantomData }
    }
}
