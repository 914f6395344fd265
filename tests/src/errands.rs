//! Tasks that go wrong on demand, a workflow of them, and a worker that does what an engine hands out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backends::host::{Host, Hosting, Intake, Serving};
use backends::port;
use broker::memory::MemoryBroker;
use coordination::Coordination as _;
use coordination::in_process::InProcess;
use objects::filesystem::Filesystem;
use protocol::workflow::queues;
use protocol::{RunId, Task, TaskError, Workflow};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::{Config, Context, Handle, Ports, Stop, Worker};

use crate::desk::MemoryDesk;

/// What a run of the errands gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Errand {
    /// What goes wrong, by the name of the task.
    pub trouble: BTreeMap<String, Trouble>,
    /// What `list` leaves for `each`; a thirteen breaks.
    pub items: Vec<u32>,
}

/// Something that goes wrong in a task.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Trouble {
    /// The first so many attempts fail.
    FailsAtFirst(u32),
    /// It fails for good.
    Breaks,
    /// It waits once for something outside, for so many milliseconds.
    Snoozes(u64),
    /// It does not end before it is told to.
    Lingers,
    /// It takes so many milliseconds.
    Takes(u64),
}

macro_rules! errands {
    ($($name:ident = $text:literal: $input:ty => $output:ty),+ $(,)?) => {
        $(
            struct $name;

            impl Task for $name {
                const NAME: &'static str = $text;
                type Input = $input;
                type Output = $output;
            }
        )+
    };
}

errands! {
    Fetch = "fetch": Errand => String,
    Left = "left": Errand => String,
    List = "list": Errand => Vec<u32>,
    Each = "each": u32 => u32,
    Sum = "sum": Errand => u32,
}

/// The workflow: `fetch`, then side by side `left`, whose failure is tolerated, and `list`; `each` runs per item of the list;
/// `sum` waits for all.
#[must_use]
pub fn workflow(name: &str) -> Workflow {
    let mut flow = Workflow::named(name);
    let pause = Duration::from_millis(300);
    let fetch = flow.task::<Fetch>().retries(3).retry_delay(pause).add();
    let left = flow.task::<Left>().after(&fetch).retries(3).retry_delay(pause).tolerate_failure().add();
    let list = flow.task::<List>().after(&fetch).retries(3).retry_delay(pause).add();
    let each = flow.task::<Each>().map_over(&list).retries(0).add();
    let _sum = flow.task::<Sum>().after(&left).after(&each).retries(0).add();
    flow
}

/// Does what the troubles say.
struct Deed;

