//! The callbacks worker: records outcomes in batches and releases what became ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::{counter, histogram};
use backends::fleet::Fleet;
use broker::{Broker, Consumer, Delivery, Verdict};
use jiff::Timestamp;
use ledger::Ledger;
use protocol::Callback;
use protocol::workflow::queues::CALLBACKS;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Most callbacks recorded in one transaction.
const BATCH: usize = 512;

/// How long to wait before a failed batch is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves the callbacks queue until `shutdown`, and then until it is empty.
///
/// # Errors
/// When the queue cannot be consumed.
pub async fn run(
    broker: Arc<dyn Broker>,
    ledger: Arc<dyn Ledger>,
    fleet: Fleet,
    shutdown: CancellationToken,
) -> Result<(), broker::Error> {
    let mut consumer = broker.consume(CALLBACKS, u16::try_from(2 * BATCH).unwrap_or(u16::MAX)).await?;
    loop {
        let deliveries = tokio::select! {
            biased;
            // What is there is recorded even when the process stops: it is work that was finished.
            deliveries = batch(consumer.as_mut(), BATCH) => deliveries,
            () = shutdown.cancelled() => return Ok(()),
        };
        if deliveries.is_empty() {
            return Ok(());
        }
        record(deliveries, ledger.as_ref(), &fleet).await;
    }
}

/// Records one batch. Crash anywhere: the deliveries come again and change nothing twice.
async fn record(deliveries: Vec<Delivery>, ledger: &dyn Ledger, fleet: &Fleet) {
    let (callbacks, readable) = decode(deliveries).await;
    histogram!(metrics::CALLBACK_BATCH).record(readable.len() as f64);
    let clock = Instant::now();
    match ledger.record(callbacks, Timestamp::now()).await {
        Ok(applied) => {
            histogram!(metrics::CALLBACK_RECORD).record(clock.elapsed().as_secs_f64());
            if let Err(error) = fleet.carry_out(applied).await {
                // On record and in the outbox: the dispatcher's sweeper publishes it.
                tracing::warn!(error = %error, "ready tasks could not be published at once");
            }
            settle(readable, &Verdict::Ack).await;
        }
        Err(error) => {
            tracing::error!(error = %error, source = ?std::error::Error::source(&error), "outcomes could not be recorded and will be tried again");
            tokio::time::sleep(PAUSE).await;
            settle(readable, &Verdict::Requeue { counted: false }).await;
        }
    }
}

async fn decode(deliveries: Vec<Delivery>) -> (Vec<Callback>, Vec<Delivery>) {
    let mut callbacks = Vec::with_capacity(deliveries.len());
    let mut readable = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        match protocol::wire::decode_callback(&delivery.message.body) {
            Ok(callback) => {
                callbacks.push(callback);
                readable.push(delivery);
            }
            Err(error) => {
                tracing::error!(message.id = %delivery.message.id, error = %error, "an unreadable outcome goes to the dead letters");
                counter!(metrics::UNREADABLE, "queue" => CALLBACKS).increment(1);
                settle(vec![delivery], &Verdict::Reject { reason: error.to_string() }).await;
            }
        }
    }
    (callbacks, readable)
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
