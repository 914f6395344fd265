//! Tasks for later wait in RabbitMQ, not in the memory of a worker.
//!
//! The topology is the one that Celery uses for quorum queues: twenty-eight queues, each of which holds a message for a power
//! of two of seconds, so that every delay up to eight years is a sum of them. A queue per delay would be simpler, but
//! delays are arbitrary, and the queues would pile up. One queue with a time to live per message would not do: RabbitMQ
//! looks only at the message at its head, so a long delay would hold up the short ones behind it.
//!
//! As names and arguments are Celery's, Python workers and ours share the queues, and Python clients that send to
//! `celery_delayed_27` reach us.

use std::time::Duration;

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::Error;
use crate::amqp::{Amqp, close, is_refusal, unavailable};
use crate::wire::{arguments, short, text};

const LEVELS: u32 = 28;
/// AMQP's code for what exists with other properties.
const PRECONDITION_FAILED: u16 = 406;

/// The queues in which tasks wait for their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delays {
    /// Stands before their names, followed by `_`; Celery's own setting has the same effect.
    pub prefix: Option<String>,
    /// Whether they are quorum queues, as with Celery unless it is told otherwise. Both sides have to agree.
    pub quorum: bool,
}

impl Default for Delays {
    fn default() -> Self {
        Self { prefix: None, quorum: true }
    }
}

impl Delays {
    fn named(&self, name: &str) -> String {
        match self.prefix.as_deref() {
            None | Some("") => name.to_owned(),
            Some(prefix) => format!("{prefix}_{name}"),
        }
    }

    fn level(&self, level: u32) -> String {
        self.named(&format!("celery_delayed_{level}"))
    }

    fn delivery(&self) -> String {
        self.named("celery_delayed_delivery")
    }

    /// The exchange and the key by which a message reaches `queue` after whole seconds. It enters at the highest level it
    /// needs; those above would only pass it on.
    pub(crate) fn route(&self, delay: Duration, queue: &str) -> (String, String) {
        let seconds = delay.as_secs().clamp(1, (1 << LEVELS) - 1);
        let bits = (0..LEVELS).rev().map(|bit| if seconds >> bit & 1 == 1 { "1." } else { "0." });
        let key = bits.chain([queue]).collect();
        (self.level(seconds.ilog2()), key)
    }

    /// Declares the queues, or finds that they are there.
    pub(crate) async fn declare(&self, amqp: &Amqp) -> Result<(), Error> {
        let channel = amqp.channel().await?;
        let declared = self.declare_over(&channel).await.map_err(|error| match error {
            Refusal::Name(error) => error,
            Refusal::Amqp(error) if is_refusal(&error, PRECONDITION_FAILED) => Error::Setup(format!(
                "the queues for delayed tasks exist with other properties ({error}); use another prefix, or the kind of \
                 queue that is there"
            )),
            Refusal::Amqp(error) => unavailable(error),
        });
        close(&channel).await;
        declared
    }

    async fn declare_over(&self, channel: &Channel) -> Result<(), Refusal> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchanges = (0..LEVELS).map(|level| self.level(level)).chain([self.delivery()]);
        for exchange in exchanges {
            channel.exchange_declare(short(&exchange)?, ExchangeKind::Topic, durable, FieldTable::default()).await?;
        }
        for level in 0..LEVELS {
            let name = self.level(level);
            let next = level.checked_sub(1).map_or_else(|| self.delivery(), |next| self.level(next));
            let stars = "*.".repeat((LEVELS - 1 - level) as usize);
            let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(short(&name)?, queue, self.arguments(level, &next)).await?;
            let (waits, passes) = (short(&format!("{stars}1.#"))?, short(&format!("{stars}0.#"))?);
            let none = FieldTable::default;
            channel.queue_bind(short(&name)?, short(&name)?, waits, QueueBindOptions::default(), none()).await?;
            channel.exchange_bind(short(&next)?, short(&name)?, passes, ExchangeBindOptions::default(), none()).await?;
        }
        Ok(())
    }

    fn arguments(&self, level: u32, next: &str) -> FieldTable {
        let mut table = arguments([
            ("x-queue-type", text(if self.quorum { "quorum" } else { "classic" })),
            ("x-overflow", text("reject-publish")),
            ("x-message-ttl", AMQPValue::LongLongInt((1_i64 << level) * 1000)),
            ("x-dead-letter-exchange", text(next)),
        ]);
        if self.quorum {
            table.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        }
        table
    }

    /// Lets what waited for a queue into it.
    pub(crate) async fn bind(&self, amqp: &Amqp, queue: &str) -> Result<(), Error> {
        amqp.bind(queue, &self.delivery(), "topic", &format!("#.{queue}")).await
    }
}

enum Refusal {
    Name(Error),
    Amqp(lapin::Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Name(error)
    }
}

impl From<lapin::Error> for Refusal {
    fn from(error: lapin::Error) -> Self {
        Self::Amqp(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_enters_at_its_highest_bit_and_names_all_of_them() {
        let (exchange, key) = Delays::default().route(Duration::from_secs(5), "documents");
        assert_eq!(exchange, "celery_delayed_2");
        assert_eq!(key, format!("{}1.0.1.documents", "0.".repeat(25)));
    }

    #[test]
    fn what_is_too_long_waits_as_long_as_possible() {
        let prefixed = Delays { prefix: Some("x".into()), quorum: true };
        let (exchange, key) = prefixed.route(Duration::from_secs(u64::MAX), "q");
        assert_eq!((exchange.as_str(), key), ("x_celery_delayed_27", format!("{}q", "1.".repeat(28))));
    }
}
