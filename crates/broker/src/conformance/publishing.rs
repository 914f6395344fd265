//! Publishing, order and depth.

use std::sync::Arc;

use super::{OTHER, QUEUE, consume, depth_becomes, message, next, next_id, publish, settle};
use crate::{Broker, Error, Message, Verdict};

/// A message is delivered as it was published, and messages of one priority in their order.
pub async fn messages_arrive_whole_and_in_order(broker: Arc<dyn Broker>) {
    let first = Message::new(QUEUE, "first", [0, 159, 146, 150]).priority(4).header("trace", "t1");
    let second = message("second").priority(4).transient();
    broker.publish(vec![first.clone(), second.clone()]).await.expect("publishing works");
    broker.publish(vec![message("third").priority(4)]).await.expect("publishing works");

    let mut consumer = consume(&broker, QUEUE, 10).await;
    let deliveries = [next(&mut consumer).await, next(&mut consumer).await];
    assert_eq!(deliveries.each_ref().map(|delivery| &delivery.message), [&first, &second]);
    assert_eq!(deliveries.each_ref().map(|delivery| delivery.redeliveries), [0, 0]);
    assert_eq!(next(&mut consumer).await.message.id, "third");
}

/// Among waiting messages the highest priority is delivered first, and the order of publishing decides between equals.
/// Without strict priorities only the second half is promised.
pub async fn higher_priorities_come_first(broker: Arc<dyn Broker>) {
    let priorities = [0, 9, 5, 9, 0, 5];
    let messages =
        priorities.iter().enumerate().map(|(number, priority)| message(&format!("{number}")).priority(*priority));
    broker.publish(messages.collect()).await.expect("publishing works");

    let mut consumer = consume(&broker, QUEUE, 1).await;
    let mut order = Vec::new();
    for _ in priorities {
        order.push(next_id(&mut consumer, Verdict::Ack).await);
    }
    if broker.strict_priorities() {
        assert_eq!(order, ["1", "3", "2", "5", "0", "4"]);
    } else {
        let place = |id: &str| order.iter().position(|arrived| arrived == id);
        for (first, second) in [("1", "3"), ("2", "5"), ("0", "4")] {
            assert!(place(first).is_some() && place(first) < place(second), "equals out of order: {order:?}");
        }
    }
}

/// A batch with an unknown queue is refused whole, with the name of the queue; so are the other operations.
pub async fn an_unknown_queue_is_named_and_nothing_of_the_batch_published(broker: Arc<dyn Broker>) {
    let batch = vec![message("good"), Message::new("nowhere", "bad", *b"bad")];
    let refused = [
        broker.publish(batch).await.err(),
        broker.consume("nowhere", 1).await.err(),
        broker.depth("nowhere").await.err(),
    ];
    for error in refused {
        assert!(matches!(&error, Some(Error::UnknownQueue(name)) if name == "nowhere"), "{error:?}");
    }
    depth_becomes(&broker, QUEUE, 0, 0).await;
}

/// The depth tells waiting messages from those with consumers, for each queue by itself.
pub async fn depth_counts_what_waits_and_what_is_with_consumers(broker: Arc<dyn Broker>) {
    publish(&broker, &["1", "2", "3"]).await;
    depth_becomes(&broker, QUEUE, 3, 0).await;
    depth_becomes(&broker, OTHER, 0, 0).await;

    let mut consumer = consume(&broker, QUEUE, 2).await;
    let held = [next(&mut consumer).await, next(&mut consumer).await];
    depth_becomes(&broker, QUEUE, 1, 2).await;
    drop(held);
    drop(consumer);
    depth_becomes(&broker, QUEUE, 3, 0).await;
}

/// What is acknowledged is never delivered again.
pub async fn acknowledged_messages_are_gone(broker: Arc<dyn Broker>) {
    publish(&broker, &["1", "2"]).await;
    let mut consumer = consume(&broker, QUEUE, 10).await;
    for _ in 0..2 {
        settle(next(&mut consumer).await, Verdict::Ack).await;
    }
    drop(consumer);
    depth_becomes(&broker, QUEUE, 0, 0).await;
}
