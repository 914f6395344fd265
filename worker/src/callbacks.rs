//! The callbacks worker: records outcomes in batches and releases what became ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::{counter, histogram};
use backends::fleet::Fleet;
use broker::{Broker, Consumer, Delivery, Verdict};
use futures::FutureExt;
use ledger::Applied;
use protocol::Callback;
use protocol::workflow::queues::CALLBACKS;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// An outcome more or less, this many are recorded in one transaction at most.
const BATCH: usize = 512;

/// Messages that may be here unrecorded. Each carries one outcome or several.
const PREFETCH: u16 = 512;

/// Recorded batches whose consequences are being carried out while the next ones are recorded.
const CARRYING_OUT: usize = 4;

/// How long to wait before a failed batch is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Outcomes with the messages that brought them.
#[derive(Default)]
struct Batch {
    callbacks: Vec<Callback>,
    deliveries: Vec<Delivery>,
}

/// Serves the callbacks queue until `shutdown`, and then until it is empty.
///
/// # Errors
/// When the queue cannot be consumed.
pub async fn run(broker: Arc<dyn Broker>, fleet: Fleet, shutdown: CancellationToken) -> Result<(), broker::Error> {
    let mut consumer = broker.consume(CALLBACKS, PREFETCH).await?;
    let room = Arc::new(Semaphore::new(CARRYING_OUT));
    let mut carrying_out = JoinSet::new();
    loop {
        let batch = tokio::select! {
            biased;
            // What is there is recorded even when the process stops: it is work that was finished.
            batch = gather(consumer.as_mut()) => batch,
            () = shutdown.cancelled() => break,
        };
        let Some(batch) = batch else { break };
        if batch.deliveries.is_empty() {
            continue;
        }
        let Some((applied, deliveries)) = record(batch, &fleet).await else { continue };
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
        let fleet = fleet.clone();
        carrying_out.spawn(async move {
            if let Err(error) = fleet.carry_out(applied).await {
                // On record and in the outbox: the dispatcher's sweeper publishes it.
                tracing::warn!(error = %error, "ready tasks could not be published at once");
            }
            settle(deliveries, &Verdict::Ack).await;
            drop(place);
        });
        while carrying_out.try_join_next().is_some() {}
    }
    while carrying_out.join_next().await.is_some() {}
    if let Err(error) = fleet.settle().await {
        tracing::warn!(error = %error, "published jobs could not be marked; some may be published again");
    }
    Ok(())
}

/// Records one batch. Crash anywhere: the deliveries come again and change nothing twice.
async fn record(batch: Batch, fleet: &Fleet) -> Option<(Vec<Applied>, Vec<Delivery>)> {
    let Batch { callbacks, deliveries } = batch;
    histogram!(metrics::CALLBACK_BATCH).record(callbacks.len() as f64);
    let clock = Instant::now();
    match fleet.record(callbacks).await {
        Ok(applied) => {
            histogram!(metrics::CALLBACK_RECORD).record(clock.elapsed().as_secs_f64());
            Some((applied, deliveries))
        }
        Err(error) => {
            tracing::error!(error = %error, source = ?std::error::Error::source(&error), "outcomes could not be recorded and will be tried again");
            tokio::time::sleep(PAUSE).await;
            settle(deliveries, &Verdict::Requeue { counted: false }).await;
            None
        }
    }
}

/// Waits for a first message, then takes what else is there already, up to [`BATCH`] outcomes. `None`: the queue closed.
async fn gather(consumer: &mut dyn Consumer) -> Option<Batch> {
    let mut batch = Batch::default();
    batch.add(consumer.next().await?).await;
    while batch.callbacks.len() < BATCH {
        let Some(Some(delivery)) = consumer.next().now_or_never() else { break };
        batch.add(delivery).await;
    }
    Some(batch)
}

impl Batch {
    async fn add(&mut self, delivery: Delivery) {
        match protocol::wire::decode_batch(&delivery.message.body) {
            Ok(callbacks) => {
                self.callbacks.extend(callbacks);
                self.deliveries.push(delivery);
            }
            Err(error) => {
                tracing::error!(message.id = %delivery.message.id, error = %error, "an unreadable outcome goes to the dead letters");
                counter!(metrics::UNREADABLE, "queue" => CALLBACKS).increment(1);
                settle(vec![delivery], &Verdict::Reject { reason: error.to_string() }).await;
            }
        }
    }
}

async fn settle(deliveries: Vec<Delivery>, verdict: &Verdict) {
    for delivery in deliveries {
        if let Err(error) = delivery.settle(verdict.clone()).await {
            tracing::warn!(error = %error, "a message could not be settled and will be delivered again");
        }
    }
}

/// Waits for a first delivery, then takes what else is there already, up to `most`. Empty: the queue closed.
///
/// Nothing lingers: a lone outcome is recorded at once, and under load the next batch gathers while this one is
/// being recorded (group commit).
pub(crate) async fn batch(consumer: &mut dyn Consumer, most: usize) -> Vec<Delivery> {
    let Some(first) = consumer.next().await else { return Vec::new() };
    let mut deliveries = vec![first];
    while deliveries.len() < most {
        tokio::select! {
            biased;
            Some(delivery) = consumer.next() => deliveries.push(delivery),
            () = std::future::ready(()) => break,
        }
    }
    deliveries
}
