//! Messages as AMQP has them, and back.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Number, Value};

use crate::message::{Properties, Raw};
use crate::{Error, message};

const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// Where a message goes and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    /// A message that survives a restart of RabbitMQ, to a queue by its name.
    pub(crate) fn to_queue(queue: &str, raw: &Raw) -> Result<Self, Error> {
        Self::new("", queue, raw, PERSISTENT)
    }

    /// A message that is of no use after a restart.
    pub(crate) fn transient(exchange: &str, routing_key: &str, raw: &Raw) -> Result<Self, Error> {
        Self::new(exchange, routing_key, raw, TRANSIENT)
    }

    /// A message that survives a restart of RabbitMQ.
    pub(crate) fn persistent(exchange: &str, routing_key: &str, raw: &Raw) -> Result<Self, Error> {
        Self::new(exchange, routing_key, raw, PERSISTENT)
    }

    fn new(exchange: &str, routing_key: &str, raw: &Raw, mode: u8) -> Result<Self, Error> {
        let Raw { headers, properties, body } = raw;
        let optional = |value: &Option<String>| value.as_deref().map(short).transpose();
        let mut written = BasicProperties::default().with_delivery_mode(mode).with_headers(table(headers)?);
        if let Some(content_type) = optional(&properties.content_type)? {
            written = written.with_content_type(content_type);
        }
        if let Some(encoding) = optional(&properties.content_encoding)? {
            written = written.with_content_encoding(encoding);
        }
        if let Some(id) = optional(&properties.correlation_id)? {
            written = written.with_correlation_id(id);
        }
        if let Some(queue) = optional(&properties.reply_to)? {
            written = written.with_reply_to(queue);
        }
        written = written.with_priority(properties.priority.unwrap_or(0));
        Ok(Self {
            exchange: short(exchange)?,
            routing_key: short(routing_key)?,
            properties: written,
            body: body.clone(),
        })
    }
}

/// A message that is JSON and nothing more.
pub(crate) fn json(body: &Value, headers: Map<String, Value>) -> Raw {
    Raw {
        headers,
        properties: Properties {
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            ..Properties::default()
        },
        body: body.to_string().into_bytes(),
    }
}

/// What was delivered. What RabbitMQ noted on it on the way is left out.
pub(crate) fn read(delivery: &mut Delivery) -> Raw {
    let properties = &delivery.properties;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let headers = properties.headers().as_ref().map_or_else(Map::new, |headers| {
        let fields = headers.inner().iter().filter(|(name, _)| !message::is_from_the_broker(name.as_str()));
        fields.map(|(name, value)| (name.to_string(), value_of(value))).collect()
    });
    Raw {
        headers,
        properties: Properties {
            content_type: text(properties.content_type()),
            content_encoding: text(properties.content_encoding()),
            correlation_id: text(properties.correlation_id()),
            reply_to: text(properties.reply_to()),
            priority: *properties.priority(),
        },
        body: std::mem::take(&mut delivery.data),
    }
}

/// How often a quorum queue has delivered a message before; classic queues do not count.
pub(crate) fn deliveries_before(delivery: &Delivery) -> u64 {
    let headers = delivery.properties.headers().as_ref();
    let counted = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    counted.and_then(|count| value_of(count).as_u64()).unwrap_or(0)
}

/// A name as AMQP has it.
pub(crate) fn short(text: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text).map_err(|_too_long| Error::Name(text.to_owned()))
}

/// Arguments of a queue.
pub(crate) fn arguments<const N: usize>(arguments: [(&'static str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(ShortString::from(name), value);
    }
    table
}

/// Text as an argument of a queue.
pub(crate) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn table(fields: &Map<String, Value>) -> Result<FieldTable, Error> {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(short(name)?, amqp(value)?);
    }
    Ok(table)
}

fn amqp(value: &Value) -> Result<AMQPValue, Error> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AMQPValue::LongLongInt(whole),
            None => AMQPValue::Double(number.as_f64().unwrap_or(0.0)),
        },
        Value::String(inner) => text(inner),
        Value::Array(items) => {
            AMQPValue::FieldArray(FieldArray::from(items.iter().map(amqp).collect::<Result<Vec<_>, _>>()?))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields)?),
    })
}

fn value_of(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(flag) => (*flag).into(),
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::Float(number) => float((*number).into()),
        AMQPValue::Double(number) => float(*number),
        AMQPValue::DecimalValue(decimal) => float(f64::from(decimal.value) / 10_f64.powi(decimal.scale.into())),
        AMQPValue::ShortString(inner) => inner.to_string().into(),
        AMQPValue::LongString(inner) => inner.to_string().into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(value_of).collect(),
        AMQPValue::FieldTable(fields) => {
            fields.inner().iter().map(|(name, value)| (name.to_string(), value_of(value))).collect()
        }
        AMQPValue::Void => Value::Null,
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
