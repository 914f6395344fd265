//! A worker of ours among Celery's: consumes queues that Python sends to, and calls handlers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::amqp::Amqp;
use crate::sender::Sender;
use crate::task::{Handler, TaskOptions};
use crate::{Error, Results};
use crew::{Requests, Slots};
use events::Events;
use intake::Intake;
use revoked::Revoked;
use shared::{Registered, Shared};

mod attempt;
mod commands;
mod conclude;
mod config;
mod crew;
mod events;
mod intake;
mod mailbox;
mod record;
mod revoked;
mod runner;
mod shared;
mod stats;

pub use config::{HostConfig, QueueConfig};

/// How long saying good-bye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What sw_ident, sw_ver and sw_sys of events say.
pub(crate) const SOFTWARE: (&str, &str, &str) = ("flotilla", env!("CARGO_PKG_VERSION"), SYSTEM);

/// The system by the name that Python has for it.
const SYSTEM: &str = if cfg!(target_os = "macos") { "Darwin" } else { "Linux" };

/// A worker that is connected and consumes once it is [`run`](Host::run).
pub struct Host {
    shared: Arc<Shared>,
    events: tokio::sync::mpsc::Receiver<(String, Value)>,
}

/// A worker in the making.
pub struct HostBuilder {
    config: HostConfig,
    tasks: BTreeMap<String, Registered>,
    twice: Option<String>,
}

impl HostBuilder {
    /// Registers the code of a task.
    #[must_use]
    pub fn task(mut self, name: impl Into<String>, handler: impl Handler, options: TaskOptions) -> Self {
        let (name, handler) = (name.into(), Arc::new(handler));
        if self.tasks.insert(name.clone(), Registered::new(handler, options)).is_some() {
            self.twice = Some(name);
        }
        self
    }

    /// Connects, and declares what has to be there.
    ///
    /// # Errors
    /// [`Error::Setup`] when a task is registered twice, there is nothing to consume or the queues for delayed tasks are
    /// of another kind; [`Error::Url`], [`Error::Unavailable`].
    pub async fn build(self) -> Result<Host, Error> {
        let Self { config, tasks, twice } = self;
        if let Some(name) = twice {
            return Err(Error::Setup(format!("the task {name:?} is registered twice")));
        }
        if config.queues.is_empty() || config.concurrency == 0 {
            return Err(Error::Setup("a worker needs a queue to consume and room for a task".to_owned()));
        }
        let amqp = Amqp::connect(&config.url, &config.name).await?;
        if config.declare {
            config.delays.declare(&amqp).await?;
        }
        let results = config.redis.as_ref().map(Results::new).transpose()?;
        let (told, events) = Events::new(&config.name, config.task_events);
        let shared = Shared {
            sender: Arc::new(Sender::new(amqp, Some(config.delays.clone()), config.declare, config.declare)),
            results,
            tasks,
            requests: Requests::default(),
            revoked: Revoked::default(),
            slots: Slots::new(config.concurrency),
            events: told,
            intake: Intake::new(prefetch(config.concurrency, config.prefetch_multiplier)),
            started: Timestamp::now(),
            processed: AtomicU64::new(0),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            consumers: TaskTracker::new(),
            work: TaskTracker::new(),
            config,
        };
        Ok(Host { shared: Arc::new(shared), events })
    }
}

/// How many messages each queue may have here.
pub(crate) fn prefetch(concurrency: usize, multiplier: u16) -> u16 {
    u16::try_from(concurrency).unwrap_or(u16::MAX).saturating_mul(multiplier.max(1))
}

impl Host {
    /// A worker that is to be given its tasks.
    #[must_use]
    pub fn builder(config: HostConfig) -> HostBuilder {
        HostBuilder { config, tasks: BTreeMap::new(), twice: None }
    }

    /// Works until `shutdown` is cancelled or remote control asks for the same. Then no task is begun any more, those that
    /// wait here go back to their queues, and those that run have [`HostConfig::grace`] to end; after that, those that are
    /// acknowledged late go back too, and the others fail.
    ///
    /// # Errors
    /// When a queue cannot be consumed to begin with. Outages after that are waited for.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { shared, events } = self;
        let amqp = shared.sender.amqp.clone();
        let delivering = tokio::spawn(events::deliver(
            amqp.clone(),
            shared.config.event_exchange.clone(),
            shared.config.name.clone(),
            events,
        ));
        if let Some(patience) = shared.config.mingle {
            mailbox::greet(&shared, patience).await;
        }
        for queue in shared.config.queues.clone() {
            if let Err(error) = intake::add(&shared, queue).await {
                shared.stop.cancel();
                delivering.abort();
                amqp.close().await;
                return Err(error);
            }
        }
        let heart = tokio::spawn(beat(Arc::clone(&shared)));
        let mailbox = tokio::spawn(mailbox::keep_listening(Arc::clone(&shared)));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = shared.stop.cancelled() => {}
        }
        tracing::info!("shutting down");
        shared.stop.cancel();
        shared.consumers.close();
        shared.consumers.wait().await;
        shared.work.close();
        if timeout(shared.config.grace, shared.work.wait()).await.is_err() {
            tracing::warn!(grace = ?shared.config.grace, "tasks that still run are given up");
            shared.abort.cancel();
            shared.work.wait().await;
        }
        heart.abort();
        mailbox.abort();
        shared.events.send("worker-offline", about(&shared));
        // The channel of events ends with the last who could send one.
        let _aborted = (heart.await, mailbox.await);
        drop(shared);
        if timeout(FAREWELL, delivering).await.is_err() {
            tracing::debug!("the last events were not sent");
        }
        amqp.close().await;
        Ok(())
    }
}

/// Says that the worker is there, again and again.
async fn beat(shared: Arc<Shared>) {
    let mut beats = interval(shared.config.heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.tick().await;
    shared.events.send("worker-online", about(&shared));
    loop {
        shared.events.send("worker-heartbeat", about(&shared));
        beats.tick().await;
    }
}

/// What a worker says about itself.
pub(crate) fn about(shared: &Shared) -> Value {
    let (ident, version, system) = SOFTWARE;
    json!({
        "freq": shared.config.heartbeat.as_secs_f64(),
        "active": shared.requests.active().len(),
        "processed": shared.processed.load(Ordering::Relaxed),
        "loadavg": load_average(),
        "sw_ident": ident,
        "sw_ver": version,
        "sw_sys": system,
    })
}

/// Of the last one, five and fifteen minutes, where the system says it.
fn load_average() -> Vec<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut numbers: Vec<f64> = text.split_whitespace().take(3).filter_map(|number| number.parse().ok()).collect();
    numbers.resize(3, 0.0);
    numbers
}
