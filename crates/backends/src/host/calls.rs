//! Jobs of nobody's run: somebody waits for their outcomes, and no ledger hears of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker::{Settle, Verdict};
use coordination::Coordination;
use objects::Objects;
use protocol::{Callback, Job, Outcome, Payload, RunId, TaskError};
use serde_json::Value;
use tokio::sync::oneshot;

use super::{Attempt, Intake};

/// How long it is remembered that a call was called off: longer than a message to a worker takes.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What a call needs besides a worker.
#[derive(Clone)]
pub(super) struct Means {
    objects: Arc<dyn Objects>,
    coordination: Arc<dyn Coordination>,
}

/// The attempts that are calls, each with its outcome once the worker has told it.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<HashMap<Attempt, Option<Outcome>>>>);

impl Calls {
    /// Expects the outcome of an attempt, until its delivery is settled or dropped.
    fn open(&self, attempt: Attempt) -> (Call, oneshot::Receiver<Option<Outcome>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, None);
        let (told, outcome) = oneshot::channel();
        (Call { calls: self.clone(), attempt, told: Some(told) }, outcome)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Keeps the outcome for whoever called; false when the attempt is no call.
    pub(super) fn keep(&self, callback: &Callback) -> bool {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = calls.get_mut(&(callback.task_run_id, callback.attempt)) else { return false };
        *kept = Some(callback.outcome.clone());
        true
    }

    fn take(&self, attempt: &Attempt) -> Option<Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(attempt).flatten()
    }
}

/// The delivery of a call. The runner settles it after it has told the outcome, so whoever waits gets both at once; and what
/// nobody waits for any more is still expected, so that it never gets to the ledger.
struct Call {
    calls: Calls,
    attempt: Attempt,
    told: Option<oneshot::Sender<Option<Outcome>>>,
}

#[async_trait]
impl Settle for Call {
    async fn settle(mut self: Box<Self>, _: Verdict) -> Result<(), broker::Error> {
        let outcome = self.calls.take(&self.attempt);
        if let Some(told) = self.told.take() {
            // Nobody waits any more: the caller's time was over.
            let _gone = told.send(outcome);
        }
        Ok(())
    }

    fn abandon(self: Box<Self>) {}
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.take(&self.attempt);
    }
}

impl Intake {
    /// The same, with what calls need: where large outputs lie, and how workers are told to stop.
    #[must_use]
    pub fn with_servers(self, objects: Arc<dyn Objects>, coordination: Arc<dyn Coordination>) -> Self {
        Self { means: Some(Means { objects, coordination }), ..self }
    }

    /// Has a job of nobody's run ([`Job::of_no_run`]) done by the worker and returns its outcome, which nobody else hears of.
    /// `None` when there is none: the worker shuts down, gave the attempt up or broke.
    ///
    /// It waits for a free slot and for the handler. Dropping it leaves the attempt to the worker, see [`Self::call_off`].
    pub async fn perform(&self, job: &Job) -> Option<Outcome> {
        let (call, outcome) = self.calls.open((job.task_run_id, job.attempt));
        self.deliver(job, Box::new(call))?;
        tokio::select! {
            biased;
            outcome = outcome => outcome.ok().flatten(),
            // Whoever has it in hand has settled it by then.
            () = self.closed.cancelled() => None,
        }
    }

    /// Has the worker stop at once what it does under this id.
    pub async fn call_off(&self, run: RunId) {
        let Some(Means { coordination, .. }) = &self.means else { return };
        if let Err(error) = coordination.cancel_run(run, REMEMBERED).await {
            tracing::warn!(run.id = %run, error = %error, "a worker could not be told to stop; its time limit will");
        }
    }

