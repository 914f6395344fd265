//! A worker in a process of its own, which specs kill. It takes what it needs from the environment, as the Python peers do.

use std::error::Error;
use std::time::Duration;

use celery::{Failure, Host, HostConfig, QueueConfig, RedisConfig, Stop, Task, TaskOptions};
use redis::AsyncCommands;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|_unset| format!("{name} is not set"));
    let (prefix, redis) = (variable("SPEC_PREFIX")?, variable("SPEC_REDIS")?);
    let config = HostConfig {
        queues: vec![QueueConfig { quorum: true, ..QueueConfig::new(format!("{prefix}rust")) }],
        concurrency: 1,
        redis: Some(RedisConfig { prefix: prefix.clone(), ..RedisConfig::new(&redis) }),
        mingle: None,
        control_exchange: format!("{prefix}control"),
        event_exchange: format!("{prefix}events"),
        ..HostConfig::new(variable("SPEC_AMQP")?, format!("{}@{prefix}", variable("SPEC_NODE")?))
    };
    let notes = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
    let note = move |task: &Task, what: &str| {
        let (key, id, mut notes) = (format!("{prefix}{what}"), task.id.clone(), notes.clone());
        async move { notes.rpush::<_, _, ()>(key, id).await.map_err(|error| Stop::from(Failure::of(&error))) }
    };
    let slow = {
        let note = note.clone();
        move |task: Task| {
            let note = note.clone();
            async move {
                note(&task, "begun").await?;
                let seconds = task.args.first().and_then(Value::as_f64).unwrap_or_default();
                sleep(Duration::from_secs_f64(if task.redelivered { 0.0 } else { seconds })).await;
                note(&task, "done").await?;
                Ok(json!(task.redelivered))
            }
        }
    };
    let deadly = move |task: Task| {
        let note = note.clone();
        async move {
            note(&task, "begun").await?;
            std::process::abort()
        }
    };
    let late = TaskOptions { max_deliveries: 2, ..TaskOptions::late() };
    let host = Host::builder(config).task("rust.slow", slow, late.clone()).task("rust.deadly", deadly, late);
    Ok(host.build().await?.run(CancellationToken::new()).await?)
}
