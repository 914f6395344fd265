//! What an operator chooses for a worker.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};

use crate::wire::{arguments, text};
use crate::{Delays, RedisConfig};

/// How a worker of ours takes part.
#[derive(Clone)]
pub struct HostConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps`. Never printed.
    pub url: String,
    /// The node's name, unique among workers: `kind@host`. Celery addresses remote control by it.
    pub name: String,
    /// What it consumes.
    pub queues: Vec<QueueConfig>,
    /// How many tasks run at a time.
    pub concurrency: usize,
    /// How many messages are taken from each queue for every task that may run.
    pub prefetch_multiplier: u16,
    /// Whether results go to the queue that a message names: what `result_backend = 'rpc://'` is to a Python worker.
    pub rpc: bool,
    /// Results in Redis: what `result_backend = 'redis://…'` is. Chords need it. Both may be on.
    pub redis: Option<RedisConfig>,
    /// Where tasks for later wait.
    pub delays: Delays,
    /// Which queue tasks go to that do not say it: the first pattern that fits the name, `*` at its end for any rest.
    pub routes: Vec<(String, String)>,
    /// Which queue those go to that no pattern fits.
    pub default_queue: String,
    /// Whether queues are declared: those it consumes, those for delayed tasks, and those that a task is sent to and that
    /// are missing. Without, all of them have to be there, and those it consumes bound to `celery_delayed_delivery` under
    /// `#.` and their names.
    pub declare: bool,
    /// Whether events of tasks are sent from the start, as with `-E`; remote control can switch them.
    pub task_events: bool,
    /// How often it says that it is there.
    pub heartbeat: Duration,
    /// How long to ask others, before it begins, what was taken back before it came; without, it begins at once.
    pub mingle: Option<Duration>,
    /// Celery's `control_exchange`.
    pub control_exchange: String,
    /// Celery's `event_exchange`.
    pub event_exchange: String,
    /// How long running tasks may take to end when it shuts down.
    pub grace: Duration,
    /// How long a terminated handler may take to let go of what it holds.
    pub terminate_grace: Duration,
}

impl HostConfig {
    /// Four tasks at a time from a queue `celery`, results by message, no events of tasks, a minute of grace.
    #[must_use]
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            queues: vec![QueueConfig::new("celery")],
            concurrency: 4,
            prefetch_multiplier: 4,
            rpc: true,
            redis: None,
            delays: Delays::default(),
            routes: Vec::new(),
            default_queue: "celery".to_owned(),
            declare: true,
            task_events: false,
            heartbeat: Duration::from_secs(2),
            mingle: Some(Duration::from_secs(1)),
            control_exchange: "celery".to_owned(),
            event_exchange: "celeryev".to_owned(),
            grace: Duration::from_secs(60),
            terminate_grace: Duration::from_millis(500),
        }
    }

    /// The same, consuming these queues.
    #[must_use]
    pub fn queues<'a>(mut self, queues: impl IntoIterator<Item = &'a str>) -> Self {
        self.queues = queues.into_iter().map(QueueConfig::new).collect();
        self
    }

    /// The queue for a task that does not say it.
    pub(crate) fn route(&self, task: &str) -> &str {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => task.starts_with(beginning),
            None => task == pattern,
        };
        let route = self.routes.iter().find(|(pattern, _)| fits(pattern));
        route.map_or(&self.default_queue, |(_, queue)| queue)
    }
}

impl std::fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostConfig")
            .field("name", &self.name)
            .field("queues", &self.queues)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// A queue. One that exists is used as it is. Python clients declare the queues they send to, so one that is more than
/// [`QueueConfig::new`] says has to stand in their `task_queues` with the same arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Its name.
    pub name: String,
    /// Whether it is a quorum queue, should it have to be declared.
    pub quorum: bool,
    /// Its priorities, should it have to be declared; classic queues alone have them.
    pub max_priority: Option<u8>,
}

impl QueueConfig {
    /// A classic queue without priorities: what Celery declares.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), quorum: false, max_priority: None }
    }

    pub(crate) fn arguments(&self) -> FieldTable {
        let mut table = FieldTable::default();
        if self.quorum {
            table = arguments([("x-queue-type", text("quorum"))]);
        } else if let Some(priority) = self.max_priority {
            table = arguments([("x-max-priority", AMQPValue::LongInt(priority.into()))]);
        }
        table
    }
}
