//! Our workers, where tasks of ours travel as Celery messages.

use async_trait::async_trait;
use broker::Verdict;
use celery::{Failure, HostConfig, Stop, Task, TaskOptions};
use protocol::{Backend as Name, Job};
use tokio_util::sync::CancellationToken;

use super::{JOB, TASK};
use crate::host::{Host, Intake, Serving};
use crate::port::Error;

/// Takes jobs out of Celery messages.
pub struct CeleryHost {
    url: String,
    prefix: String,
}

impl CeleryHost {
    pub(super) fn new(url: String, prefix: String) -> Self {
        Self { url, prefix }
    }
}

#[async_trait]
impl Host for CeleryHost {
    fn name(&self) -> Name {
        Name::Celery
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let queues: Vec<String> = serving.queues.iter().map(|queue| format!("{}{queue}", self.prefix)).collect();
        let config = HostConfig::new(self.url.clone(), format!("{}@flotilla", serving.name));
        let config = HostConfig {
            concurrency: serving.concurrency,
            // Late acknowledgement, so what is fetched beyond the slots would only wait here.
            prefetch_multiplier: 1,
            ..config.queues(queues.iter().map(String::as_str))
        };
        let handler = move |task: Task| {
            let intake = intake.clone();
            async move { take(&intake, task).await }
        };
        // Time limits are the runner's: it counts from the start of the handler, and can be asked for more.
        let options = TaskOptions { ignore_result: true, ..TaskOptions::late() };
        let host = celery::Host::builder(config).task(TASK, handler, options).build().await.map_err(away)?;
        host.run(stop).await.map_err(away)
    }
}

async fn take(intake: &Intake, task: Task) -> Result<serde_json::Value, Stop> {
    let unreadable = |reason: String| Stop::Failed(Failure::builtin("ValueError", format!("this is no job: {reason}")));
    let Some(job) = task.kwargs.get(JOB) else { return Err(unreadable(format!("it has no {JOB:?}"))) };
    let job: Job = serde_json::from_value(job.clone()).map_err(|error| unreadable(error.to_string()))?;
    match intake.hand_in(&job).await {
        Some(Verdict::Ack) => Ok(serde_json::Value::Null),
        Some(Verdict::Reject { reason }) => Err(unreadable(reason)),
        Some(Verdict::Requeue { .. }) | None => Err(Stop::Reject { requeue: true }),
    }
}

fn away(error: celery::Error) -> Error {
    Error::Unavailable { backend: Name::Celery, reason: error.to_string() }
}