    /// The value of an output, wherever it lies.
    ///
    /// # Errors
    /// `store_failed` when the store is away, which may pass; `output_unreachable` without a store; `output_unreadable` for
    /// what is not there or no JSON.
    pub async fn value(&self, output: Payload) -> Result<Value, TaskError> {
        let artifact = match output {
            Payload::Inline(value) => return Ok(value),
            Payload::Artifact(artifact) => artifact,
        };
        let Some(Means { objects, .. }) = &self.means else {
            let reason = format!("the output lies at {:?} and this process has no object store", artifact.key);
            return Err(TaskError::permanent("output_unreachable", reason));
        };
        let unreadable = |reason: String| TaskError::permanent("output_unreadable", reason);
        let bytes = match objects.get_checked(&artifact).await {
            Ok(bytes) => bytes,
            Err(error @ objects::Error::Io { .. }) => {
                return Err(TaskError::transient("store_failed", error.to_string()));
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use broker::memory::MemoryBroker;
    use broker::{Broker, Message, Verdict};
    use jiff::Timestamp;
    use protocol::message::WIRE_VERSION;
    use protocol::workflow::queues::{CALLBACKS, DEFAULT};
    use protocol::{Job, TaskRunId};
    use serde_json::json;

    use super::*;
    use crate::desk::NoDesk;
    use crate::host::Hosting;

    fn intake() -> Intake {
        Intake::new(Arc::new(NoDesk("there is none here".to_owned())))
    }

    fn hosting(intake: &Intake) -> (Arc<MemoryBroker>, Hosting) {
        let native = Arc::new(MemoryBroker::new(crate::fleet::topology(3)));
        let hosting = Hosting::new(Arc::clone(&native) as Arc<dyn Broker>, intake.clone());
        (native, hosting)
    }

    fn callback(task_run_id: TaskRunId, output: &Value) -> Callback {
        Callback {
            v: WIRE_VERSION,
            run_id: RunId::new(),
            task_run_id,
            attempt: 1,
            worker: "worker-1".to_owned(),
            outcome: done(output),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            usage: protocol::answer::Usage::default(),
        }
    }

    fn done(output: &Value) -> Outcome {
        Outcome::Done { output: Payload::Inline(output.clone()), fan_out: None }
    }

    fn message(callbacks: &[Callback]) -> Message {
        let bodies = callbacks.iter().map(protocol::wire::encode).collect();
        Message::new(CALLBACKS, "callbacks", protocol::wire::encode_batch(bodies))
    }

    #[tokio::test]
    async fn whoever_performs_a_job_gets_its_outcome_and_the_callbacks_queue_gets_only_the_others() {
        let intake = intake();
        let (native, hosting) = hosting(&intake);
        let mut jobs = hosting.consume(DEFAULT, 1).await.unwrap();
        let job = Job::of_no_run("shout", DEFAULT, json!("hello"), Timestamp::UNIX_EPOCH);
        let performing = tokio::spawn({
            let (intake, job) = (intake.clone(), job.clone());
            async move { intake.perform(&job).await }
        });

        let delivery = jobs.next().await.unwrap();
        assert_eq!(protocol::wire::decode_job(&delivery.message.body).unwrap(), job);
        let (own, other) = (callback(job.task_run_id, &json!("HELLO")), callback(TaskRunId::new(), &json!(1)));
        hosting.publish(vec![message(&[own, other.clone()])]).await.unwrap();
        delivery.settle(Verdict::Ack).await.unwrap();

        assert_eq!(performing.await.unwrap(), Some(done(&json!("HELLO"))));
        let mut callbacks = native.consume(CALLBACKS, 1).await.unwrap();
        let published = callbacks.next().await.unwrap();
        assert_eq!(protocol::wire::decode_batch::<Callback>(&published.message.body).unwrap(), [other]);
        published.settle(Verdict::Ack).await.unwrap();
        assert_eq!(native.depth(CALLBACKS).await.unwrap().ready, 0);
    }

    #[tokio::test]
    async fn an_outcome_that_nobody_waits_for_any_more_is_not_published_either() {
        let intake = intake();
        let (native, hosting) = hosting(&intake);
        let mut jobs = hosting.consume(DEFAULT, 1).await.unwrap();
        let job = Job::of_no_run("shout", DEFAULT, json!("hello"), Timestamp::UNIX_EPOCH);
        let performing = tokio::spawn({
            let (intake, job) = (intake.clone(), job.clone());
            async move { intake.perform(&job).await }
        });
        let delivery = jobs.next().await.unwrap();
        performing.abort();
        assert!(performing.await.unwrap_err().is_cancelled());

        hosting.publish(vec![message(&[callback(job.task_run_id, &json!("late"))])]).await.unwrap();
        delivery.settle(Verdict::Ack).await.unwrap();

        assert_eq!(native.depth(CALLBACKS).await.unwrap().ready, 0);
        assert!(intake.calls.is_empty(), "nothing is expected any more");
    }

    #[tokio::test]
    async fn a_job_that_the_worker_hands_back_or_drops_has_no_outcome() {
        let intake = intake();
        let (_native, hosting) = hosting(&intake);
        let mut jobs = hosting.consume(DEFAULT, 1).await.unwrap();
        for handed_back in [true, false] {
            let job = Job::of_no_run("shout", DEFAULT, Value::Null, Timestamp::UNIX_EPOCH);
            let performing = tokio::spawn({
                let intake = intake.clone();
                async move { intake.perform(&job).await }
            });
            let delivery = jobs.next().await.unwrap();
            if handed_back {
                delivery.settle(Verdict::Requeue { counted: false }).await.unwrap();
            } else {
                drop(delivery);
            }
            assert_eq!(performing.await.unwrap(), None);
        }
        assert!(intake.calls.is_empty());
    }

    #[tokio::test]
    async fn a_large_output_without_an_object_store_is_refused_by_name() {
        let artifact = protocol::ArtifactRef {
            key: "runs/x/output.json".to_owned(),
            sha256: String::new(),
            size: 1,
            media_type: "application/json".to_owned(),
        };
        let refused = intake().value(Payload::Artifact(artifact)).await.unwrap_err();
        assert_eq!(refused.code, "output_unreachable");
        assert!(refused.message.contains("runs/x/output.json"), "{refused}");
    }
}
