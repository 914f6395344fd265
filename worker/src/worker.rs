//! A worker: queues, slots and handlers, from the first delivery to the last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Consumer, Verdict};
use coordination::Coordination;
use objects::Objects;
use protocol::Task;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::handler::{AnyHandler, Handle, Typed};
use crate::leases::Leases;
use crate::reporter::Reporter;
use crate::returns::Returns;
use crate::runner::{Drain, Runner};

/// What a worker needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Where jobs come from and outcomes go.
    pub broker: Arc<dyn Broker>,
    /// Where documents and artifacts lie.
    pub objects: Arc<dyn Objects>,
    /// Leases and cancellation.
    pub coordination: Arc<dyn Coordination>,
}

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who it is; unique per process start, since it holds leases.
    pub name: String,
    /// The queues it serves.
    pub queues: Vec<String>,
    /// How many jobs it runs at once.
    pub concurrency: usize,
    /// How many jobs of one queue it may have in hand, running or not.
    pub prefetch: usize,
    /// How long an attempt is protected without a sign of life.
    pub lease_ttl: Duration,
    /// How long running jobs may take to finish after the order to shut down.
    pub grace: Duration,
}

/// A worker that is ready to run.
pub struct Worker {
    config: Config,
    runner: Arc<Runner>,
    /// Asks for leases, sends outcomes and reports, until the runner is gone and all is sent.
    errands: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Collects handlers.
pub struct Builder {
    ports: Ports,
    config: Config,
    handlers: HashMap<&'static str, Arc<dyn AnyHandler>>,
}

impl Builder {
    /// Serves a task. Registering the same task again replaces its handler.
    #[must_use]
    pub fn register<T: Task + 'static>(mut self, handler: impl Handle<T>) -> Self {
        self.handlers.insert(T::NAME, Arc::new(Typed::<T, _>::new(handler)));
        self
    }

    /// The finished worker.
    #[must_use]
    pub fn build(self) -> Worker {
        let name: Arc<str> = Arc::from(self.config.name.as_str());
        let (reporter, reports) = Reporter::new(Arc::clone(&self.ports.broker), Arc::clone(&name));
        let (returns, returning) = Returns::new(Arc::clone(&self.ports.broker));
        let (leases, asking) =
            Leases::new(Arc::clone(&self.ports.coordination), Arc::clone(&name), self.config.lease_ttl);
        let runner = Runner { ports: self.ports, handlers: self.handlers, leases, returns, reporter, name };
        let errands = async move {
            tokio::join!(reports, returning, asking);
        };
        Worker { config: self.config, runner: Arc::new(runner), errands: Box::pin(errands) }
    }
}

impl Worker {
    /// Starts to describe a worker.
    #[must_use]
    pub fn builder(ports: Ports, config: Config) -> Builder {
        Builder { ports, config, handlers: HashMap::new() }
    }

    /// Works until `shutdown`, then finishes what is in hand within the grace period and hands the rest back.
    ///
    /// # Errors
    /// When a queue cannot be consumed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), broker::Error> {
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        let drain = Drain::default();
        let prefetch = u16::try_from(self.config.prefetch).unwrap_or(u16::MAX);
        let mut consuming = JoinSet::new();
        self.runner.ports.broker.offer(&self.config.queues).await?;
        for queue in &self.config.queues {
            let consumer = self.runner.ports.broker.consume(queue, prefetch).await?;
            let runner = Arc::clone(&self.runner);
            consuming.spawn(consume(consumer, runner, Arc::clone(&slots), drain.clone(), shutdown.clone()));
        }
        let renewer = Arc::clone(&self.runner);
        let renewing = tokio::spawn(async move { renewer.leases.keep_renewing().await });
        let errands = tokio::spawn(self.errands);

        shutdown.cancelled().await;
        drain.soft.cancel();
        let finished = async { while consuming.join_next().await.is_some() {} };
        if tokio::time::timeout(self.config.grace, finished).await.is_err() {
            tracing::warn!(worker = %self.config.name, "the grace period is over, jobs are handed back");
            drain.hard.cancel();
            while consuming.join_next().await.is_some() {}
        }
        renewing.abort();
        // Errands end with the runner, when all that was handed in is sent.
        drop(self.runner);
        if tokio::time::timeout(Duration::from_secs(1), errands).await.is_err() {
            tracing::debug!("the last lifecycle events were not sent in time");
        }
        Ok(())
    }
}

/// Takes deliveries of one queue as slots become free. Ends, with all its jobs, after `shutdown`.
async fn consume(
    mut consumer: Box<dyn Consumer>,
    runner: Arc<Runner>,
    slots: Arc<Semaphore>,
    drain: Drain,
    shutdown: CancellationToken,
) {
    let mut running = JoinSet::new();
    loop {
        let delivery = tokio::select! {
            () = shutdown.cancelled() => break,
            delivery = consumer.next() => delivery,
            // Ended jobs are removed as they end, so that the set does not grow with the worker's age.
            Some(_) = running.join_next(), if !running.is_empty() => continue,
        };
        let Some(delivery) = delivery else { break };
        let permit = tokio::select! {
            () = shutdown.cancelled() => None,
            permit = Arc::clone(&slots).acquire_owned() => permit.ok(),
        };
        let Some(permit) = permit else {
            // Never started, so this delivery does not count.
            if let Err(error) = delivery.settle(Verdict::Requeue { counted: false }).await {
                tracing::debug!(error = %error, "a job that was not started will be delivered again");
            }
            break;
        };
        let (runner, drain) = (Arc::clone(&runner), drain.clone());
        running.spawn(async move {
            runner.handle(delivery, permit, &drain).await;
        });
    }
    while running.join_next().await.is_some() {}
}
