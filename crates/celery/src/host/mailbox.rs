//! Remote control as a worker hears it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::commands;
use super::shared::Shared;
use crate::amqp::unavailable;
use crate::control::{Control, exchanges};
use crate::wire::{self, Outgoing, arguments, short};
use crate::{Error, typed};

/// How long what is said waits for a worker that was cut off, and how long its box is kept: as with Celery.
const KEPT: i32 = 300_000;
const EXPIRES: i32 = 10_000;
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Asks the others what was taken back before this worker came.
pub(crate) async fn greet(shared: &Shared, patience: Duration) {
    let control = Control::new(shared.sender.amqp.clone(), &shared.config.control_exchange);
    let hello = json!({ "from_node": shared.config.name, "revoked": {} });
    match control.ask("hello", hello, &[], patience).await {
        Ok(answers) => {
            for answer in answers.values() {
                commands::learn(shared, answer.get("revoked"));
                shared.events.clock.adjust(answer.get("clock").and_then(Value::as_u64).unwrap_or(0));
            }
        }
        Err(error) => tracing::warn!(%error, "what was taken back before cannot be known"),
    }
}

/// Hears and answers until the worker ends.
pub(crate) async fn keep_listening(shared: Arc<Shared>) {
    loop {
        if let Err(error) = listen(&shared).await {
            tracing::warn!(%error, "remote control is not heard for now");
        }
        sleep(RETRY_PAUSE).await;
    }
}

async fn listen(shared: &Arc<Shared>) -> Result<(), Error> {
    let channel = shared.sender.amqp.channel().await?;
    let (all, _) = exchanges(&shared.config.control_exchange);
    let queue = short(&format!("{}.{all}", shared.config.name))?;
    let (all, none) = (short(&all)?, FieldTable::default);
    let exchange = ExchangeDeclareOptions::default();
    channel.exchange_declare(all.clone(), ExchangeKind::Fanout, exchange, none()).await.map_err(unavailable)?;
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    let kept = arguments([("x-expires", AMQPValue::LongInt(EXPIRES)), ("x-message-ttl", AMQPValue::LongInt(KEPT))]);
    let declared = channel.queue_declare(queue.clone(), options, kept).await.map_err(unavailable)?;
    if declared.consumer_count() > 0 {
        tracing::warn!(
            node = shared.config.name,
            "another worker has this name; each hears half of what is said to it"
        );
    }
    let binding = channel.queue_bind(queue.clone(), all, "".into(), QueueBindOptions::default(), none());
    binding.await.map_err(unavailable)?;
    let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let tag = short(&uuid::Uuid::new_v4().to_string())?;
    let mut said = channel.basic_consume(queue, tag, consume, none()).await.map_err(unavailable)?;
    while let Some(delivery) = said.next().await {
        let mut delivery = delivery.map_err(unavailable)?;
        let raw = wire::read(&mut delivery);
        shared.events.clock.adjust(raw.headers.get("clock").and_then(Value::as_u64).unwrap_or(0));
        match typed::parse(&raw.body) {
            Ok(Value::Object(request)) if is_meant(&shared.config.name, &request) => {
                let is_last = request.get("method").is_some_and(|method| method == commands::SHUTDOWN);
                let answered = obey(shared, &channel, request).await;
                if is_last {
                    shared.stop.cancel();
                }
                answered?;
            }
            Ok(Value::Object(_)) => {}
            _ => tracing::warn!("remote control said something that cannot be read"),
        }
    }
    Err(Error::Unavailable("the consumer was cancelled".to_owned()))
}

/// Whether this worker is among those that are addressed.
fn is_meant(node: &str, request: &Map<String, Value>) -> bool {
    let given = |name: &str| request.get(name).filter(|value| !value.is_null());
    if let Some(nodes) = given("destination").and_then(Value::as_array).filter(|nodes| !nodes.is_empty()) {
        return nodes.iter().any(|name| name == node);
    }
    match (given("pattern").and_then(Value::as_str), given("matcher").and_then(Value::as_str)) {
        (Some(pattern), Some("glob")) => fits(pattern.as_bytes(), node.as_bytes()),
        // Regular expressions of Python's are not understood; who uses one does not mean everybody.
        (Some(_), Some(_)) => false,
        _ => true,
    }
}

/// Whether a name fits a pattern with `*` and `?`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => fits(rest, name) || (!name.is_empty() && fits(pattern, &name[1..])),
        ([b'?', rest @ ..], [_, others @ ..]) => fits(rest, others),
        ([one, rest @ ..], [other, others @ ..]) if one == other => fits(rest, others),
        _ => false,
    }
}

async fn obey(shared: &Arc<Shared>, channel: &Channel, request: Map<String, Value>) -> Result<(), Error> {
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let arguments = request.get("arguments").cloned().unwrap_or(Value::Null);
    tracing::debug!(method, "remote control");
    let answer = match commands::obey(shared, method, &arguments).await {
        Ok(answer) => answer,
        Err(refusal) => {
            tracing::warn!(method, refusal, "remote control is refused");
            json!({ "error": refusal })
        }
    };
    let Some(reply_to) = request.get("reply_to").filter(|reply_to| reply_to.is_object()) else { return Ok(()) };
    let to = |name: &str| reply_to.get(name).and_then(Value::as_str).unwrap_or_default();
    let headers: Map<String, Value> = [
        ("ticket".to_owned(), request.get("ticket").cloned().unwrap_or(Value::Null)),
        ("clock".to_owned(), shared.events.clock.forward().into()),
    ]
    .into_iter()
    .collect();
    let answer = wire::json(&json!({ &shared.config.name: answer }), headers);
    let Outgoing { exchange, routing_key, properties, body } =
        Outgoing::transient(to("exchange"), to("routing_key"), &answer)?;
    let options = ExchangeDeclareOptions::default();
    let declaring = channel.exchange_declare(exchange.clone(), ExchangeKind::Direct, options, FieldTable::default());
    declaring.await.map_err(unavailable)?;
    let none = BasicPublishOptions::default();
    channel.basic_publish(exchange, routing_key, none, &body, properties).await.map_err(unavailable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_worker_hears_what_is_said_to_it_or_to_all() {
        let heard = |text: &str| is_meant("rust@a", &request(text));
        assert!(heard(r#"{"destination": null}"#) && heard(r#"{"destination": ["x", "rust@a"]}"#));
        assert!(!heard(r#"{"destination": ["x"]}"#));
        assert!(heard(r#"{"pattern": "rust@*", "matcher": "glob"}"#));
        assert!(!heard(r#"{"pattern": "p*", "matcher": "glob"}"#) && !heard(r#"{"pattern": ".*", "matcher": "pcre"}"#));
        assert!(fits(b"*@?", b"rust@a") && !fits(b"*@?", b"rust@ab"));
    }
}
