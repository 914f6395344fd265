//! What a worker tells whoever watches: Flower, `celery events`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use jiff::{Timestamp, Zoned};
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;

use crate::Error;
use crate::amqp::{Amqp, unavailable};
use crate::wire::{self, Outgoing, short};

/// Events that wait to be sent; more are dropped, as nobody depends on them.
const MOST_WAITING: usize = 10_000;
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The logical clock by which watchers order what several workers say.
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn forward(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Not behind somebody else's.
    pub(crate) fn adjust(&self, other: u64) {
        self.0.fetch_max(other, Ordering::Relaxed);
        self.forward();
    }
}

/// Where events go.
pub(crate) struct Events {
    node: String,
    pub(crate) clock: Clock,
    /// Whether those of tasks are sent; those of the worker itself always are.
    of_tasks: AtomicBool,
    waiting: Sender<(String, Value)>,
}

impl Events {
    /// Where events go, and what [`deliver`] takes them from.
    pub(crate) fn new(node: &str, of_tasks: bool) -> (Self, Receiver<(String, Value)>) {
        let (waiting, events) = mpsc::channel(MOST_WAITING);
        let of_tasks = AtomicBool::new(of_tasks);
        (Self { node: node.to_owned(), clock: Clock::default(), of_tasks, waiting }, events)
    }

    /// Switches events of tasks; says whether that changed anything.
    pub(crate) fn switch(&self, of_tasks: bool) -> bool {
        self.of_tasks.swap(of_tasks, Ordering::Relaxed) != of_tasks
    }

    /// Says something about a task, if somebody wants to hear it. The fields are made only then.
    pub(crate) fn task(&self, kind: &str, id: &str, fields: impl FnOnce() -> Value) {
        if self.of_tasks.load(Ordering::Relaxed) {
            let mut fields = fields();
            fields["uuid"] = id.into();
            self.send(kind, fields);
        }
    }

    /// Says something.
    pub(crate) fn send(&self, kind: &str, fields: Value) {
        let Value::Object(mut event) = fields else { return };
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("type", kind.into());
        put("hostname", self.node.clone().into());
        put("pid", std::process::id().into());
        put("clock", self.clock.forward().into());
        put("timestamp", (Timestamp::now().as_microsecond() as f64 / 1e6).into());
        // West is positive, as with Python's `time.timezone`.
        put("utcoffset", (-Zoned::now().offset().seconds()).div_euclid(3600).into());
        if self.waiting.try_send((kind.replace('-', "."), Value::Object(event))).is_err() {
            tracing::debug!(kind, "an event was dropped");
        }
    }
}

/// Sends events as they come, until there are no more.
pub(crate) async fn deliver(amqp: Amqp, exchange: String, node: String, mut events: Receiver<(String, Value)>) {
    let headers: Map<String, Value> = [("hostname".to_owned(), json!(node))].into_iter().collect();
    let mut channel: Option<Channel> = None;
    while let Some((routing_key, event)) = events.recv().await {
        let sending = async {
            let open = match channel.take().filter(|channel| channel.status().connected()) {
                Some(open) => open,
                None => open_channel(&amqp, &exchange).await?,
            };
            let raw = wire::json(&event, headers.clone());
            let outgoing = Outgoing::transient(&exchange, &routing_key, &raw)?;
            let Outgoing { exchange, routing_key, properties, body } = outgoing;
            let none = BasicPublishOptions::default();
            let sent = open.basic_publish(exchange, routing_key, none, &body, properties).await.map_err(unavailable)?;
            // Without confirms there is nothing to wait for.
            drop(sent.now_or_never());
            channel = Some(open);
            Ok::<(), Error>(())
        };
        if let Err(error) = sending.await {
            tracing::debug!(%error, "an event was lost");
            sleep(RETRY_PAUSE).await;
        }
    }
}

async fn open_channel(amqp: &Amqp, exchange: &str) -> Result<Channel, Error> {
    let channel = amqp.channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declaring = channel.exchange_declare(short(exchange)?, ExchangeKind::Topic, durable, FieldTable::default());
    declaring.await.map_err(unavailable)?;
    Ok(channel)
}
