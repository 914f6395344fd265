//! Messages that nobody could handle.

use std::sync::Arc;

use super::{DEAD_LETTER, DELIVERY_LIMIT, QUEUE, consume, depth_becomes, message, next, nothing_arrives, settle};
use crate::{Broker, DeadLetter, Delivery, Verdict};

/// A message that kills its consumer again and again is delivered once more than it may come back, and then dies.
pub async fn a_message_that_comes_back_too_often_dies_with_its_reason(broker: Arc<dyn Broker>) {
    let poison = message("poison").priority(5).header("trace", "t1");
    broker.publish(vec![poison.clone()]).await.expect("publishing works");
    for redeliveries in 0..=DELIVERY_LIMIT {
        let mut consumer = consume(&broker, QUEUE, 1).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redeliveries, redeliveries);
        // Every way to fail counts alike.
        match redeliveries % 3 {
            0 => settle(delivery, Verdict::Requeue { counted: true }).await,
            1 => drop(delivery),
            _ => drop(consumer),
        }
    }
    let dead = next(&mut consume(&broker, DEAD_LETTER, 1).await).await;
    assert_eq!((&dead.message.body, &dead.message.id), (&poison.body, &poison.id));
    assert_eq!(dead.message.headers.get("trace").map(String::as_str), Some("t1"));
    assert_died(&dead, DeadLetter::DELIVERY_LIMIT, DELIVERY_LIMIT + 1);
    depth_becomes(&broker, QUEUE, 0, 0).await;
}

/// A rejected message goes to the dead letters at once, as it was, with what the consumer said.
pub async fn a_rejected_message_keeps_body_reason_and_origin(broker: Arc<dyn Broker>) {
    broker.publish(vec![message("garbled")]).await.expect("publishing works");
    let mut consumer = consume(&broker, QUEUE, 1).await;
    let reason = "not JSON: expected value at line 1 — “gärbled”";
    settle(next(&mut consumer).await, Verdict::Reject { reason: reason.to_owned() }).await;
    nothing_arrives(&mut consumer).await;

    let dead = next(&mut consume(&broker, DEAD_LETTER, 1).await).await;
    assert_eq!(dead.message.body, b"garbled");
    assert_eq!(dead.redeliveries, 0);
    assert_died(&dead, reason, 1);
}

/// Dead letters are kept until an operator settles them, however often somebody looks at them.
pub async fn a_dead_letter_comes_back_without_limit(broker: Arc<dyn Broker>) {
    broker.publish(vec![message("garbled")]).await.expect("publishing works");
    let mut consumer = consume(&broker, QUEUE, 1).await;
    settle(next(&mut consumer).await, Verdict::Reject { reason: "no reason".to_owned() }).await;

    let mut operator = consume(&broker, DEAD_LETTER, 1).await;
    for _ in 0..2 * DELIVERY_LIMIT {
        settle(next(&mut operator).await, Verdict::Requeue { counted: true }).await;
    }
    let dead = next(&mut operator).await;
    assert_died(&dead, "no reason", 1);
    settle(dead, Verdict::Reject { reason: "looked at".to_owned() }).await;
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

fn assert_died(dead: &Delivery, reason: &str, deliveries: u32) {
    let death = DeadLetter::of(&dead.message).expect("it says how it died");
    assert!(death.died_at.is_some(), "{death:?}");
    let expected = DeadLetter { reason: reason.to_owned(), queue: QUEUE.to_owned(), deliveries, ..death.clone() };
    assert_eq!(death, expected);
}