impl Deed {
    async fn suffer(ctx: &Context, errand: &Errand) -> Result<(), Stop> {
        match errand.trouble.get(&ctx.job().task) {
            Some(Trouble::FailsAtFirst(times)) if ctx.job().attempt <= *times => {
                Err(TaskError::transient("hiccup", "It did not work this time.").into())
            }
            Some(Trouble::Breaks) => Err(TaskError::permanent("broken", "It never works.").into()),
            Some(Trouble::Snoozes(ms)) if ctx.state().is_null() => {
                Err(Stop::Snooze { after: Duration::from_millis(*ms), state: "rested".into() })
            }
            Some(Trouble::Lingers) => {
                ctx.stopping().cancelled().await;
                Err(TaskError::transient("interrupted", "It was told to stop.").into())
            }
            Some(Trouble::Takes(ms)) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Handle<Fetch> for Deed {
    async fn run(&self, ctx: &Context, errand: Errand) -> Result<String, Stop> {
        Self::suffer(ctx, &errand).await.map(|()| "fetched".to_owned())
    }
}

#[async_trait]
impl Handle<Left> for Deed {
    async fn run(&self, ctx: &Context, errand: Errand) -> Result<String, Stop> {
        Self::suffer(ctx, &errand).await?;
        Ok(ctx.output::<Fetch>().await?)
    }
}

#[async_trait]
impl Handle<List> for Deed {
    async fn run(&self, ctx: &Context, errand: Errand) -> Result<Vec<u32>, Stop> {
        Self::suffer(ctx, &errand).await.map(|()| errand.items)
    }
}

#[async_trait]
impl Handle<Each> for Deed {
    async fn run(&self, _: &Context, item: u32) -> Result<u32, Stop> {
        if item == 13 { Err(TaskError::permanent("unlucky", "Thirteen breaks.").into()) } else { Ok(item * 2) }
    }
}

#[async_trait]
impl Handle<Sum> for Deed {
    async fn run(&self, ctx: &Context, errand: Errand) -> Result<u32, Stop> {
        Self::suffer(ctx, &errand).await?;
        Ok(ctx.outputs::<Each>().await?.iter().sum())
    }
}

/// A worker that does the errands that an engine hands out, and the desk that it asks.
pub struct Shop {
    /// The record.
    pub desk: Arc<MemoryDesk>,
    coordination: Arc<InProcess>,
    intake: Intake,
    stop: CancellationToken,
    hosting: JoinHandle<Result<(), port::Error>>,
    working: JoinHandle<Result<(), broker::Error>>,
    _folder: TempDir,
}

impl Shop {
    /// Opens for an engine's tasks of the workflows that the desk knows.
    ///
    /// # Panics
    /// When there is no folder for it.
    pub fn open(desk: Arc<MemoryDesk>, host: Arc<dyn Host>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let stop = CancellationToken::new();
        let name = format!("shop-{}", uuid::Uuid::now_v7().simple());
        let queues = vec![queues::DEFAULT.to_owned()];
        let intake = Intake::new(Arc::clone(&desk) as Arc<dyn backends::desk::Desk>);
        let native = Arc::new(MemoryBroker::new(backends::fleet::topology(5)));
        let coordination = Arc::new(InProcess::new());
        let ports = Ports {
            broker: Arc::new(Hosting::new(native, intake.clone())),
            objects: Arc::new(Filesystem::new(folder.path().to_owned())),
            coordination: Arc::clone(&coordination) as Arc<dyn coordination::Coordination>,
        };
        let config = Config {
            name: name.clone(),
            queues: queues.clone(),
            concurrency: 4,
            prefetch: 8,
            lease_ttl: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        };
        let worker = Worker::builder(ports, config)
            .register::<Fetch>(Deed)
            .register::<Left>(Deed)
            .register::<List>(Deed)
            .register::<Each>(Deed)
            .register::<Sum>(Deed)
            .build();
        let working = tokio::spawn(worker.run(stop.clone()));
        let serving = Serving { name, queues, concurrency: 4 };
        let (token, hosted) = (stop.clone(), intake.clone());
        let hosting = tokio::spawn(async move { host.serve(&serving, hosted, token).await });
        Self { desk, coordination, intake, stop, hosting, working, _folder: folder }
    }

    /// Cancels a run: on record, and for the worker.
    ///
    /// # Panics
    /// Never: coordination is within this process.
    pub async fn cancel(&self, run: RunId) {
        self.desk.cancel(run);
        self.coordination.cancel_run(run, Duration::from_secs(60)).await.expect("it is in this process");
    }

    /// Closes, and returns what the host said at its end.
    ///
    /// # Errors
    /// What the host refused to go on with.
    ///
    /// # Panics
    /// When a part of it panicked.
    pub async fn close(self) -> Result<(), port::Error> {
        self.stop.cancel();
        self.working.await.expect("the worker does not panic").expect("it can consume");
        self.intake.close().await;
        self.hosting.await.expect("the host does not panic")
    }

    /// Waits for the host to give up.
    ///
    /// # Panics
    /// When it does not, or panicked.
    pub async fn given_up(self) -> port::Error {
        let ended = self.hosting.await.expect("the host does not panic");
        self.stop.cancel();
        ended.expect_err("it goes on")
    }
}
