//! A message of the port as an AMQP message, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::queues::{Kind, Queue, Queues, own_address};
use crate::{DeadLetter, Error, Message};

/// How often a message came back before it was published anew.
const REDELIVERIES: &str = "x-flotilla-redeliveries";
/// What RabbitMQ adds itself and the port says otherwise.
const RESERVED: &str = "x-";
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;
/// What AMQP allows for names and ids, in bytes.
const SHORT: usize = 255;
/// Two for each of the port's: what is new, and above it what came back.
pub(super) const HIGHEST_CLASSIC_PRIORITY: u8 = 2 * Message::HIGHEST_PRIORITY + 1;

/// A message ready to be published.
pub(super) struct Outgoing {
    pub(super) queue: Arc<Queue>,
    /// The queue of the preferred consumer's own, if it has one: where the message goes first.
    pub(super) preferred: Option<ShortString>,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

/// What RabbitMQ delivered.
pub(super) struct Incoming {
    pub(super) message: Message,
    pub(super) redeliveries: u32,
}

impl Outgoing {
    /// A message that nobody has seen yet.
    pub(super) fn fresh(message: Message, queues: &Queues) -> Result<Self, Error> {
        let queue = queues.find(&message.queue)?;
        let preferred = message.preferred.as_deref().and_then(|consumer| own_address(&queue, consumer));
        Ok(Self { preferred, ..Self::new(message, queue, 0, false) })
    }

    /// A message that goes back to its queue, having come back so often.
    pub(super) fn returned(message: Message, queue: Arc<Queue>, redeliveries: u32) -> Self {
        Self::new(message, queue, redeliveries, true)
    }

    /// Where it is published to.
    pub(super) fn address(&self) -> &ShortString {
        self.preferred.as_ref().unwrap_or(&self.queue.address)
    }

    /// The same for everybody.
    pub(super) fn for_everybody(self) -> Self {
        Self { preferred: None, ..self }
    }

    fn new(message: Message, queue: Arc<Queue>, redeliveries: u32, returned: bool) -> Self {
        let text = |value: String| AMQPValue::LongString(LongString::from(value));
        let mut headers = FieldTable::default();
        for (name, value) in message.headers {
            headers.insert(short(&name), text(value));
        }
        if redeliveries > 0 {
            headers.insert(REDELIVERIES.into(), AMQPValue::LongLongInt(i64::from(redeliveries)));
        }
        let priority = match queue.kind {
            Kind::Quorum | Kind::Lossy => message.priority,
            Kind::Classic => 2 * message.priority.min(Message::HIGHEST_PRIORITY) + u8::from(returned),
        };
        let properties = BasicProperties::default()
            .with_message_id(short(&message.id))
            .with_content_type("application/json".into())
            .with_delivery_mode(if message.persistent { PERSISTENT } else { TRANSIENT })
            .with_priority(priority)
            .with_headers(headers);
        Self { queue, preferred: None, properties, body: message.body }
    }
}

impl Incoming {
    /// Reads a delivery from `queue`.
    pub(super) fn read(delivery: lapin::message::Delivery, queue: &Queue, queues: &Queues) -> Self {
        let properties = &delivery.properties;
        let absent = BTreeMap::new();
        let table = properties.headers().as_ref().map_or(&absent, FieldTable::inner);
        let carried = table.get(REDELIVERIES).map_or(0, count);
        let counted = match queue.kind {
            Kind::Quorum => table.get("x-delivery-count").map_or(0, count),
            Kind::Classic | Kind::Lossy => u32::from(delivery.redelivered),
        };
        let headers = table
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with(RESERVED))
            .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
            .collect();
        let priority = properties.priority().unwrap_or(0);
        let message = Message {
            queue: queue.name.clone(),
            preferred: queue.own.as_ref().map(|own| own.consumer.clone()),
            id: properties.message_id().as_ref().map_or_else(String::new, ToString::to_string),
            priority: if queue.kind == Kind::Classic { priority / 2 } else { priority },
            persistent: *properties.delivery_mode() == Some(PERSISTENT),
            headers,
            body: Vec::new(),
        };
        let is_dead = queue.address == queues.dead_letter.address;
        let deaths = table.get("x-death");
        let death = deaths.filter(|_| is_dead).and_then(|deaths| death(deaths, carried, queues));
        let (message, redeliveries) = match death {
            // What was counted before it died says nothing about its life among the dead.
            Some(death) => (death.bury(message, &queue.name), counted),
            // It went on from a consumer's own queue, perhaps because that consumer had it and died.
            None => (message, carried + counted + u32::from(deaths.is_some() && !is_dead)),
        };
        Self { message: Message { body: delivery.data, ..message }, redeliveries }
    }
}

/// How RabbitMQ says that a message died; the latest death stands first.
fn death(deaths: &AMQPValue, carried: u32, queues: &Queues) -> Option<DeadLetter> {
    let AMQPValue::FieldArray(deaths) = deaths else { return None };
    let AMQPValue::FieldTable(latest) = deaths.as_slice().first()? else { return None };
    let field = |name: &str| latest.inner().get(name).and_then(text);
    let queue = queues.name_of(&field("queue")?).to_owned();
    let limit = queues.find(&queue).ok().and_then(|queue| queue.delivery_limit).unwrap_or(0);
    let died_at = latest.inner().get("time").and_then(time);
    Some(DeadLetter { reason: field("reason")?, queue, deliveries: carried + limit + 1, died_at })
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        number => integer(number).map(|number| number.to_string()),
    }
}

fn time(value: &AMQPValue) -> Option<Timestamp> {
    let AMQPValue::Timestamp(seconds) = value else { return None };
    Timestamp::from_second(i64::try_from(*seconds).ok()?).ok()
}

fn count(value: &AMQPValue) -> u32 {
    integer(value).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(number) => Some(number.into()),
        AMQPValue::ShortShortUInt(number) => Some(number.into()),
        AMQPValue::ShortInt(number) => Some(number.into()),
        AMQPValue::ShortUInt(number) => Some(number.into()),
        AMQPValue::LongInt(number) => Some(number.into()),
        AMQPValue::LongUInt(number) => Some(number.into()),
        AMQPValue::LongLongInt(number) => Some(number),
        _ => None,
    }
}

/// As much of a name as AMQP allows.
fn short(text: &str) -> ShortString {
    text[..text.floor_char_boundary(SHORT)].into()
}
