//! Three quick tasks one after the other, each in another queue: what fleets work on while something is done to them.

use std::time::Duration;

use async_trait::async_trait;
use protocol::workflow::queues;
use protocol::{Task, Workflow};
use serde::{Deserialize, Serialize};
use worker::{Builder, Context, Handle, Stop};

/// Starts the chain.
pub struct First;
/// Goes on from what the first left behind.
pub struct Second;
/// Ends it.
pub struct Third;

/// What a run of the chain gets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Load {
    /// How long each task takes, in milliseconds.
    pub ms: u64,
    /// How many bytes the first task leaves behind; beyond the limit for messages they go through the object store.
    pub bytes: usize,
}

impl Task for First {
    const NAME: &'static str = "first";
    type Input = Load;
    type Output = String;
}

impl Task for Second {
    const NAME: &'static str = "second";
    type Input = Load;
    type Output = usize;
}

impl Task for Third {
    const NAME: &'static str = "third";
    type Input = Load;
    type Output = usize;
}

/// The workflow. It is patient: an outage of some seconds uses up none of its tasks' retries.
#[must_use]
pub fn workflow() -> Workflow {
    let mut flow = Workflow::named("chain-of-three");
    let pause = Duration::from_secs(1);
    let first = flow.task::<First>().queue(queues::FILE_PROCESSING).retries(20).retry_delay(pause).add();
    let second = flow.task::<Second>().queue(queues::API_PROCESSING).after(&first).retries(20).retry_delay(pause).add();
    let _third = flow.task::<Third>().queue(queues::DEFAULT).after(&second).retries(20).retry_delay(pause).add();
    flow
}

/// Lets a worker serve its tasks.
#[must_use]
pub fn register(worker: Builder) -> Builder {
    worker.register::<First>(Deed).register::<Second>(Deed).register::<Third>(Deed)
}

struct Deed;

#[async_trait]
impl Handle<First> for Deed {
    async fn run(&self, _: &Context, load: Load) -> Result<String, Stop> {
        tokio::time::sleep(Duration::from_millis(load.ms)).await;
        Ok("x".repeat(load.bytes))
    }
}

#[async_trait]
impl Handle<Second> for Deed {
    async fn run(&self, ctx: &Context, load: Load) -> Result<usize, Stop> {
        tokio::time::sleep(Duration::from_millis(load.ms)).await;
        Ok(ctx.output::<First>().await?.len())
    }
}

#[async_trait]
impl Handle<Third> for Deed {
    async fn run(&self, ctx: &Context, load: Load) -> Result<usize, Stop> {
        tokio::time::sleep(Duration::from_millis(load.ms)).await;
        Ok(ctx.output::<Second>().await?)
    }
}
