//! Sends lifecycle events to the logging queue without ever holding up a handler.

use std::sync::Arc;

use broker::{Broker, Message};
use jiff::Timestamp;
use protocol::message::WIRE_VERSION;
use protocol::workflow::queues::LOGGING;
use protocol::{Job, Lifecycle, LifecycleEvent};
use tokio::sync::mpsc;

/// Events that may wait for the broker; above this the newest are dropped, since losing one never affects a run.
const BACKLOG: usize = 4096;

/// Most events sent in one call to the broker.
const BATCH: usize = 256;

/// Where handlers and the runner drop their events.
#[derive(Clone)]
pub(crate) struct Reporter {
    events: mpsc::Sender<Lifecycle>,
    worker: Arc<str>,
}

impl Reporter {
    /// A reporter and the loop that empties it; the loop ends when the last reporter is dropped.
    pub(crate) fn new(broker: Arc<dyn Broker>, worker: Arc<str>) -> (Self, impl Future<Output = ()> + Send) {
        let (events, mut waiting) = mpsc::channel(BACKLOG);
        let forward = async move {
            let mut batch: Vec<Lifecycle> = Vec::new();
            while waiting.recv_many(&mut batch, BATCH).await > 0 {
                let messages = batch.drain(..).map(|event| message(&event)).collect();
                if let Err(error) = broker.publish(messages).await {
                    tracing::debug!(error = %error, "lifecycle events were lost");
                }
            }
        };
        (Self { events, worker }, forward)
    }

    /// Reports something about a job.
    pub(crate) fn report(&self, job: &Job, event: LifecycleEvent) {
        let lifecycle = Lifecycle {
            v: WIRE_VERSION,
            run_id: job.run_id,
            tenant: job.tenant.clone(),
            task_run_id: Some(job.task_run_id),
            task: Some(job.task.clone()),
            attempt: Some(job.attempt),
            worker: self.worker.to_string(),
            at: Timestamp::now(),
            event,
        };
        if self.events.try_send(lifecycle).is_err() {
            tracing::debug!(run.id = %job.run_id, "a lifecycle event was dropped because the backlog is full");
        }
    }
}

fn message(event: &Lifecycle) -> Message {
    Message::new(LOGGING, event.run_id.to_string(), protocol::wire::encode(event)).transient()
}
