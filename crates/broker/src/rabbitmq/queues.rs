//! The queues as RabbitMQ knows them, and how they come to be.
//!
//! Messages that prefer a consumer have a queue of that consumer's own, called `<queue>.<consumer>`. What nobody takes there
//! in time RabbitMQ moves to the queue itself, as it moves dead letters; what nobody consumes for a while it deletes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lapin::ErrorKind;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::link::Link;
use super::{Config, QueueType, SetupError};
use crate::{Error, PREFERRED_WAIT};

/// "Without limit" for the dead letters: a quorum queue of RabbitMQ 4 has a limit of 20 when none is given.
const NO_LIMIT: i32 = i32::MAX;
/// How long a consumer's own queue outlives it. Long after its messages have gone on, also when RabbitMQ had trouble moving
/// them.
const OWN_QUEUE_EXPIRES: Duration = Duration::from_secs(300);
const ACCESS_REFUSED: u16 = 403;
const PRECONDITION_FAILED: u16 = 406;
pub(super) const NOT_FOUND: u16 = 404;

/// Every queue of the topology, and those offered since.
pub(super) struct Queues {
    by_name: RwLock<HashMap<String, Arc<Queue>>>,
    pub(super) dead_letter: Arc<Queue>,
    prefix: String,
}

/// One queue.
pub(super) struct Queue {
    /// As the port calls it.
    pub(super) name: String,
    /// As RabbitMQ calls it.
    pub(super) address: ShortString,
    pub(super) kind: Kind,
    /// How often a message may come back; `None` for dead letters.
    pub(super) delivery_limit: Option<u32>,
    /// Set for a queue of one consumer's own.
    pub(super) own: Option<Own>,
    arguments: FieldTable,
}

/// What is special about a queue of one consumer's own.
pub(super) struct Own {
    pub(super) consumer: String,
    /// The queue that its messages go on to.
    pub(super) home: Arc<Queue>,
}

/// How a queue treats what comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Counts redeliveries.
    Quorum,
    /// Has two priorities for each of the port's: what comes back goes before what is new.
    Classic,
    /// Classic, bounded, without priorities.
    Lossy,
}

impl Queues {
    pub(super) fn new(config: &Config) -> Result<Self, SetupError> {
        let names = config.topology.queues.iter().chain([&config.topology.dead_letter]);
        let mut by_name = HashMap::new();
        for name in names {
            by_name.insert(name.clone(), Arc::new(Queue::new(name, config)?));
        }
        let dead_letter = Arc::clone(&by_name[&config.topology.dead_letter]);
        Ok(Self { by_name: RwLock::new(by_name), dead_letter, prefix: config.prefix.clone() })
    }

    pub(super) fn find(&self, name: &str) -> Result<Arc<Queue>, Error> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.get(name).cloned().ok_or_else(|| Error::UnknownQueue(name.to_owned()))
    }

    pub(super) fn all(&self) -> Vec<Arc<Queue>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// From now on the queue is declared on every new connection and watched over.
    pub(super) fn add(&self, queue: Queue) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.entry(queue.name.clone()).or_insert_with(|| Arc::new(queue));
    }

    /// What the port calls a queue that RabbitMQ calls `address`.
    pub(super) fn name_of<'a>(&self, address: &'a str) -> &'a str {
        address.strip_prefix(self.prefix.as_str()).unwrap_or(address)
    }

    /// Declares every queue, or checks that it exists.
    pub(super) async fn set_up(&self, link: &Link, declare: bool) -> Result<(), SetupError> {
        for queue in self.all() {
            queue.set_up(link, declare).await?;
        }
        Ok(())
    }
}

/// Where messages for a preferred consumer go. Just a name: whether there is such a queue, RabbitMQ says.
pub(super) fn own_address(queue: &Queue, consumer: &str) -> Option<ShortString> {
    ShortString::try_new(format!("{}.{consumer}", queue.address)).ok()
}

impl Queue {
    /// The queue of a consumer's own, from which messages go on to `home`.
    pub(super) fn own(home: &Arc<Self>, consumer: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownQueue(home.name.clone());
        let address = own_address(home, consumer).filter(|_| home.kind != Kind::Lossy).ok_or_else(unknown)?;
        let mut arguments = home.arguments.clone();
        let mut set = |key: &str, value: AMQPValue| {
            arguments.insert(key.into(), value);
        };
        set("x-message-ttl", AMQPValue::LongLongInt(millis(PREFERRED_WAIT)));
        set("x-expires", AMQPValue::LongLongInt(millis(OWN_QUEUE_EXPIRES)));
        set("x-dead-letter-exchange", AMQPValue::LongString("".into()));
        set("x-dead-letter-routing-key", AMQPValue::LongString(home.address.as_str().into()));
        Ok(Self {
            name: home.name.clone(),
            address,
            kind: home.kind,
            delivery_limit: home.delivery_limit,
            own: Some(Own { consumer: consumer.to_owned(), home: Arc::clone(home) }),
            arguments,
        })
    }

