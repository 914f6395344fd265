//! A signature of one task as a message.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{Caller, Route, new_id};
use crate::message::{Embed, Message, TimeLimits, parse_time, seconds_of};
use crate::signature::Signature;
use crate::{DecodeError, typed};

/// The message that runs a signature, and where it goes.
pub(crate) fn message_of(signature: &Signature, caller: &Caller) -> Result<(Message, Route), DecodeError> {
    let options = Options(&signature.options);
    let id = options.text("task_id").unwrap_or_else(new_id);
    let eta = match options.duration("countdown")? {
        Some(countdown) => Some(after(caller.now, countdown)),
        None => options.time("eta", caller.now)?,
    };
    let message = Message {
        task: signature.task.clone(),
        args: signature.args.clone(),
        kwargs: signature.kwargs.clone(),
        embed: Embed {
            callbacks: Signature::list_from(signature.options.get("link"))?,
            errbacks: Signature::list_from(signature.options.get("link_error"))?,
            chain: Signature::list_from(signature.options.get("chain"))?,
            chord: options.get("chord").map(Signature::from_value).transpose()?,
        },
        root_id: options.text("root_id").or_else(|| caller.root_id.clone()).or_else(|| Some(id.clone())),
        id,
        parent_id: options.text("parent_id").or_else(|| caller.parent_id.clone()),
        group: options.text("group_id"),
        group_index: options.get("group_index").and_then(Value::as_i64),
        retries: options.get("retries").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        eta,
        expires: options.time("expires", caller.now)?,
        limits: TimeLimits { hard: options.duration("time_limit")?, soft: options.duration("soft_time_limit")? },
        reply_to: options.text("reply_to").or_else(|| caller.reply_to.clone()),
        priority: options.get("priority").and_then(Value::as_u64).map(|priority| priority.min(255) as u8),
        ignore_result: options.get("ignore_result").and_then(Value::as_bool).unwrap_or(false),
        shadow: options.text("shadow"),
        extra: options.extra(),
    };
    Ok((message, options.route()))
}

fn after(now: Timestamp, delay: Duration) -> Timestamp {
    let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
    now.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

struct Options<'a>(&'a Map<String, Value>);

impl Options<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, DecodeError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let duration = value.as_f64().and_then(seconds_of);
        duration.map(Some).ok_or(DecodeError::Signature("a duration among its options is no number of seconds"))
    }

    /// A time, or seconds from now.
    fn time(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, DecodeError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let time = match typed::plain(value.clone())? {
            Value::String(text) => parse_time(&text),
            Value::Number(seconds) => seconds.as_f64().and_then(seconds_of).map(|delay| after(now, delay)),
            _ => None,
        };
        time.map(Some).ok_or(DecodeError::Signature("a time among its options is none"))
    }

    fn route(&self) -> Route {
        if let Some(queue) = self.text("queue") {
            return Route::Queue(queue);
        }
        match (self.text("exchange"), self.text("routing_key")) {
            (Some(exchange), routing_key) => Route::Exchange { exchange, routing_key: routing_key.unwrap_or_default() },
            (None, Some(queue)) => Route::Queue(queue),
            (None, None) => Route::ByName,
        }
    }

    /// Headers of the caller's own, and stamps.
    fn extra(&self) -> Map<String, Value> {
        let mut extra = match self.get("headers") {
            Some(Value::Object(headers)) => headers.clone(),
            _ => Map::new(),
        };
        if let Some(nesting) = self.get("replaced_task_nesting") {
            extra.insert("replaced_task_nesting".to_owned(), nesting.clone());
        }
        if let Some(names @ Value::Array(list)) = self.get("stamped_headers") {
            let named = list.iter().filter_map(Value::as_str);
            let stamps = named.filter_map(|name| Some((name.to_owned(), self.get(name)?.clone()))).collect();
            extra.insert("stamped_headers".to_owned(), names.clone());
            extra.insert("stamps".to_owned(), Value::Object(stamps));
        }
        extra
    }
}
