//! Queues that nobody knew when the broker was opened.

use std::sync::Arc;

use super::{DEAD_LETTER, DELIVERY_LIMIT, consume, depth_becomes, next, next_id, settle};
use crate::{Broker, DeadLetter, Message, Verdict};

/// Not in the topology.
const OWN: &str = "own";

fn names() -> [String; 1] {
    [OWN.to_owned()]
}

/// An offered queue is listed, takes and gives messages, and sends what comes back too often to the dead letters.
pub async fn an_offered_queue_is_like_those_of_the_topology(broker: Arc<dyn Broker>) {
    assert!(!broker.queues().contains(&names()[0]));
    broker.offer(&names()).await.expect("a queue can be offered");
    assert!(broker.queues().contains(&names()[0]));

    broker.publish(vec![Message::new(OWN, "1", *b"one")]).await.expect("publishing to an offered queue works");
    depth_becomes(&broker, OWN, 1, 0).await;
    let mut consumer = consume(&broker, OWN, 1).await;
    for _ in 0..=DELIVERY_LIMIT {
        settle(next(&mut consumer).await, Verdict::Requeue { counted: true }).await;
    }
    let mut dead = consume(&broker, DEAD_LETTER, 1).await;
    let letter = next(&mut dead).await;
    let death = DeadLetter::of(&letter.message).expect("a dead letter says why it died");
    assert_eq!((death.queue.as_str(), letter.message.body.as_slice()), (OWN, b"one".as_slice()));
    settle(letter, Verdict::Ack).await;
}

/// Whoever offers a queue that exists changes nothing in it.
pub async fn offering_again_keeps_what_waits(broker: Arc<dyn Broker>) {
    broker.offer(&names()).await.expect("a queue can be offered");
    broker.publish(vec![Message::new(OWN, "1", *b"one")]).await.expect("publishing to an offered queue works");
    depth_becomes(&broker, OWN, 1, 0).await;
    broker.offer(&names()).await.expect("a queue can be offered again");
    let mut consumer = consume(&broker, OWN, 1).await;
    assert_eq!(next_id(&mut consumer, Verdict::Ack).await, "1");
}