    /// Where a message goes that its consumer does not keep.
    pub(super) fn home(self: &Arc<Self>) -> Arc<Self> {
        self.own.as_ref().map_or_else(|| Arc::clone(self), |own| Arc::clone(&own.home))
    }

    /// Whether RabbitMQ itself takes a delivery back and counts it. From a consumer's own queue a message goes on instead.
    pub(super) fn takes_back_counted(&self) -> bool {
        self.kind == Kind::Quorum && self.own.is_none()
    }

    pub(super) fn new(name: &str, config: &Config) -> Result<Self, SetupError> {
        let short = |name: &str| {
            let address = format!("{}{name}", config.prefix);
            ShortString::try_new(address.clone()).map_err(|_too_long| SetupError::Name(address))
        };
        let is_dead_letter = name == config.topology.dead_letter;
        let kind = match config.queue_type {
            _ if config.lossy.iter().any(|lossy| lossy == name) => Kind::Lossy,
            QueueType::Quorum => Kind::Quorum,
            QueueType::Classic => Kind::Classic,
        };
        let limit = config.topology.delivery_limit;
        let mut arguments = FieldTable::default();
        let mut set = |key: &str, value: AMQPValue| {
            arguments.insert(key.into(), value);
        };
        let text = |value: &str| AMQPValue::LongString(LongString::from(value));
        set("x-queue-type", text(if kind == Kind::Quorum { "quorum" } else { "classic" }));
        set("x-consumer-timeout", AMQPValue::LongLongInt(millis(config.consumer_timeout)));
        match kind {
            Kind::Quorum if is_dead_letter => set("x-delivery-limit", AMQPValue::LongInt(NO_LIMIT)),
            Kind::Quorum => {
                // Only for messages whose worker process died: other counted returns die by our own hand.
                let limit = i32::try_from(limit).unwrap_or(NO_LIMIT);
                set("x-delivery-limit", AMQPValue::LongInt(limit));
                set("x-dead-letter-exchange", text(""));
                set("x-dead-letter-routing-key", text(short(&config.topology.dead_letter)?.as_str()));
                // Otherwise a dead letter could be lost on its way; it requires the overflow behaviour.
                set("x-dead-letter-strategy", text("at-least-once"));
                set("x-overflow", text("reject-publish"));
            }
            Kind::Classic => {
                set("x-max-priority", AMQPValue::LongInt(i32::from(super::wire::HIGHEST_CLASSIC_PRIORITY)))
            }
            Kind::Lossy => {
                set("x-max-length", AMQPValue::LongInt(Config::LOSSY_LENGTH));
                set("x-overflow", text("drop-head"));
            }
        }
        let delivery_limit = (!is_dead_letter).then_some(limit);
        Ok(Self { name: name.to_owned(), address: short(name)?, kind, delivery_limit, own: None, arguments })
    }

    /// Declares the queue, or checks that it exists. Doing it again changes nothing.
    pub(super) async fn set_up(&self, link: &Link, declare: bool) -> Result<lapin::Queue, SetupError> {
        let refused = |error: &lapin::Error| self.refused(error);
        let channel = link.channel().await.map_err(|error| refused(&error))?;
        let options = QueueDeclareOptions { durable: true, passive: !declare, ..QueueDeclareOptions::default() };
        let arguments = if declare { self.arguments.clone() } else { FieldTable::default() };
        let found = channel.queue_declare(self.address.clone(), options, arguments).await;
        let found = found.map_err(|error| refused(&error))?;
        link.give_back(channel);
        Ok(found)
    }

    fn refused(&self, error: &lapin::Error) -> SetupError {
        let queue = self.address.to_string();
        match error.kind() {
            ErrorKind::ProtocolError(refusal) if refusal.get_id() == NOT_FOUND => SetupError::Missing(queue),
            ErrorKind::ProtocolError(refusal) if refusal.get_id() == ACCESS_REFUSED => {
                SetupError::Forbidden { queue, reason: refusal.get_message().to_string() }
            }
            ErrorKind::ProtocolError(refusal) if refusal.get_id() == PRECONDITION_FAILED => {
                let reason = refusal.get_message().to_string();
                let quoted = reason.split_once("inequivalent arg '").and_then(|(_, rest)| rest.split_once('\''));
                let property = quoted.map_or("property", |(property, _)| property).to_owned();
                SetupError::Mismatch { queue, property, reason }
            }
            _ => SetupError::Refused { queue, reason: error.to_string() },
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
