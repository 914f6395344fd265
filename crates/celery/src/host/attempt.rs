//! A handler at work, and what may end it.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::crew::Request;
use super::shared::{Registered, Shared};
use crate::sender::Sender;
use crate::task::{Report, Stop, Task, TaskOptions};
use crate::wire::Outgoing;
use crate::{Error, Failure, Outcome, Results, TaskId, TaskResult, typed};

/// What nobody waits for.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How an attempt ended.
pub(crate) enum End {
    /// By itself.
    Returned(Result<Value, Stop>),
    /// By a panic, with its message.
    Panicked(String),
    /// Its hard time limit was over.
    TooLong(Duration),
    /// Remote control stopped it.
    Terminated,
    /// The worker could wait no longer.
    GivenUp,
}

/// Runs a handler once.
pub(crate) async fn attempt(
    shared: &Shared,
    request: &Arc<Request>,
    registered: &Registered,
    options: &TaskOptions,
) -> End {
    let limits = request.message.limits.or(options.limits);
    let task = match task(shared, request, limits) {
        Ok(task) => task,
        Err(error) => {
            let failure = Failure::new("celery.exceptions", "InvalidTaskError", error.to_string());
            return End::Returned(Err(failure.into()));
        }
    };
    let (soft_limit, cancelled) = (task.soft.clone(), task.cancelled.clone());
    let handler = Arc::clone(&registered.handler);
    let mut running = Running(tokio::spawn(async move { handler.run(task).await }));
    let begun = Instant::now();
    let (soft, hard) = (begun + limits.soft.unwrap_or(NEVER), begun + limits.hard.unwrap_or(NEVER));
    loop {
        tokio::select! {
            joined = &mut running.0 => return ended(joined),
            () = sleep_until(soft), if !soft_limit.is_cancelled() => {
                tracing::warn!(limit = ?limits.soft, "soft time limit exceeded");
                soft_limit.cancel();
            }
            () = sleep_until(hard) => return End::TooLong(limits.hard.unwrap_or_default()),
            () = request.terminate.cancelled() => {
                cancelled.cancel();
                // What it returns does not count, but what it holds is to be let go.
                drop(timeout(shared.config.terminate_grace, &mut running.0).await);
                return End::Terminated;
            }
            () = shared.abort.cancelled() => return End::GivenUp,
        }
    }
}

/// Nothing runs that nobody waits for.
struct Running(JoinHandle<Result<Value, Stop>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ended(joined: Result<Result<Value, Stop>, JoinError>) -> End {
    match joined {
        Ok(returned) => End::Returned(returned),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => End::Panicked(panic_message(panic.as_ref())),
            Err(_cancelled) => End::GivenUp,
        },
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("its handler panicked: {}", text.unwrap_or("for reasons unknown"))
}

fn task(shared: &Shared, request: &Request, limits: crate::TimeLimits) -> Result<Task, crate::DecodeError> {
    let message = &request.message;
    let args = message.args.iter().cloned().map(typed::plain).collect::<Result<_, _>>()?;
    let reporter = Reporter {
        id: message.id.clone(),
        reply_to: message.reply_to.clone().filter(|_| shared.config.rpc),
        results: shared.results.clone(),
        sender: Arc::clone(&shared.sender),
    };
    Ok(Task {
        id: message.id.clone(),
        name: message.task.clone(),
        args,
        kwargs: typed::plain_fields(message.kwargs.clone())?,
        retries: message.retries,
        root_id: message.root_id.clone(),
        parent_id: message.parent_id.clone(),
        group: message.group.clone(),
        group_index: message.group_index,
        queue: request.queue.to_string(),
        redelivered: request.redelivered,
        eta: message.eta,
        limits,
        priority: message.priority,
        headers: message.extra.clone(),
        soft: CancellationToken::new(),
        cancelled: CancellationToken::new(),
        draining: shared.stop.clone(),
        reporter: Arc::new(reporter),
    })
}

/// Where results go.
pub(crate) struct Reporter {
    pub(crate) id: TaskId,
    pub(crate) reply_to: Option<String>,
    pub(crate) results: Option<Results>,
    pub(crate) sender: Arc<Sender>,
}

impl Reporter {
    pub(crate) async fn send(&self, result: &TaskResult) -> Result<(), Error> {
        if let Some(results) = &self.results {
            results.store(result).await?;
        }
        if let Some(queue) = &self.reply_to {
            let mut raw = crate::wire::json(&Value::Null, serde_json::Map::new());
            raw.body = result.encode();
            raw.properties.correlation_id = Some(self.id.clone());
            match self.sender.amqp.publish(&Outgoing::to_queue(queue, &raw)?).await {
                Err(Error::Unroutable(_)) => tracing::debug!(queue, "nobody waits for a result any more"),
                sent => sent?,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Report for Reporter {
    async fn report(&self, outcome: Outcome) -> Result<(), Error> {
        self.send(&TaskResult::new(self.id.clone(), outcome)).await
    }
}
