//! The logging worker: notes which attempts have started, keeps what was told about runs, and feeds live watchers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::counter;
use broker::{Broker, Delivery, Verdict};
use coordination::Coordination;
use engine::Event;
use jiff::Timestamp;
use ledger::Ledger;
use protocol::workflow::queues::LOGGING;
use protocol::{Lifecycle, LifecycleEvent, RunEvent, RunId};
use tokio_util::sync::CancellationToken;

use crate::callbacks::batch;
use crate::metrics;

/// Most events handled together.
const BATCH: usize = 512;

/// Most events of a run read at once.
const PAGE: usize = 1_000;

/// How long to wait before what could not be kept is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves the logging queue until `shutdown`.
///
/// # Errors
/// When the queue cannot be consumed.
pub async fn run(
    broker: Arc<dyn Broker>,
    ledger: Arc<dyn Ledger>,
    coordination: Arc<dyn Coordination>,
    shutdown: CancellationToken,
) -> Result<(), broker::Error> {
    let mut consumer = broker.consume(LOGGING, u16::try_from(2 * BATCH).unwrap_or(u16::MAX)).await?;
    loop {
        let deliveries = tokio::select! {
            biased;
            deliveries = batch(consumer.as_mut(), BATCH) => deliveries,
            () = shutdown.cancelled() => return Ok(()),
        };
        if deliveries.is_empty() {
            return Ok(());
        }
        let kept = keep(&deliveries, ledger.as_ref(), coordination.as_ref(), &shutdown).await;
        let verdict = if kept { Verdict::Ack } else { Verdict::Requeue { counted: false } };
        for delivery in deliveries {
            if let Err(error) = delivery.settle(verdict.clone()).await {
                tracing::debug!(error = %error, "a lifecycle event will be delivered again");
            }
        }
    }
}

