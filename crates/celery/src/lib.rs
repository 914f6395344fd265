//! Celery, spoken both ways: a [`Client`] that sends tasks to Python's workers and hears what became of them, and a
//! [`Host`] that is a worker among Python's, consuming what Python clients send.
//!
//! Both speak protocol 2 over RabbitMQ, with JSON for messages; results travel by message (Celery's `rpc://`) or lie in
//! Redis. Nothing here knows of runs, jobs or a ledger.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use celery::{Client, ClientConfig, Host, HostConfig, Message, Outcome, Stop, Task, TaskOptions};
//! use serde_json::{Value, json};
//! use tokio_util::sync::CancellationToken;
//!
//! async fn shout(task: Task) -> Result<Value, Stop> {
//!     let text = task.args.first().and_then(Value::as_str).unwrap_or_default();
//!     Ok(json!(text.to_uppercase()))
//! }
//!
//! # async fn example() -> Result<(), celery::Error> {
//! // A worker: Python reaches it by `app.send_task("shout", ("hello",), queue="rust").get()`.
//! let config = HostConfig::new("amqp://guest:guest@localhost", "shouting@host-1").queues(["rust"]);
//! let host = Host::builder(config).task("shout", shout, TaskOptions::late()).build().await?;
//! let shutdown = CancellationToken::new();
//! tokio::spawn(host.run(shutdown.clone()));
//!
//! // A client: the task runs wherever the queue is consumed, here or in Python.
//! let client = Client::connect(ClientConfig::new("amqp://guest:guest@localhost")).await?;
//! let sent = client.send("rust", Message::new("shout").args([json!("hello")])).await?;
//! let result = sent.wait(Duration::from_secs(10)).await?;
//! assert_eq!(result.outcome, Outcome::Success(json!("HELLO")));
//! # Ok(())
//! # }
//! ```
//!
//! | module | concern |
//! |---|---|
//! | `message`, `signature`, `outcome`, `typed` | what travels, as pure code |
//! | `canvas` | what has to be sent so that a chain, a group or a chord runs, as pure code |
//! | `wire`, `amqp`, `delays`, `sender` | how it travels |
//! | `results`, `database` | where results are kept |
//! | `client`, `control` | our side drives |
//! | `host`, `task`, `rate` | their side drives |
//!
//! # What a worker promises
//!
//! - A task that is acknowledged late ([`TaskOptions::late`]) is done at least once, whatever dies; where results are in
//!   Redis, its first success is the one that stays. One that is acknowledged early is begun at most once.
//! - What follows a task is sent before its result is stored, and its result is stored before it is acknowledged.
//! - A task for later waits in RabbitMQ, not here; less than a second of its wait is spent in a worker.
//! - What cannot be read is rejected, to the queue's dead letters if it has some, and whoever sent it hears of it if the
//!   message says who that was. What is not registered fails with `NotRegistered`, as with Celery.
//!
//! # What it does not do
//!
//! - It reads JSON alone; never pickle from a queue. Protocol 1 is refused.
//! - Error callbacks are always sent as tasks, with the id of the failed task. Celery calls those that take
//!   `(request, exception, traceback)` within the worker that knows their code; no other worker can.
//! - `celery.map`, `celery.starmap`, `celery.chunks` and `celery.chord_unlock` run in Python's workers alone.
//! - A handler that never waits cannot be stopped, nor can one that blocks its thread.

mod amqp;
mod canvas;
mod client;
mod control;
pub mod database;
mod delays;
mod error;
mod host;
mod message;
mod outcome;
mod rate;
mod results;
mod sender;
mod signature;
mod task;
mod typed;
mod wire;

pub use client::{Client, ClientConfig, Pending, Replies, Reply, ReplyTo};
pub use control::{Answers, Control};
pub use delays::Delays;
pub use error::{DecodeError, Error};
pub use host::{Host, HostBuilder, HostConfig, QueueConfig};
pub use message::{Embed, Message, Properties, Raw, TimeLimits};
pub use outcome::{Failure, Outcome, TaskResult};
pub use rate::Rate;
pub use results::{RedisConfig, Results};
pub use signature::{Shape, Signature};
pub use task::{Handler, Retry, Stop, Task, TaskOptions};

/// The id of a task, usually a UUID.
pub type TaskId = String;
