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
        if !handle(deliveries, ledger.as_ref(), coordination.as_ref()).await {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// Notes starts, keeps what was told, and passes it on. Returns whether it is on record.
async fn handle(deliveries: Vec<Delivery>, ledger: &dyn Ledger, coordination: &dyn Coordination) -> bool {
    let mut told = Vec::new();
    let mut told_again = Vec::new();
    for delivery in &deliveries {
        match protocol::wire::decode_batch::<Lifecycle>(&delivery.message.body) {
            Ok(events) if delivery.redeliveries > 0 => told_again.extend(events),
            Ok(events) => told.extend(events),
            Err(error) => tracing::debug!(error = %error, "an unreadable lifecycle event was dropped"),
        }
    }
    let starts: Vec<_> = told_again.iter().chain(&told).filter_map(start).collect();
    if !starts.is_empty()
        && let Err(error) = ledger.apply(starts, Timestamp::now()).await
    {
        tracing::debug!(error = %error, "starts were not noted; outcomes will tell");
    }
    let kept = keep(ledger, told_again, told).await;
    let verdict = match &kept {
        // Watchers that read the record when they are told find it complete.
        Ok(news) => {
            pass_on(news, coordination).await;
            Verdict::Ack
        }
        Err(error) => {
            tracing::warn!(error = %error, source = ?std::error::Error::source(error), "events of runs could not be kept and will be tried again");
            Verdict::Requeue { counted: false }
        }
    };
    for delivery in deliveries {
        if let Err(error) = delivery.settle(verdict.clone()).await {
            tracing::debug!(error = %error, "a lifecycle event will be delivered again");
        }
    }
    kept.is_ok()
}

/// Puts on record what is not there yet, and returns that.
async fn keep(
    ledger: &dyn Ledger,
    told_again: Vec<Lifecycle>,
    told: Vec<Lifecycle>,
) -> Result<Vec<Lifecycle>, ledger::Error> {
    let mut news = unknown(ledger, told_again).await?;
    news.extend(told);
    ledger.record_events(&news, Timestamp::now()).await?;
    counter!(metrics::EVENTS_KEPT).increment(news.len() as u64);
    Ok(news)
}

/// Those that are not on record. Whoever handled them before may have died between keeping and acknowledging them.
async fn unknown(ledger: &dyn Ledger, events: Vec<Lifecycle>) -> Result<Vec<Lifecycle>, ledger::Error> {
    let mut known: HashMap<RunId, Vec<RunEvent>> = HashMap::new();
    let mut unknown = Vec::with_capacity(events.len());
    for event in events {
        let on_record = match known.entry(event.run_id) {
            Entry::Occupied(on_record) => on_record.into_mut(),
            Entry::Vacant(place) => place.insert(on_record(ledger, &event).await?),
        };
        let numbered = RunEvent::numbered(0, event.clone());
        if !on_record.iter().any(|kept| kept.is_same(&numbered)) {
            unknown.push(event);
        }
    }
    Ok(unknown)
}

/// Everything that is on record of an event's run.
async fn on_record(ledger: &dyn Ledger, event: &Lifecycle) -> Result<Vec<RunEvent>, ledger::Error> {
    let mut events: Vec<RunEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |last| last.seq);
        let page = ledger.events(&event.tenant, event.run_id, after, PAGE).await?;
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
        assert!(handle(deliveries, &ledger, &coordination).await);

        let found = ledger.events(&TenantId::default_tenant(), run, 0, 10).await.unwrap().unwrap().events;
        let told: Vec<_> = found.iter().map(|event| event.what.clone()).collect();
        assert_eq!(told, [kept.event, lost.event.clone()]);
        assert_eq!(watcher.try_recv().unwrap(), lost, "watchers are told what is new");
        assert!(watcher.try_recv().is_err());
    }
}
