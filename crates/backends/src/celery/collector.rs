//! Takes what Celery's workers answer, and has it recorded.

use std::sync::Arc;

use async_trait::async_trait;
use celery::{Failure, Outcome as Result, Replies, TaskResult};
use jiff::Timestamp;
use objects::Objects;
use protocol::message::WIRE_VERSION;
use protocol::{Callback, Outcome, Payload, TaskError};
use tokio_util::sync::CancellationToken;

use super::{Celery, id};
use crate::engines::Collector;
use crate::fleet::Fleet;

/// Results that may be here unrecorded.
const PREFETCH: u16 = 128;

/// How long before a result that could not be recorded is tried again, or a broker that is away.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Exceptions that say something about the worker rather than the task: another attempt may go well.
const LOST: [&str; 3] = ["WorkerLostError", "WorkerShutdown", "WorkerTerminate"];

/// The queue of results that Celery's workers send.
pub struct CeleryReplies {
    celery: Celery,
    queue: String,
}

impl CeleryReplies {
    pub(super) fn new(celery: Celery, queue: String) -> Self {
        Self { celery, queue }
    }

    async fn open(&self) -> std::result::Result<Replies, String> {
        let client = self.celery.client().await.map_err(|error| error.to_string())?;
        client.replies(&self.queue, PREFETCH).await.map_err(|error| error.to_string())
    }

    async fn take(&self, fleet: &Fleet, objects: &dyn Objects) {
        let mut replies = loop {
            match self.open().await {
                Ok(replies) => break replies,
                Err(error) => {
                    tracing::warn!(error, "results of Celery's workers cannot be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        while let Some(reply) = replies.next().await {
            if let Some(callback) = callback(&reply.result) {
                while let Err(error) = record(fleet, objects, callback.clone()).await {
                    tracing::warn!(error = %error, "a result of a Celery worker could not be recorded; it is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            reply.ack().await;
        }
    }
}

#[async_trait]
impl Collector for CeleryReplies {
    async fn collect(&self, fleet: Fleet, objects: Arc<dyn Objects>, stop: CancellationToken) {
        stop.run_until_cancelled(self.take(&fleet, objects.as_ref())).await;
    }
}

/// A result that was not recorded.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    #[error(transparent)]
    Objects(#[from] objects::Error),
    #[error(transparent)]
    Fleet(#[from] crate::fleet::Error),
}

async fn record(fleet: &Fleet, objects: &dyn Objects, mut callback: Callback) -> std::result::Result<(), Unrecorded> {
    if let Outcome::Done { output: Payload::Inline(value), .. } = &callback.outcome {
        let bytes = value.to_string().into_bytes();
        if bytes.len() > Payload::INLINE_LIMIT {
            let key = format!("runs/{}/{}/{}/output.json", callback.run_id, callback.task_run_id, callback.attempt);
            let stored = Payload::Artifact(objects.put(&key, &bytes, "application/json").await?);
            if let Outcome::Done { output, .. } = &mut callback.outcome {
                *output = stored;
            }
        }
    }
    let applied = fleet.record(vec![callback]).await?;
    Ok(fleet.carry_out(applied).await?)
}

/// What a result means for the attempt that it is of; `None` while there is nothing to record, or when it is of nobody's.
fn callback(result: &TaskResult) -> Option<Callback> {
    let outcome = match &result.outcome {
        Result::Success(value) => {
            let fan_out = value.as_array().map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX));
            Outcome::Done { output: Payload::Inline(value.clone()), fan_out }
        }
        // Celery has tried it as often as its own policy says.
        Result::Failure(failure) if LOST.contains(&failure.exc_type.as_str()) => {
            Outcome::Retry { error: TaskError::transient("celery_worker_lost", said(failure)), after_ms: None }
        }
        Result::Failure(failure) => Outcome::Fail { error: TaskError::permanent("celery_task_failed", said(failure)) },
        Result::Revoked(failure) => Outcome::Fail { error: TaskError::permanent("celery_task_revoked", said(failure)) },
        Result::Pending | Result::Started(_) | Result::Retry(_) | Result::Custom { .. } => return None,
    };
    let attempt = id::read(&result.task_id)?;
    let now = Timestamp::now();
    Some(Callback {
        v: WIRE_VERSION,
        run_id: attempt.run_id,
        task_run_id: attempt.task_run_id,
        attempt: attempt.attempt,
        worker: "celery".to_owned(),
        outcome,
        started_at: result.date_done.unwrap_or(now),
        ended_at: result.date_done.unwrap_or(now),
        usage: protocol::answer::Usage::default(),
    })
}

/// The exception with its traceback, which is what somebody who looks for the fault wants to read.
fn said(failure: &Failure) -> String {
    match &failure.traceback {
        Some(traceback) => format!("{}\n{traceback}", failure.repr()),
        None => failure.repr(),
    }
}
