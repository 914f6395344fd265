//! The RabbitMQ broker keeps every promise of the port, over quorum and over classic queues, on a real server.

#[path = "rabbitmq/support.rs"]
mod support;

mod quorum {
    use std::sync::Arc;

    use broker::rabbitmq::QueueType;
    use broker::{Broker, Topology};

    use super::support::{Temporary, config};

    async fn open(topology: Topology) -> Arc<dyn Broker> {
        Arc::new(Temporary::open(config(QueueType::Quorum, topology)).await)
    }

    broker::conformance_suite!(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        open
    );
}

mod classic {
    use std::sync::Arc;

    use broker::rabbitmq::QueueType;
    use broker::{Broker, Topology};

    use super::support::{Temporary, config};

    async fn open(topology: Topology) -> Arc<dyn Broker> {
        Arc::new(Temporary::open(config(QueueType::Classic, topology)).await)
    }

    broker::conformance_suite!(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        open
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_on_a_delivery_has_to_end_well_before_rabbitmq_takes_it_away() {
    use broker::Broker;
    let hour = std::time::Duration::from_secs(3600);
    let config = support::config(broker::rabbitmq::QueueType::Classic, broker::conformance::topology());
    let broker = support::Temporary::open(broker::rabbitmq::Config { consumer_timeout: hour * 4, ..config }).await;
    assert_eq!(broker.settle_within(), Some(hour * 3));
}
