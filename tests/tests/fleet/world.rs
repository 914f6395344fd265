//! What a fleet stands on: the ports of the embedded system, or real servers.

use std::sync::Arc;
use std::time::Duration;

use backends::engines::Engine;
use backends::stack::Stack;
use broker::Broker;
use broker::memory::MemoryBroker;
use coordination::Coordination;
use coordination::in_process::InProcess;
use ledger::Ledger;
use ledger::sqlite::SqliteLedger;
use objects::Objects;
use objects::filesystem::Filesystem;
use protocol::Backend;
use protocol::workflow::queues;
use specs::walker::Walker;
use specs::{Berth, CeleryBerth};
use tempfile::TempDir;

/// How often a job is delivered before it counts as poison.
const DELIVERY_LIMIT: u32 = 5;

/// How long whatever a failed spec left running may take to end.
const END: Duration = Duration::from_secs(5);

/// Where one spec takes place. Fleets that are started in it one after another find what the earlier ones left.
pub(crate) enum World {
    /// Memory broker, SQLite, in-process coordination: what `flotilla run` uses.
    Embedded(TempDir),
    /// RabbitMQ with quorum queues, Postgres, Redis.
    Servers(Box<Berth>),
    /// The embedded system, whose runs another engine walks.
    Elsewhere(TempDir, Box<Elsewhere>),
}

/// Another engine, for as long as a world lasts.
pub(crate) enum Elsewhere {
    /// The smallest there is, in memory.
    Walked(Walker),
    /// Celery messages at RabbitMQ.
    Celery(CeleryBerth),
    /// A Temporal server.
    #[cfg(feature = "temporal")]
    Temporal(specs::temporal::Server),
}

impl Elsewhere {
    /// Connects as a new process would: what starts runs there, and what takes its tasks.
    fn engine(&self) -> Engine {
        match self {
            Self::Celery(berth) => berth.engine(),
            Self::Walked(walker) => {
                Engine { backend: Arc::new(walker.clone()), host: Some(Arc::new(walker.clone())), collector: None }
            }
            #[cfg(feature = "temporal")]
            Self::Temporal(server) => server.open(),
        }
    }
}

/// Connected ports.
pub(crate) struct Connected {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) coordination: Arc<dyn Coordination>,
    /// Whether the broker forgets everything with the process.
    pub(crate) forgetful: bool,
    pub(crate) stack: Option<Stack>,
    /// The engine that runs go to, unless it is our own.
    pub(crate) engine: Option<Engine>,
}

impl World {
    pub(crate) fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    pub(crate) fn walked() -> Self {
        Self::Elsewhere(tempfile::tempdir().unwrap(), Box::new(Elsewhere::Walked(Walker::named(Backend::Temporal))))
    }

    pub(crate) fn celery() -> Self {
        let queues = queues::WORK.into_iter().chain([crate::own_queues::OWN]);
        Self::Elsewhere(tempfile::tempdir().unwrap(), Box::new(Elsewhere::Celery(CeleryBerth::take(queues))))
    }

    /// The engine in memory.
    pub(crate) fn walker(&self) -> &Walker {
        match self {
            Self::Elsewhere(_, elsewhere) => match elsewhere.as_ref() {
                Elsewhere::Walked(walker) => walker,
                _ => panic!("its engine is another one"),
            },
            _ => panic!("it has no other engine"),
        }
    }

    /// Celery's place in it, if it has one.
    pub(crate) fn celery_berth(&self) -> Option<&CeleryBerth> {
        match self {
            Self::Elsewhere(_, elsewhere) => match elsewhere.as_ref() {
                Elsewhere::Celery(berth) => Some(berth),
                _ => None,
            },
            _ => None,
        }
    }

    #[cfg(feature = "temporal")]
    pub(crate) fn temporal() -> Self {
        Self::Elsewhere(tempfile::tempdir().unwrap(), Box::new(Elsewhere::Temporal(specs::temporal::Server::start())))
    }

    /// The backend that its runs are on.
    pub(crate) fn backend(&self) -> Backend {
        match self {
            Self::Embedded(_) => Backend::Embedded,
            Self::Servers(_) => Backend::Fleet,
            Self::Elsewhere(_, elsewhere) => elsewhere.engine().backend.name(),
        }
    }

    pub(crate) fn servers() -> Self {
        Self::Servers(Box::new(Berth::take()))
    }

    /// Connects as a new process would.
    pub(crate) async fn connect(&self) -> Connected {
        match self {
            Self::Embedded(folder) | Self::Elsewhere(folder, _) => Connected {
                ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.sqlite")).await.unwrap()),
                broker: Arc::new(MemoryBroker::new(backends::fleet::topology(DELIVERY_LIMIT))),
                objects: Arc::new(Filesystem::new(folder.path().join("objects"))),
                coordination: Arc::new(InProcess::new()),
                forgetful: true,
                stack: None,
                engine: match self {
                    Self::Elsewhere(_, elsewhere) => Some(elsewhere.engine()),
                    _ => None,
                },
            },
            Self::Servers(berth) => {
                ledger::postgres::migrate(&berth.database().config()).await.unwrap();
                let stack = berth.servers().connect().await.unwrap();
                Connected {
                    ledger: Arc::new(berth.database().connect().await.unwrap()),
                    broker: Arc::clone(&stack.broker),
                    objects: Arc::clone(&stack.objects),
                    coordination: Arc::clone(&stack.coordination),
                    forgetful: false,
                    stack: Some(stack),
                    engine: None,
                }
            }
        }
    }
}

impl World {
    /// Makes a queue with other properties than the fleet wants.
    pub(crate) async fn make_foreign_queue(&self, name: &str) {
        let Self::Servers(berth) = self else { panic!("queues in memory have no properties") };
        berth.make_foreign_queue(name).await;
    }
}

/// Plays a spec in a world. Whatever it left running has ended before the world does, also when it fails: what still
/// runs would make deleted queues again.
pub(crate) fn play(world: World, spec: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(spec(&world))));
    runtime.shutdown_timeout(END);
    drop(world);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
