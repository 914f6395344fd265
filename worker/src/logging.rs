//! The logging worker: notes which attempts have started and feeds live watchers.

use std::sync::Arc;

use broker::{Broker, Delivery, Verdict};
use coordination::Coordination;
use engine::Event;
use jiff::Timestamp;
use ledger::Ledger;
use protocol::workflow::queues::LOGGING;
use protocol::{Lifecycle, LifecycleEvent, RunId};
use tokio_util::sync::CancellationToken;

use crate::callbacks::batch;

/// Most events handled together.
const BATCH: usize = 512;

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
        handle(deliveries, ledger.as_ref(), coordination.as_ref()).await;
    }
}

async fn handle(deliveries: Vec<Delivery>, ledger: &dyn Ledger, coordination: &dyn Coordination) {
    let mut starts = Vec::new();
    let mut events = Vec::new();
    for delivery in &deliveries {
        match protocol::wire::decode_batch::<Lifecycle>(&delivery.message.body) {
            Ok(batch) => {
                starts.extend(batch.iter().filter_map(start));
                events.extend(batch);
            }
            Err(error) => tracing::debug!(error = %error, "an unreadable lifecycle event was dropped"),
        }
    }
    if !starts.is_empty()
        && let Err(error) = ledger.apply(starts, Timestamp::now()).await
    {
        tracing::debug!(error = %error, "starts were not noted; outcomes will tell");
    }
    for event in &events {
        if let Err(error) = coordination.announce(event).await {
            tracing::debug!(error = %error, "watchers could not be told");
            break;
        }
    }
    for delivery in deliveries {
        if let Err(error) = delivery.settle(Verdict::Ack).await {
            tracing::debug!(error = %error, "a lifecycle event will be delivered again");
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
