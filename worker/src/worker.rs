//! A worker: queues, slots and handlers, from the first delivery to the last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use coordination::Coordination;
use objects::Objects;
use protocol::Task;
use service::traces::Traces;
use tokio_util::sync::CancellationToken;

use crate::autoscale::Autoscale;
use crate::crew::Crew;
use crate::handler::{AnyHandler, Handle, Typed};
use crate::in_flight::InFlight;
use crate::leases::Leases;
use crate::reporter::Reporter;
use crate::returns::Returns;
use crate::runner::{Drain, Runner};
use crate::time_limits::TimeLimits;

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
    autoscale: Option<Autoscale>,
    sticky: bool,
    runner: Arc<Runner>,
    /// Asks for leases, sends outcomes and reports, until the runner is gone and all is sent.
    errands: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Collects handlers.
pub struct Builder {
    ports: Ports,
    config: Config,
    autoscale: Option<Autoscale>,
    sticky: bool,
    limits: TimeLimits,
    traces: Traces,
    handlers: HashMap<&'static str, Arc<dyn AnyHandler>>,
}

impl Builder {
    /// Serves a task. Registering the same task again replaces its handler.
    #[must_use]
    pub fn register<T: Task + 'static>(mut self, handler: impl Handle<T>) -> Self {
        self.handlers.insert(T::NAME, Arc::new(Typed::<T, _>::new(handler)));
        self
    }

    /// Lets the concurrency follow the backlog instead of staying at [`Config::concurrency`]. The prefetch follows it.
    #[must_use]
    pub fn autoscale(mut self, scale: Autoscale) -> Self {
        self.autoscale = Some(scale);
        self
    }

    /// Takes part in sticky runs: their jobs come back to this worker while it has room for them. It pays where `objects`
    /// keeps what it has seen, see `objects::cached`.
    #[must_use]
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }

    /// Caps the time limits of tasks.
    #[must_use]
    pub fn time_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells about the attempts that end here.
    #[must_use]
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = traces;
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
        let limits = self.limits.within(self.ports.broker.settle_within());
        let in_flight = InFlight::default();
        let (ports, handlers, traces) = (self.ports, self.handlers, self.traces);
        let lists = Arc::default();
        let runner = Runner { ports, handlers, leases, returns, reporter, lists, name, limits, in_flight, traces };
        let errands = async move {
            tokio::join!(reports, returning, asking);
        };
        let Self { config, autoscale, sticky, .. } = self;
        Worker { config, autoscale, sticky, runner: Arc::new(runner), errands: Box::pin(errands) }
    }
}

impl Worker {
    /// Starts to describe a worker.
    #[must_use]
    pub fn builder(ports: Ports, config: Config) -> Builder {
        let (limits, traces) = (TimeLimits::default(), Traces::default());
        Builder { ports, config, autoscale: None, sticky: false, limits, traces, handlers: HashMap::new() }
    }

    /// The names of the tasks that it serves, in alphabetical order.
    #[must_use]
    pub fn tasks(&self) -> Vec<&str> {
        self.runner.served()
    }

    /// Tells how many jobs it runs, also while it does.
    #[must_use]
    pub fn in_flight(&self) -> InFlight {
        self.runner.in_flight.clone()
    }

    /// Works until `shutdown`, then finishes what is in hand within the grace period and hands the rest back.
    ///
    /// # Errors
    /// When a queue cannot be consumed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), broker::Error> {
        let drain = Drain::default();
        let queues = self.config.queues.clone();
        let mut crew = Crew::new(Arc::clone(&self.runner), queues, self.sticky, drain.clone(), shutdown.clone());
        match self.autoscale {
            Some(scale) => crew.grow(scale.min, scale.min).await?,
            None => crew.grow(self.config.concurrency, self.config.prefetch).await?,
        }
        let renewer = Arc::clone(&self.runner);
        let renewing = tokio::spawn(async move { renewer.leases.keep_renewing().await });
        let errands = tokio::spawn(self.errands);

        match self.autoscale {
            Some(scale) => tokio::select! {
                () = shutdown.cancelled() => {}
                () = crew.follow(scale) => {}
            },
            None => shutdown.cancelled().await,
        }
        drain.soft.cancel();
        if tokio::time::timeout(self.config.grace, crew.done()).await.is_err() {
            tracing::warn!(worker = %self.config.name, "the grace period is over, jobs are handed back");
            drain.hard.cancel();
            crew.done().await;
        }
        renewing.abort();
        // Errands end with the runner, when all that was handed in is sent.
        drop(crew);
        drop(self.runner);
        if tokio::time::timeout(Duration::from_secs(1), errands).await.is_err() {
            tracing::debug!("the last lifecycle events were not sent in time");
        }
        Ok(())
    }
}
