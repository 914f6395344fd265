//! Our workers, where tasks of ours travel as Celery messages, and where handlers of ours are tasks of a Celery application.

use std::sync::Arc;

use async_trait::async_trait;
use broker::Verdict;
use celery::{Failure, HostConfig, RedisConfig, Stop, Task, TaskOptions};
use jiff::Timestamp;
use protocol::{Backend as Name, Job};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{JOB, TASK, called};
use crate::host::{Host, Intake, Serving};
use crate::port::Error;

/// Takes jobs out of Celery messages, and does tasks that Celery's clients send.
pub struct CeleryHost {
    url: String,
    prefix: String,
    called: Called,
}

/// What Celery's clients find here.
#[derive(Clone, Debug, Default)]
pub(super) struct Called {
    /// Names of Celery tasks, and the handlers that do them.
    pub(super) tasks: Vec<(String, String)>,
    /// The application's queues that are consumed, by their very names.
    pub(super) queues: Vec<String>,
    /// Where results go besides the queue that a message names.
    pub(super) results: Option<String>,
    /// Where tasks go that come after one and that no route fits.
    pub(super) default_queue: Option<String>,
    /// Where those go whose name fits.
    pub(super) routes: Vec<(String, String)>,
}

impl CeleryHost {
    pub(super) fn new(url: String, prefix: String, called: Called) -> Self {
        Self { url, prefix, called }
    }

    fn config(&self, serving: &Serving) -> HostConfig {
        let own = serving.queues.iter().map(|queue| format!("{}{queue}", self.prefix));
        let queues: Vec<String> = own.chain(self.called.queues.iter().cloned()).collect();
        let config = HostConfig::new(self.url.clone(), format!("{}@flotilla", serving.name));
        HostConfig {
            default_queue: self.called.default_queue.clone().unwrap_or(config.default_queue.clone()),
            routes: self.called.routes.clone(),
            concurrency: serving.concurrency,
            // Late acknowledgement, so what is fetched beyond the slots would only wait here.
            prefetch_multiplier: 1,
            redis: self.called.results.as_deref().map(RedisConfig::new),
            ..config.queues(queues.iter().map(String::as_str))
        }
    }
}

#[async_trait]
impl Host for CeleryHost {
    fn name(&self) -> Name {
        Name::Celery
    }

    fn needs_desk(&self) -> bool {
        // Messages hold whole jobs, or tasks of no run.
        false
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let taking = intake.clone();
        let handler = move |task: Task| {
            let intake = taking.clone();
            async move { take(&intake, task).await }
        };
        // Time limits are the runner's: it counts from the start of the handler, and can be asked for more.
        let options = TaskOptions { ignore_result: true, ..TaskOptions::late() };
        let mut host = celery::Host::builder(self.config(serving)).task(TASK, handler, options);
        if let Some(queue) = serving.queues.first() {
            let queue: Arc<str> = Arc::from(queue.as_str());
            for (name, handler) in &self.called.tasks {
                let (intake, handler, queue) = (intake.clone(), Arc::<str>::from(handler.as_str()), Arc::clone(&queue));
                let calling = move |task: Task| {
                    let (intake, handler, queue) = (intake.clone(), Arc::clone(&handler), Arc::clone(&queue));
                    async move { call(&intake, task, &handler, &queue).await }
                };
                let options = TaskOptions { max_retries: Some(called::max_retries()), ..TaskOptions::late() };
                host = host.task(name.as_str(), calling, options);
            }
        }
        host.build().await.map_err(away)?.run(stop).await.map_err(away)
    }
}

async fn take(intake: &Intake, task: Task) -> Result<Value, Stop> {
    let unreadable = |reason: String| Stop::Failed(Failure::builtin("ValueError", format!("this is no job: {reason}")));
    let Some(job) = task.kwargs.get(JOB) else { return Err(unreadable(format!("it has no {JOB:?}"))) };
    let job: Job = serde_json::from_value(job.clone()).map_err(|error| unreadable(error.to_string()))?;
    match intake.hand_in(&job).await {
        Some(Verdict::Ack) => Ok(Value::Null),
        Some(Verdict::Reject { reason }) => Err(unreadable(reason)),
        Some(Verdict::Requeue { .. }) | None => Err(Stop::Reject { requeue: true }),
    }
}

/// Has a handler of ours do a task of Celery's.
async fn call(intake: &Intake, task: Task, handler: &str, queue: &str) -> Result<Value, Stop> {
    let job = called::job(&task, handler, queue, Timestamp::now())?;
    let outcome = tokio::select! {
        outcome = intake.perform(&job) => outcome,
        () = task.cancelled().cancelled() => {
            intake.call_off(job.run_id).await;
            return Err(Stop::Ignore);
        }
    };
    // Without an outcome the worker shuts down, or lost the attempt: it is for somebody else.
    let outcome = outcome.ok_or(Stop::Reject { requeue: true })?;
    let output = called::conclusion(outcome, &job, &task)?;
    intake.value(output).await.map_err(|error| called::after(&error, None, &job, &task))
}

fn away(error: celery::Error) -> Error {
    Error::Unavailable { backend: Name::Celery, reason: error.to_string() }
}
