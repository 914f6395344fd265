//! A worker of the fleet as a worker of Temporal's: one poller for the walks, one per queue for the turns.

use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use protocol::Backend as Name;
use temporalio_client::Client;
use temporalio_client::tonic::Code;
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_sdk::error::{WorkerRunError, WorkerValidationError};
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connection::{Server, innermost, refused, unavailable};
use super::fleet_dag::FleetDag;
use super::plan::{turns_queue, walks_queue};
use super::turns::{BEAT, Turns};
use crate::host::{Host, Intake, Serving};
use crate::port::Error;

/// How many walks proceed at a time in one worker; each takes microseconds.
const WALKS: usize = 20;

/// How long a step of a walk waits for the worker that took the one before.
const ELSEWHERE: Duration = Duration::from_secs(3);

/// How long before the server is asked again after it went away.
const PAUSE: Duration = Duration::from_secs(3);

/// Takes walks and turns from a Temporal server.
#[derive(Clone, Debug)]
pub struct TemporalHost {
    server: Server,
    prefix: String,
}

/// What one poller takes.
#[derive(Clone)]
enum Fare {
    Walks,
    Turns { queue: String, concurrency: usize, turns: Turns },
}

impl TemporalHost {
    pub(super) const fn new(server: Server, prefix: String) -> Self {
        Self { server, prefix }
    }

    /// Takes tasks until `stop`, however often the server goes away meanwhile.
    async fn keep_serving(&self, serving: &Serving, fare: &Fare, stop: &CancellationToken) -> Result<(), Error> {
        loop {
            let away = match self.serve_once(serving, fare, stop).await {
                Ok(()) => return Ok(()),
                Err(error @ Error::Refused { .. }) => return Err(error),
                Err(error) => error,
            };
            tracing::warn!(error = %away, "temporal is away");
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn serve_once(&self, serving: &Serving, fare: &Fare, stop: &CancellationToken) -> Result<(), Error> {
        let Some(client) = stop.run_until_cancelled(self.server.connect(&serving.name)).await else { return Ok(()) };
        let options = self.options(fare)?;
        let ended = run_on_thread(client?, options, stop.clone()).await;
        ended.map_err(|error| self.ended(&error))
    }

    fn options(&self, fare: &Fare) -> Result<WorkerOptions, Error> {
        let queue = match fare {
            Fare::Walks => walks_queue(&self.prefix),
            Fare::Turns { queue, .. } => turns_queue(&self.prefix, queue),
        };
        let slots = match fare {
            Fare::Walks => 1,
            Fare::Turns { concurrency, .. } => (*concurrency).max(1),
        };
        let tuner = TunerHolder::builder()
            .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WALKS))
            .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
            .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(1))
            .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
            .build();
        let version = WorkerDeploymentOptions::from_build_id(env!("CARGO_PKG_VERSION").to_owned());
        let options = WorkerOptions::new(queue)
            .deployment_options(version)
            .tuner(tuner)
            // Every step of a walk can be taken elsewhere: histories are short.
            .sticky_queue_schedule_to_start_timeout(ELSEWHERE)
            // Otherwise signs of life are held back until the server has nearly given us up.
            .max_heartbeat_throttle_interval(BEAT);
        Ok(match fare {
            Fare::Walks => options.register_workflow::<FleetDag>().map_err(|error| refused(error.to_string()))?.build(),
            Fare::Turns { turns, .. } => options.register_activities(turns.clone()).build(),
        })
    }

    fn ended(&self, error: &WorkerRunError) -> Error {
        match error {
            WorkerRunError::Validation(WorkerValidationError::NamespaceDescribeError { source, .. })
                if source.code() != Code::Unavailable =>
            {
                self.server.error(source)
            }
            other => unavailable(format!("{other}: {}", innermost(other))),
        }
    }
}

#[async_trait]
impl Host for TemporalHost {
    fn name(&self) -> Name {
        Name::Temporal
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let turns = Turns::new(intake);
        let per_queue = serving.queues.iter().map(|queue| Fare::Turns {
            queue: queue.clone(),
            concurrency: serving.concurrency,
            turns: turns.clone(),
        });
        // One that is refused ends them all.
        let stop = stop.child_token();
        let _ended = stop.clone().drop_guard();
        let fares: Vec<Fare> = std::iter::once(Fare::Walks).chain(per_queue).collect();
        futures::future::try_join_all(fares.iter().map(|fare| self.keep_serving(serving, fare, &stop))).await?;
        Ok(())
    }
}

/// Runs a worker of the SDK to its end. It cannot leave its thread, so it has one of its own; what it spawns is on our runtime.
async fn run_on_thread(client: Client, options: WorkerOptions, stop: CancellationToken) -> Result<(), WorkerRunError> {
    let runtime = Handle::current();
    let (told, ended) = oneshot::channel();
    let name = options.task_queue.clone();
    let work = move || {
        let ended = runtime.block_on(async {
            let fatal = |source: Box<dyn std::error::Error + Send + Sync>| WorkerRunError::Fatal {
                message: "the worker could not begin".to_owned(),
                source,
            };
            let sdk = Runtime::from_current_tokio(Default::default()).map_err(|error| fatal(error.into()))?;
            let mut worker = Worker::new(&sdk, client, options).map_err(|error| fatal(error.into()))?;
            let shut_down = worker.shutdown_handle();
            let stopping = tokio::spawn(async move {
                stop.cancelled().await;
                shut_down();
            });
            let ended = worker.run().await;
            stopping.abort();
            ended
        });
        // Nobody waits any more: the process is on its way out.
        let _gone = told.send(ended);
    };
    let fatal = |message: &str, source: Box<dyn std::error::Error + Send + Sync>| {
        Err(WorkerRunError::Fatal { message: message.to_owned(), source })
    };
    if let Err(error) = thread::Builder::new().name(name).spawn(work) {
        return fatal("no thread for the worker", error.into());
    }
    match ended.await {
        Ok(ended) => ended,
        Err(error) => fatal("the worker's thread ended", error.into()),
    }
}
