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
