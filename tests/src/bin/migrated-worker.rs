//! The worker that takes the place of seven kinds of Python's (`tests/peers/seven.py`): the same names of tasks, the same
//! queues, one process. What a task does is in [`work`]; everything else is what a migrated worker looks like.

use std::error::Error;
use std::time::Duration;

use celery::{Failure, Host, HostConfig, QueueConfig, RedisConfig, Stop, Task, TaskOptions};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use service::Shutdown;
use specs::seven::{KINDS, QUORUM};

/// How many tasks it runs at a time: as many as two slots in each of seven Python workers.
const CONCURRENCY: usize = 14;

fn main() -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::signals()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(shutdown))
}

async fn run(shutdown: Shutdown) -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|_unset| format!("{name} is not set"));
    let (prefix, redis, node) = (variable("SPEC_PREFIX")?, variable("SPEC_REDIS")?, variable("SPEC_NODE")?);
    let queue = |name: &str| QueueConfig { quorum: name == QUORUM, ..QueueConfig::new(format!("{prefix}{name}")) };
    let config = HostConfig {
        queues: KINDS.iter().map(|kind| queue(kind.queue)).collect(),
        routes: KINDS.iter().map(|kind| (kind.task.to_owned(), format!("{prefix}{}", kind.queue))).collect(),
        default_queue: format!("{prefix}celery"),
        concurrency: CONCURRENCY,
        prefetch_multiplier: 1,
        redis: Some(RedisConfig { prefix: prefix.clone(), ..RedisConfig::new(&redis) }),
        control_exchange: format!("{prefix}control"),
        event_exchange: format!("{prefix}events"),
        ..HostConfig::new(variable("SPEC_AMQP")?, node.clone())
    };
    let notes = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
    let host = KINDS.iter().fold(Host::builder(config), |host, kind| {
        let (prefix, node, notes) = (prefix.clone(), node.clone(), notes.clone());
        let handler = move |task: Task| work(task, prefix.clone(), node.clone(), notes.clone());
        host.task(kind.task, handler, TaskOptions::late())
    });
    Ok(host.build().await?.run(shutdown.token().clone()).await?)
}

/// Adds its number to what the steps before it came to, and notes that it did.
async fn work(task: Task, prefix: String, node: String, mut notes: MultiplexedConnection) -> Result<Value, Stop> {
    let given = |name: &str| task.kwargs.get(name);
    let missing = || Failure::builtin("TypeError", "missing keyword argument: 'number'");
    let number = given("number").and_then(Value::as_i64).ok_or_else(missing)?;
    let pause = given("pause").and_then(Value::as_f64).unwrap_or(0.02);
    let noted = |error: redis::RedisError| Stop::from(Failure::of(&error));
    let _tries: u64 = notes.hincr(format!("{prefix}tries"), number, 1).await.map_err(noted)?;
    tokio::time::sleep(Duration::from_secs_f64(pause)).await;
    let sum = number + task.args.iter().map(sum).sum::<i64>();
    let _first: bool = notes.hset_nx(format!("{prefix}effects"), number, node).await.map_err(noted)?;
    Ok(json!(sum))
}

/// A number, or the sum of a list of them.
fn sum(value: &Value) -> i64 {
    match value {
        Value::Array(values) => values.iter().map(sum).sum(),
        other => other.as_i64().unwrap_or_default(),
    }
}
