//! The headers of a task message.

use serde_json::{Map, Value, json};

use super::{Embed, Message, Raw, TimeLimits, iso, python, repr, seconds};
use super::{parse_time, seconds_of};
use crate::DecodeError;

/// What is read into fields of their own, or made anew for every message.
const KNOWN: &[&str] = &[
    "lang",
    "task",
    "id",
    "root_id",
    "parent_id",
    "group",
    "group_index",
    "retries",
    "eta",
    "expires",
    "timelimit",
    "shadow",
    "ignore_result",
    "argsrepr",
    "kwargsrepr",
    "compression",
];

/// What RabbitMQ adds to a message that was on its way before. Sent again, it would look like a cycle.
const DEATHS: &[&str] = &["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-opt-"];

pub(super) fn write(message: &Message) -> Map<String, Value> {
    let mut headers = message.extra.clone();
    headers.entry("origin").or_insert_with(|| json!(format!("flotilla{}", std::process::id())));
    headers.entry("replaced_task_nesting").or_insert_with(|| json!(0));
    headers.entry("stamped_headers").or_insert(Value::Null);
    headers.entry("stamps").or_insert_with(|| json!({}));
    let fields = json!({
        "lang": "py",
        "task": message.task,
        "id": message.id,
        "root_id": message.root_id,
        "parent_id": message.parent_id,
        "group": message.group,
        "group_index": message.group_index,
        "retries": message.retries,
        "eta": message.eta.map(iso),
        "expires": message.expires.map(iso),
        "timelimit": [message.limits.hard.map(seconds), message.limits.soft.map(seconds)],
        "shadow": message.shadow,
        "ignore_result": message.ignore_result,
        "argsrepr": repr::tuple(&message.args),
        "kwargsrepr": python(&Value::Object(message.kwargs.clone())),
    });
    if let Value::Object(fields) = fields {
        headers.extend(fields);
    }
    headers
}

/// Everything but arguments and what comes after.
pub(super) fn read(raw: &Raw) -> Result<Message, DecodeError> {
    let headers = Headers(&raw.headers);
    let id = headers.required("id")?;
    let is_extra = |name: &str| !KNOWN.contains(&name) && !is_from_the_broker(name);
    Ok(Message {
        task: headers.required("task")?,
        args: Vec::new(),
        kwargs: Map::new(),
        embed: Embed::default(),
        root_id: headers.text("root_id")?.or_else(|| Some(id.clone())),
        id,
        parent_id: headers.text("parent_id")?,
        group: headers.text("group")?,
        group_index: headers.integer("group_index")?,
        retries: headers.integer("retries")?.map_or(0, |retries| u32::try_from(retries).unwrap_or(0)),
        eta: headers.time("eta")?,
        expires: headers.time("expires")?,
        limits: headers.limits()?,
        reply_to: raw.properties.reply_to.clone().filter(|queue| !queue.is_empty()),
        priority: raw.properties.priority,
        ignore_result: headers.flag("ignore_result")?,
        shadow: headers.text("shadow")?,
        extra: raw.headers.iter().filter(|(name, _)| is_extra(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
    })
}

/// Whether a header was added by RabbitMQ on the way.
pub(crate) fn is_from_the_broker(name: &str) -> bool {
    DEATHS.iter().any(|prefix| name.starts_with(prefix))
}

struct Headers<'a>(&'a Map<String, Value>);

impl Headers<'_> {
    fn get(&self, header: &'static str) -> Option<&Value> {
        self.0.get(header).filter(|value| !value.is_null())
    }

    fn required(&self, header: &'static str) -> Result<String, DecodeError> {
        self.text(header)?.filter(|text| !text.is_empty()).ok_or(DecodeError::MissingHeader(header))
    }

    fn text(&self, header: &'static str) -> Result<Option<String>, DecodeError> {
        match self.get(header) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(wrong(header, "text", other)),
        }
    }

    fn integer(&self, header: &'static str) -> Result<Option<i64>, DecodeError> {
        match self.get(header) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(header, "a whole number", value)),
        }
    }

    fn flag(&self, header: &'static str) -> Result<bool, DecodeError> {
        match self.get(header) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::Number(number)) => Ok(number.as_i64() != Some(0)),
            Some(other) => Err(wrong(header, "true or false", other)),
        }
    }

    fn time(&self, header: &'static str) -> Result<Option<jiff::Timestamp>, DecodeError> {
        let Some(value) = self.get(header) else { return Ok(None) };
        let time = value.as_str().and_then(parse_time);
        time.map(Some).ok_or_else(|| wrong(header, "a time in ISO 8601", value))
    }

    /// Hard and soft, in that order.
    fn limits(&self) -> Result<TimeLimits, DecodeError> {
        let header = "timelimit";
        let Some(value) = self.get(header) else { return Ok(TimeLimits::default()) };
        let refuse = || wrong(header, "an array of two numbers of seconds", value);
        let Value::Array(pair) = value else { return Err(refuse()) };
        let one = |index: usize| match pair.get(index) {
            None | Some(Value::Null) => Ok(None),
            Some(number) => number.as_f64().and_then(seconds_of).map(Some).ok_or_else(refuse),
        };
        Ok(TimeLimits { hard: one(0)?, soft: one(1)? })
    }
}

fn wrong(header: &'static str, expected: &'static str, found: &Value) -> DecodeError {
    let mut found = found.to_string();
    found.truncate(found.floor_char_boundary(60));
    DecodeError::Header { header, expected, found }
}
