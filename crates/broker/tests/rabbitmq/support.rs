//! What the specs of the RabbitMQ broker share: queues of their own that are gone afterwards.

#![allow(clippy::unwrap_used, reason = "a spec may panic")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use broker::rabbitmq::{Config, QueueType, RabbitMq};
use broker::{Broker, Buried, Consumer, Depth, Error, Message, Replayed, Selection, Topology};
use lapin::options::QueueDeleteOptions;
use lapin::{Channel, Connection, ConnectionProperties};

/// Where RabbitMQ is.
pub(crate) fn url() -> String {
    std::env::var("FLOTILLA_TEST_AMQP").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())
}

/// A configuration with a prefix that nobody else has.
pub(crate) fn config(queue_type: QueueType, topology: Topology) -> Config {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let prefix = format!("spec-{now:x}-{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let confirm_timeout = Duration::from_secs(20);
    Config { queue_type, prefix, confirm_timeout, ..Config::new(url(), topology) }
}

/// A broker whose queues are deleted when it is dropped, whatever happened.
pub(crate) struct Temporary {
    pub(crate) broker: RabbitMq,
    queues: Queues,
    prefix: String,
}

/// Queues that are deleted at the end of a spec.
pub(crate) struct Queues {
    names: Vec<String>,
    /// The consumers that may have queues of their own.
    consumers: Mutex<BTreeSet<String>>,
}

impl Queues {
    pub(crate) fn of(config: &Config) -> Self {
        let names = config.topology.queues.iter().chain([&config.topology.dead_letter]);
        let names = names.map(|name| format!("{}{name}", config.prefix)).collect();
        Self { names, consumers: Mutex::default() }
    }

    /// Also the own queues of that consumer.
    fn also(&self, consumer: &str) {
        self.consumers.lock().unwrap().insert(consumer.to_owned());
    }
}

impl Temporary {
    pub(crate) async fn open(config: Config) -> Self {
        let (queues, prefix) = (Queues::of(&config), config.prefix.clone());
        let broker = RabbitMq::connect(config).await.unwrap_or_else(|error| {
            panic!("{error}. Start RabbitMQ with `make setup`, or set FLOTILLA_TEST_AMQP to the address of one.")
        });
        Self { broker, queues, prefix }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Those offered meanwhile go too.
        self.queues.names = self.broker.queues().iter().map(|name| format!("{}{name}", self.prefix)).collect();
        // Consumers that are still about would declare a deleted queue again.
        let broker = self.broker.clone();
        let closing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(broker.close());
        });
        let closed = closing.join().is_ok();
        assert!(closed || std::thread::panicking(), "the broker does not close");
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        let mut names = std::mem::take(&mut self.names);
        let consumers = std::mem::take(self.consumers.get_mut().unwrap());
        let own = consumers.iter().flat_map(|consumer| names.iter().map(move |name| format!("{name}.{consumer}")));
        names.extend(own.collect::<Vec<_>>());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (_connection, channel) = channel().await;
                for name in names {
                    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
                }
            });
        });
        let deleted = deleting.join().is_ok();
        assert!(deleted || std::thread::panicking(), "queues were left behind");
    }
}

/// A connection beside the one that is tested.
pub(crate) async fn channel() -> (Connection, Channel) {
    let connection = Connection::connect(&url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[async_trait]
impl Broker for Temporary {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Error> {
        self.broker.publish(messages).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.broker.consume(queue, prefetch).await
    }

    async fn consume_preferred(&self, queue: &str, consumer: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.queues.also(consumer);
        self.broker.consume_preferred(queue, consumer, prefetch).await
    }

    async fn offer(&self, queues: &[String]) -> Result<(), Error> {
        self.broker.offer(queues).await
    }

    fn queues(&self) -> Vec<String> {
        self.broker.queues()
    }

    async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        self.broker.depth(queue).await
    }

    async fn consumers(&self, queue: &str) -> Result<u64, Error> {
        self.broker.consumers(queue).await
    }

    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
        self.broker.dead_letters(skip, limit).await
    }

    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, Error> {
        self.broker.replay_dead_letters(selection).await
    }

    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error> {
        self.broker.drop_dead_letters(selection).await
    }

    fn sees_all_consumers(&self) -> bool {
        self.broker.sees_all_consumers()
    }

    fn strict_priorities(&self) -> bool {
        self.broker.strict_priorities()
    }

    fn settle_within(&self) -> Option<Duration> {
        self.broker.settle_within()
    }
}
