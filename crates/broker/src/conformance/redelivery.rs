//! What comes back, where to, and whether it counts.

use std::sync::Arc;

use super::{
    DEAD_LETTER, DELIVERY_LIMIT, PATIENCE, QUEUE, WATCH, consume, depth_becomes, next, next_id, publish, settle,
};
use crate::{Broker, Verdict};

/// A requeued message is delivered again before those behind it, and knows how often it came back.
pub async fn a_requeued_message_comes_back_first_and_counted(broker: Arc<dyn Broker>) {
    publish(&broker, &["1", "2"]).await;
    let mut consumer = consume(&broker, QUEUE, 1).await;
    for redeliveries in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!((delivery.message.id.as_str(), delivery.redeliveries), ("1", redeliveries));
        settle(delivery, Verdict::Requeue { counted: true }).await;
    }
    assert_eq!(next_id(&mut consumer, Verdict::Ack).await, "1");
    assert_eq!(next_id(&mut consumer, Verdict::Ack).await, "2");
}

/// A worker that hands back what it has not started brings no message nearer to its delivery limit.
pub async fn what_is_handed_back_uncounted_never_becomes_poison(broker: Arc<dyn Broker>) {
    publish(&broker, &["1"]).await;
    let mut consumer = consume(&broker, QUEUE, 1).await;
    for _ in 0..3 * DELIVERY_LIMIT {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redeliveries, 0);
        settle(delivery, Verdict::Requeue { counted: false }).await;
    }
    assert_eq!(next_id(&mut consumer, Verdict::Ack).await, "1");
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

/// A delivery that a handler drops without a verdict, by a panic for example, is delivered again and counted.
pub async fn an_unsettled_delivery_comes_back_when_it_is_dropped(broker: Arc<dyn Broker>) {
    publish(&broker, &["1"]).await;
    let mut consumer = consume(&broker, QUEUE, 1).await;
    drop(next(&mut consumer).await);
    let delivery = next(&mut consumer).await;
    assert_eq!((delivery.message.id.as_str(), delivery.redeliveries), ("1", 1));
}

/// What a consumer held when it died goes to another in the old order, before what was published since.
pub async fn a_dropped_consumer_gives_everything_back_in_order(broker: Arc<dyn Broker>) {
    publish(&broker, &["1", "2", "3"]).await;
    let mut dying = consume(&broker, QUEUE, 3).await;
    let _held = [next(&mut dying).await, next(&mut dying).await, next(&mut dying).await];
    publish(&broker, &["4"]).await;
    drop(dying);

    let mut heir = consume(&broker, QUEUE, 10).await;
    for (id, redeliveries) in [("1", 1), ("2", 1), ("3", 1), ("4", 0)] {
        let delivery = next(&mut heir).await;
        assert_eq!((delivery.message.id.as_str(), delivery.redeliveries), (id, redeliveries));
        settle(delivery, Verdict::Ack).await;
    }
}

/// A late acknowledgement neither passes for a real one nor takes the message from whoever has it now.
pub async fn a_verdict_after_its_consumer_is_gone_fails(broker: Arc<dyn Broker>) {
    publish(&broker, &["1"]).await;
    let mut dying = consume(&broker, QUEUE, 1).await;
    let late = next(&mut dying).await;
    drop(dying);
    let mut heir = consume(&broker, QUEUE, 1).await;
    let current = next(&mut heir).await;
    assert!(late.settle(Verdict::Ack).await.is_err(), "a late acknowledgement went through");
    depth_becomes(&broker, QUEUE, 0, 1).await;
    settle(current, Verdict::Ack).await;
    depth_becomes(&broker, QUEUE, 0, 0).await;
}

/// `next` may be dropped at any moment, as `select!` does, without a message getting lost or counted.
pub async fn giving_up_the_wait_for_a_message_loses_none(broker: Arc<dyn Broker>) {
    let mut consumer = consume(&broker, QUEUE, 10).await;
    let publisher = Arc::clone(&broker);
    let publishing = tokio::spawn(async move {
        for id in ["1", "2", "3", "4", "5"] {
            publish(&publisher, &[id]).await;
            tokio::task::yield_now().await;
        }
    });
    let mut arrived = Vec::new();
    let collecting = async {
        while arrived.len() < 5 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                delivery = consumer.next() => {
                    let delivery = delivery.expect("the subscription is open");
                    assert_eq!(delivery.redeliveries, 0);
                    arrived.push(delivery.message.id.clone());
                    settle(delivery, Verdict::Ack).await;
                }
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, collecting).await.is_ok(), "only {arrived:?} arrived");
    assert_eq!(arrived, ["1", "2", "3", "4", "5"]);
    publishing.await.expect("the publisher does not panic");
    assert!(tokio::time::timeout(WATCH, consumer.next()).await.is_err(), "a message arrived twice");
}
