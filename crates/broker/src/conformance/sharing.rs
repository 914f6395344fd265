//! Several consumers of one queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{OTHER, PATIENCE, QUEUE, consume, depth_becomes, message, next, nothing_arrives, publish, settle};
use crate::{Broker, Verdict};

/// A consumer gets no more than its prefetch until it settles something, and other consumers get the rest.
pub async fn prefetch_bounds_what_a_consumer_holds(broker: Arc<dyn Broker>) {
    publish(&broker, &["1", "2", "3", "4"]).await;
    let mut full = consume(&broker, QUEUE, 2).await;
    let first = next(&mut full).await;
    let _second = next(&mut full).await;
    nothing_arrives(&mut full).await;

    let mut free = consume(&broker, QUEUE, 1).await;
    let third = next(&mut free).await;
    assert_eq!(third.message.id, "3");
    settle(first, Verdict::Ack).await;
    assert_eq!(next(&mut full).await.message.id, "4");
}

/// Consumers are counted while they live, for each queue by itself.
pub async fn consumers_are_counted(broker: Arc<dyn Broker>) {
    consumers_become(&broker, 0).await;
    let first = consume(&broker, QUEUE, 1).await;
    let second = consume(&broker, QUEUE, 1).await;
    let _elsewhere = consume(&broker, OTHER, 1).await;
    consumers_become(&broker, 2).await;
    drop(first);
    consumers_become(&broker, 1).await;
    drop(second);
    consumers_become(&broker, 0).await;
}

async fn consumers_become(broker: &Arc<dyn Broker>, wanted: u64) {
    let reached = timeout(PATIENCE, async {
        while broker.consumers(QUEUE).await.expect("a known queue has consumers or none") != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(reached.await.is_ok(), "there are not {wanted} consumers");
}

/// With several idle consumers each gets its share.
pub async fn consumers_of_one_queue_take_turns(broker: Arc<dyn Broker>) {
    const CONSUMERS: usize = 4;
    const ROUNDS: usize = 25;
    let (report, mut reports) = mpsc::channel(1);
    for number in 0..CONSUMERS {
        let mut consumer = consume(&broker, QUEUE, 1).await;
        let report = report.clone();
        tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                settle(delivery, Verdict::Ack).await;
                if report.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut shares = [0; CONSUMERS];
    for id in 0..CONSUMERS * ROUNDS {
        // Whoever has just settled gets back in line first.
        for _ in 0..CONSUMERS * 4 {
            tokio::task::yield_now().await;
        }
        publish(&broker, &[&id.to_string()]).await;
        let number = timeout(PATIENCE, reports.recv()).await.expect("a delivery arrives").expect("consumers live");
        shares[number] += 1;
    }
    // Not exactly equal: a consumer that was not back in the line yet misses its turn.
    assert!(shares.iter().all(|share| *share >= ROUNDS / 2), "unfair shares: {shares:?}");
}

/// Under load nothing is lost, and what is acknowledged once is not delivered again; some messages fail once.
pub async fn four_consumers_get_every_one_of_ten_thousand_messages(broker: Arc<dyn Broker>) {
    const MESSAGES: usize = 10_000;
    const BATCH: usize = 500;
    let (acknowledged, mut acknowledgements) = mpsc::unbounded_channel();
    let mut consumers = Vec::new();
    for _ in 0..4 {
        let mut consumer = consume(&broker, QUEUE, 50).await;
        let acknowledged = acknowledged.clone();
        consumers.push(tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let id = delivery.message.id.clone();
                if delivery.redeliveries == 0 && id.ends_with('7') {
                    drop(delivery);
                } else {
                    settle(delivery, Verdict::Ack).await;
                    acknowledged.send(id).expect("somebody counts");
                }
            }
        }));
    }
    let ids: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    for batch in ids.chunks(BATCH) {
        broker.publish(batch.iter().map(|id| message(id)).collect()).await.expect("publishing works");
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for _ in 0..MESSAGES {
        let id = timeout(PATIENCE, acknowledgements.recv()).await.expect("no message is lost").expect("consumers live");
        *times.entry(id).or_default() += 1;
    }
    depth_becomes(&broker, QUEUE, 0, 0).await;
    assert!(acknowledgements.try_recv().is_err(), "more acknowledgements than messages");
    assert!(ids.iter().all(|id| times.get(id) == Some(&1)), "a message was acknowledged twice");
    for consumer in consumers {
        consumer.abort();
    }
}
