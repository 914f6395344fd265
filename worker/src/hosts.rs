//! Workers of our own that do tasks of other engines, too.

use std::sync::Arc;
use std::time::Duration;

use backends::host::{Host, Hosting, Intake, Serving};
use backends::port;
use broker::Broker;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Config, Ports, Worker};

/// How long before a host that failed is started again.
const REST: Duration = Duration::from_secs(5);

/// A worker's hosts, and the intake that they hand tasks in at.
pub struct Hosts {
    hosts: Vec<Arc<dyn Host>>,
    intake: Intake,
}

impl Hosts {
    /// Those hosts over that intake.
    #[must_use]
    pub fn new(hosts: Vec<Arc<dyn Host>>, intake: Intake) -> Self {
        Self { hosts, intake }
    }

    /// The ports of a worker that also takes what these hosts hand in.
    #[must_use]
    pub fn ports(&self, ports: Ports) -> Ports {
        let broker: Arc<dyn Broker> = Arc::new(Hosting::new(ports.broker, self.intake.clone()));
        Ports { broker, ..ports }
    }

    /// Runs a worker, built over [`Self::ports`], together with its hosts, until `stop`; then hosts take no more, and both
    /// finish what is in hand.
    ///
    /// # Errors
    /// As for [`Worker::run`], and when a host is refused by its engine.
    pub async fn run(self, worker: Worker, serving: &Serving, stop: CancellationToken) -> Result<(), Error> {
        let mut serving_all = JoinSet::new();
        for host in self.hosts {
            serving_all.spawn(serve(host, serving.clone(), self.intake.clone(), stop.clone()));
        }
        let working = async {
            let worked = worker.run(stop.clone()).await;
            // Nobody takes any more: what hosts hand in from here on goes back to their engines at once.
            self.intake.close().await;
            worked
        };
        let hosting = async {
            while let Some(served) = serving_all.join_next().await {
                served.map_err(|_| Error::Host("a host of another engine panicked".to_owned()))??;
            }
            // Without hosts, or when they have ended, the worker goes on.
            Ok::<(), Error>(())
        };
        let (worked, hosted) = tokio::join!(working, async {
            let hosted = hosting.await;
            if hosted.is_err() {
                // What this worker was started for cannot be done.
                stop.cancel();
            }
            hosted
        });
        worked?;
        hosted
    }
}

/// What a worker offers to other engines.
#[must_use]
pub fn serving(config: &Config) -> Serving {
    Serving { name: config.name.clone(), queues: config.queues.clone(), concurrency: config.concurrency }
}

/// Why a worker with hosts ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker itself.
    #[error(transparent)]
    Broker(#[from] broker::Error),
    /// An engine refuses it.
    #[error(transparent)]
    Backend(#[from] port::Error),
    /// A host broke.
    #[error("{0}")]
    Host(String),
}

/// Serves one engine; starts again when it was away.
async fn serve(
    host: Arc<dyn Host>,
    serving: Serving,
    intake: Intake,
    stop: CancellationToken,
) -> Result<(), port::Error> {
    tracing::info!(backend = host.name().as_str(), queues = serving.queues.join(","), "serves another engine");
    while !stop.is_cancelled() {
        match host.serve(&serving, intake.clone(), stop.clone()).await {
            Ok(()) => break,
            Err(error @ port::Error::Unavailable { .. }) => {
                tracing::warn!(backend = host.name().as_str(), error = %error, "another engine is away; it is tried again");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(REST) => {}
        }
    }
    Ok(())
}
