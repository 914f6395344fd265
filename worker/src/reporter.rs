//! Sends lifecycle events to the logging queue without ever holding up a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::{Broker, Message};
use jiff::Timestamp;
use protocol::message::WIRE_VERSION;
use protocol::workflow::queues::LOGGING;
use protocol::{Job, Lifecycle, LifecycleEvent};
use tokio::sync::mpsc;

/// Events that may wait for the broker; above this the newest are dropped, since losing one never affects a run.
const BACKLOG: usize = 4096;

/// Most events sent in one message.
const BATCH: usize = 256;

/// Where the runner drops its events.
#[derive(Clone)]
pub(crate) struct Reporter {
    events: mpsc::Sender<Lifecycle>,
    worker: Arc<str>,
}

/// What is reported about one attempt. That it started is told with its first other event, or by
/// [`Reports::tell_start`]: of the many attempts that end at once, only their end is worth a message.
pub(crate) struct Reports {
    reporter: Reporter,
    started_at: Timestamp,
    told: AtomicBool,
}

impl Reporter {
    /// A reporter and the loop that empties it; the loop ends when the last reporter is dropped.
    pub(crate) fn new(broker: Arc<dyn Broker>, worker: Arc<str>) -> (Self, impl Future<Output = ()> + Send) {
        let (events, mut waiting) = mpsc::channel(BACKLOG);
        let forward = async move {
            let mut batch: Vec<Lifecycle> = Vec::new();
            // While one message is on its way, the next events gather.
            while waiting.recv_many(&mut batch, BATCH).await > 0 {
                if let Err(error) = broker.publish(vec![message(&batch)]).await {
                    tracing::debug!(events = batch.len(), error = %error, "lifecycle events were lost");
                }
                batch.clear();
            }
        };
        (Self { events, worker }, forward)
    }

    /// Reports something about a job.
    pub(crate) fn report(&self, job: &Job, event: LifecycleEvent) {
        self.report_at(job, Timestamp::now(), event);
    }

    fn report_at(&self, job: &Job, at: Timestamp, event: LifecycleEvent) {
        // Events are on record under their run.
        if !job.is_of_a_run() {
            return;
        }
        let lifecycle = Lifecycle {
            v: WIRE_VERSION,
            run_id: job.run_id,
            tenant: job.tenant.clone(),
            task_run_id: Some(job.task_run_id),
            task: Some(job.task.clone()),
            attempt: Some(job.attempt),
            worker: self.worker.to_string(),
            at,
            event,
        };
        if self.events.try_send(lifecycle).is_err() {
            tracing::debug!(run.id = %job.run_id, "a lifecycle event was dropped because the backlog is full");
        }
    }
}

impl Reports {
    pub(crate) fn new(reporter: Reporter, started_at: Timestamp) -> Self {
        Self { reporter, started_at, told: AtomicBool::new(false) }
    }

    /// Reports that the attempt started, once.
    pub(crate) fn tell_start(&self, job: &Job) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.reporter.report_at(job, self.started_at, LifecycleEvent::Started);
        }
    }

    /// Reports something that happened after the start.
    pub(crate) fn report(&self, job: &Job, event: LifecycleEvent) {
        self.tell_start(job);
        self.reporter.report(job, event);
    }
}

/// Events as one message, named after the first one's run.
fn message(events: &[Lifecycle]) -> Message {
    let id = events.first().map(|event| event.run_id.to_string()).unwrap_or_default();
    let encoded = events.iter().map(protocol::wire::encode).collect();
    Message::new(LOGGING, id, protocol::wire::encode_batch(encoded)).transient()
}