/// Notes starts, puts what was told on record and passes it on; tries again until that works. False when `shutdown`
/// came first.
async fn keep(
    deliveries: &[Delivery],
    ledger: &dyn Ledger,
    coordination: &dyn Coordination,
    shutdown: &CancellationToken,
) -> bool {
    let mut told = Told::by(deliveries);
    let mut failing = false;
    loop {
        match told.record(ledger).await {
            Ok(news) => {
                counter!(metrics::EVENTS_KEPT).increment(news.len() as u64);
                // Watchers that read the record when they are told find it complete.
                pass_on(&news, coordination).await;
                return true;
            }
            Err(error) if failing => tracing::debug!(error = %error, "events of runs still cannot be kept"),
            Err(error) => {
                failing = true;
                tracing::warn!(error = %error, source = ?std::error::Error::source(&error), "events of runs cannot be kept; trying again");
            }
        }
        // The answer may have been lost, rather than the events.
        told.again.append(&mut told.first);
        tokio::select! {
            () = shutdown.cancelled() => return false,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// What a batch of messages tells.
struct Told {
    /// Delivered before: perhaps to somebody who kept it and died before the acknowledgement.
    again: Vec<Lifecycle>,
    /// New.
    first: Vec<Lifecycle>,
}

impl Told {
    fn by(deliveries: &[Delivery]) -> Self {
        let mut told = Self { again: Vec::new(), first: Vec::new() };
        for delivery in deliveries {
            match protocol::wire::decode_batch::<Lifecycle>(&delivery.message.body) {
                Ok(events) if delivery.redeliveries > 0 => told.again.extend(events),
                Ok(events) => told.first.extend(events),
                Err(error) => tracing::debug!(error = %error, "an unreadable lifecycle event was dropped"),
            }
        }
        told
    }

    /// Notes starts and puts on record what is not there yet; returns that.
    async fn record(&self, ledger: &dyn Ledger) -> Result<Vec<Lifecycle>, ledger::Error> {
        let starts: Vec<_> = self.again.iter().chain(&self.first).filter_map(start).collect();
        if !starts.is_empty()
            && let Err(error) = ledger.apply(starts, Timestamp::now()).await
        {
            tracing::debug!(error = %error, "starts were not noted; outcomes will tell");
        }
        let mut news = unknown(ledger, &self.again).await?;
        news.extend_from_slice(&self.first);
        ledger.record_events(&news, Timestamp::now()).await?;
        Ok(news)
    }
}

/// Those that are not on record.
async fn unknown(ledger: &dyn Ledger, events: &[Lifecycle]) -> Result<Vec<Lifecycle>, ledger::Error> {
    let mut known: HashMap<RunId, Vec<RunEvent>> = HashMap::new();
    let mut unknown = Vec::with_capacity(events.len());
    for event in events {
        let on_record = match known.entry(event.run_id) {
            Entry::Occupied(on_record) => on_record.into_mut(),
            Entry::Vacant(place) => place.insert(on_record(ledger, event).await?),
        };
        let numbered = RunEvent::numbered(0, event.clone());
        if !on_record.iter().any(|kept| kept.is_same(&numbered)) {
            unknown.push(event.clone());
        }
    }
    Ok(unknown)
}

/// Everything that is on record of an event's run.
async fn on_record(ledger: &dyn Ledger, event: &Lifecycle) -> Result<Vec<RunEvent>, ledger::Error> {
    let mut events: Vec<RunEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |last| last.seq);
        let page = match ledger.events(&event.tenant, event.run_id, after, PAGE).await {
            // Damaged rows must not stop the queue; at worst something is kept twice.
            Err(ledger::Error::Corrupt { what, detail }) => {
                tracing::warn!(run.id = %event.run_id, what, detail, "what is on record of a run cannot be read");
                return Ok(events);
            }
            page => page?,
        };
        let Some(page) = page.filter(|page| !page.events.is_empty()) else { return Ok(events) };
        events.extend(page.events);
    }
}

async fn pass_on(events: &[Lifecycle], coordination: &dyn Coordination) {
    for event in events {
        if let Err(error) = coordination.announce(event).await {
            tracing::debug!(error = %error, "watchers could not be told");
            break;
        }
    }
}

fn start(event: &Lifecycle) -> Option<(RunId, Event)> {
    let (LifecycleEvent::Started, Some(task_run), Some(attempt)) = (&event.event, event.task_run_id, event.attempt)
    else {
        return None;
    };
    Some((event.run_id, Event::Started { task_run, attempt, worker: event.worker.clone(), at: event.at }))
}

#[cfg(test)]
mod tests {
    use backends::fleet::topology;
    use broker::Message;
    use broker::memory::MemoryBroker;
    use coordination::in_process::InProcess;
    use ledger::NewRun;
    use ledger::sqlite::SqliteLedger;
    use protocol::message::WIRE_VERSION;
    use protocol::{Payload, TaskSpec, TenantId, Workflow};

    use super::*;

    /// A ledger that knows one run.
    async fn ledger_with_a_run() -> (SqliteLedger, RunId) {
        let ledger = SqliteLedger::in_memory().await.unwrap();
        let mut flow = Workflow::named("flow");
        flow.tasks.push(TaskSpec::named("only"));
        ledger.register(&flow).await.unwrap();
        let run = NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: "flow".to_owned(),
            input: Payload::default(),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        let id = run.id;
        ledger.submit(vec![run], Timestamp::now()).await.unwrap();
        (ledger, id)
    }

    fn line(run_id: RunId, message: &str) -> Lifecycle {
        Lifecycle {
            v: WIRE_VERSION,
            run_id,
            tenant: TenantId::default_tenant(),
            task_run_id: None,
            task: Some("only".to_owned()),
            attempt: Some(1),
            worker: "worker-1".to_owned(),
            at: Timestamp::now(),
            event: LifecycleEvent::Log { level: "info".to_owned(), message: message.to_owned() },
        }
    }

    /// Delivers events together, again after a first delivery that nobody acknowledged.
    async fn delivered_again(events: &[Lifecycle]) -> Vec<Delivery> {
        let broker = MemoryBroker::new(topology(5));
        let body = protocol::wire::encode_batch(events.iter().map(protocol::wire::encode).collect());
        broker.publish(vec![Message::new(LOGGING, "events", body)]).await.unwrap();
        let mut consumer = broker.consume(LOGGING, 10).await.unwrap();
        let first = consumer.next().await.unwrap();
        first.settle(Verdict::Requeue { counted: true }).await.unwrap();
        vec![consumer.next().await.unwrap()]
    }

    #[tokio::test]
    async fn what_a_worker_kept_before_it_died_is_not_kept_twice_and_the_rest_is_kept() {
        let (ledger, run) = ledger_with_a_run().await;
        let (kept, lost) = (line(run, "kept"), line(run, "not yet"));
        ledger.record_events(std::slice::from_ref(&kept), Timestamp::now()).await.unwrap();
        let coordination = InProcess::new();
        let mut watcher = coordination.announcements();

        let deliveries = delivered_again(&[kept.clone(), lost.clone()]).await;
        assert!(keep(&deliveries, &ledger, &coordination, &CancellationToken::new()).await);

        let found = ledger.events(&TenantId::default_tenant(), run, 0, 10).await.unwrap().unwrap().events;
        let told: Vec<_> = found.iter().map(|event| event.what.clone()).collect();
        assert_eq!(told, [kept.event, lost.event.clone()]);
        assert_eq!(watcher.try_recv().unwrap(), lost, "watchers are told what is new");
        assert!(watcher.try_recv().is_err());
    }
}
