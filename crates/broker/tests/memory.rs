//! The memory broker keeps every promise of the port, and ends cleanly.

use std::sync::Arc;
use std::time::Duration;

use broker::memory::MemoryBroker;
use broker::{Broker, Error, Message, Topology, Verdict};
use tokio::time::timeout;

async fn open(topology: Topology) -> Arc<dyn Broker> {
    Arc::new(MemoryBroker::new(topology))
}

broker::conformance_suite!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    open
);

#[tokio::test]
async fn closing_ends_every_consumer_even_a_full_one() {
    let broker = MemoryBroker::new(broker::conformance::topology());
    broker.publish(vec![Message::new("work", "1", *b""), Message::new("work", "2", *b"")]).await.unwrap();
    let mut idle = broker.consume("other", 1).await.unwrap();
    let mut full = broker.consume("work", 1).await.unwrap();
    let held = full.next().await.unwrap();
    let waiting = tokio::spawn(async move { (idle.next().await.is_none(), full.next().await.is_none()) });
    broker.close();
    assert_eq!(timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap(), (true, true));
    assert!(held.settle(Verdict::Ack).await.is_err(), "its consumer is gone");
    assert!(matches!(broker.publish(Vec::new()).await, Err(Error::Unavailable(_))));
    assert!(matches!(broker.consume("work", 1).await, Err(Error::Unavailable(_))));
    assert_eq!(broker.depth("work").await.unwrap().ready, 2);
}

#[tokio::test]
async fn what_was_delivered_before_closing_can_still_be_settled() {
    let broker = MemoryBroker::new(broker::conformance::topology());
    broker.publish(vec![Message::new("work", "1", *b"")]).await.unwrap();
    let mut consumer = broker.consume("work", 1).await.unwrap();
    let delivery = consumer.next().await.unwrap();
    broker.close();
    assert!(consumer.next().await.is_none());
    delivery.settle(Verdict::Ack).await.unwrap();
    assert_eq!(broker.depth("work").await.unwrap(), broker::Depth::default());
}
