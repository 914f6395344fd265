//! Remote control of workers, Celery's and ours: asking them what they do, and telling them what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use lapin::options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer, ExchangeKind};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::amqp::{Amqp, close, unavailable};
use crate::wire::{self, Outgoing, arguments, short};
use crate::{Error, typed};

/// What workers answered, by their names.
pub type Answers = BTreeMap<String, Value>;

/// Remote control of workers. How many of them there are is not known, so whoever asks waits for as long as it has
/// patience, or for as many as it named.
#[derive(Clone)]
pub struct Control {
    amqp: Amqp,
    exchange: String,
}

/// The exchange that all workers hear, and the one for answers.
pub(crate) fn exchanges(control_exchange: &str) -> (String, String) {
    (format!("{control_exchange}.pidbox"), format!("reply.{control_exchange}.pidbox"))
}

impl Control {
    pub(crate) fn new(amqp: Amqp, control_exchange: &str) -> Self {
        Self { amqp, exchange: control_exchange.to_owned() }
    }

    /// Takes tasks back. Workers that start later do not know of it, so whoever needs to be sure drops the result too. With
    /// `terminate` those that run are stopped, which Celery's workers do with prefork pools alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn revoke(&self, ids: &[&str], terminate: bool) -> Result<(), Error> {
        let arguments = json!({ "task_id": ids, "terminate": terminate, "signal": "SIGTERM" });
        self.tell("revoke", arguments, &[]).await
    }

    /// Who is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self, patience: Duration) -> Result<Vec<String>, Error> {
        Ok(self.ask("ping", json!({}), &[], patience).await?.into_keys().collect())
    }

    /// What workers say of themselves: `active`, `reserved`, `scheduled`, `registered`, `revoked`, `stats`,
    /// `active_queues`, `conf`, `report`, `clock`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn inspect(&self, what: &str, nodes: &[&str], patience: Duration) -> Result<Answers, Error> {
        self.ask(what, json!({}), nodes, patience).await
    }

    /// What workers know of tasks that are with them.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn query_task(&self, ids: &[&str], patience: Duration) -> Result<Answers, Error> {
        self.ask("query_task", json!({ "ids": ids }), &[], patience).await
    }

    /// Ends workers once they are done with what they run.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn shutdown(&self, nodes: &[&str]) -> Result<(), Error> {
        self.tell("shutdown", json!({}), nodes).await
    }

    /// Tells nodes, or all of them, something.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn tell(&self, method: &str, arguments: Value, nodes: &[&str]) -> Result<(), Error> {
        let channel = self.amqp.channel().await?;
        self.declare(&channel).await?;
        close(&channel).await;
        self.publish(method, arguments, nodes, None, 0.0).await
    }

    /// Asks nodes, or all of them, something, and collects what they answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. That nobody answered is none.
    pub async fn ask(
        &self,
        method: &str,
        arguments: Value,
        nodes: &[&str],
        patience: Duration,
    ) -> Result<Answers, Error> {
        let deadline = Instant::now() + patience;
        let channel = self.amqp.channel().await?;
        let asked = async {
            self.declare(&channel).await?;
            let (key, mut answers) = self.listen(&channel).await?;
            let expires = Timestamp::now().as_millisecond() as f64 / 1000.0 + patience.as_secs_f64();
            let reply_to = json!({ "exchange": exchanges(&self.exchange).1, "routing_key": key });
            self.publish(method, arguments, nodes, Some(reply_to), expires).await?;
            let mut collected = Answers::new();
            while nodes.is_empty() || collected.len() < nodes.len() {
                let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await else { break };
                let answer = answer.map_err(unavailable)?;
                match typed::parse(&answer.data) {
                    Ok(Value::Object(nodes)) => collected.extend(nodes),
                    _ => tracing::warn!(method, "a worker gave an answer that cannot be read"),
                }
            }
            Ok(collected)
        };
        let asked = asked.await;
        close(&channel).await;
        asked
    }

    async fn declare(&self, channel: &Channel) -> Result<(), Error> {
        let (all, replies) = exchanges(&self.exchange);
        for (exchange, kind) in [(all, ExchangeKind::Fanout), (replies, ExchangeKind::Direct)] {
            let options = ExchangeDeclareOptions::default();
            channel
                .exchange_declare(short(&exchange)?, kind, options, FieldTable::default())
                .await
                .map_err(unavailable)?;
        }
        Ok(())
    }

    /// Listens for answers under a key of its own.
    async fn listen(&self, channel: &Channel) -> Result<(String, Consumer), Error> {
        let (key, exchange) = (uuid::Uuid::new_v4().to_string(), exchanges(&self.exchange).1);
        let queue = short(&format!("{key}.{exchange}"))?;
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        let expires = arguments([("x-expires", AMQPValue::LongInt(10_000))]);
        channel.queue_declare(queue.clone(), options, expires).await.map_err(unavailable)?;
        let (exchange, none) = (short(&exchange)?, FieldTable::default);
        let binding = channel.queue_bind(queue.clone(), exchange, short(&key)?, QueueBindOptions::default(), none());
        binding.await.map_err(unavailable)?;
        let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(queue, short(&key)?, consume, none()).await.map_err(unavailable)?;
        Ok((key, consumer))
    }

    async fn publish(
        &self,
        method: &str,
        arguments: Value,
        nodes: &[&str],
        reply_to: Option<Value>,
        expires: f64,
    ) -> Result<(), Error> {
        let mut body = json!({
            "method": method,
            "arguments": arguments,
            "destination": if nodes.is_empty() { Value::Null } else { json!(nodes) },
            "pattern": null,
            "matcher": null,
        });
        if let Some(reply_to) = reply_to {
            body["reply_to"] = reply_to;
            body["ticket"] = uuid::Uuid::new_v4().to_string().into();
        }
        let headers: Map<String, Value> =
            [("clock".to_owned(), json!(0)), ("expires".to_owned(), json!(expires))].into_iter().collect();
        let outgoing = Outgoing::transient(&exchanges(&self.exchange).0, "", &wire::json(&body, headers))?;
        match self.amqp.publish(&outgoing).await {
            // There is no worker that could hear it.
            Err(Error::Unroutable(_)) => Ok(()),
            sent => sent,
        }
    }
}
