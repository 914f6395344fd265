//! One connection, and publishing over it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, PublisherConfirm};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::queues::{NOT_FOUND, Queue};
use super::wire::Outgoing;
use super::{Config, SetupError};
use crate::Error;

/// Seconds between heartbeats when the address sets none: a silent connection is given up after twice that.
const HEARTBEAT: u16 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As many calls publish at a time without opening a channel.
const IDLE_CHANNELS: usize = 32;

/// A connection. It does not come back once it is lost; the supervisor makes another.
pub(super) struct Link {
    connection: Connection,
    /// Channels in confirm mode that nobody uses. A call has a channel to itself: that is how it knows whose messages
    /// came back as unroutable, and a call that is given up takes its channel with it.
    idle: Mutex<Vec<Channel>>,
    /// Cancelled when the supervisor gave this link up.
    pub(super) lost: CancellationToken,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// How many at its front RabbitMQ has answered for.
    pub(super) confirmed: usize,
    /// Those that came back, because the consumer they prefer has no queue.
    pub(super) returned: Vec<usize>,
}

impl Link {
    pub(super) async fn open(config: &Config) -> Result<Self, SetupError> {
        let mut uri: AMQPUri = config.url.parse().map_err(|_holds_the_url: String| SetupError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let address = format!("{}:{}", uri.authority.host, uri.authority.port);
        let unreachable = |reason: String| SetupError::Unreachable { address, reason };
        let properties = ConnectionProperties::default().with_connection_name("flotilla".into());
        match timeout(CONNECT_TIMEOUT, Connection::connect_uri(uri, properties)).await {
            Ok(Ok(connection)) => Ok(Self { connection, idle: Mutex::default(), lost: CancellationToken::new() }),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_elapsed) => Err(unreachable(format!("no answer within {CONNECT_TIMEOUT:?}"))),
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.lost.is_cancelled() && self.connection.status().connected()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// A channel in confirm mode.
    pub(super) async fn channel(&self) -> Result<Channel, lapin::Error> {
        while let Some(channel) = self.take_idle() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    fn take_idle(&self) -> Option<Channel> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Lets the next call use a channel on which nothing is under way.
    pub(super) fn give_back(&self, channel: Channel) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CHANNELS {
            idle.push(channel);
        }
    }

    /// How full a queue is and how many consumers it has.
    pub(super) async fn look_at(&self, queue: &Queue) -> Result<lapin::Queue, Error> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await.map_err(|error| unavailable(&error))?;
        let found = channel.queue_declare(queue.address.clone(), options, FieldTable::default()).await;
        let found = found.map_err(|error| unknown_or_unavailable(&error, queue))?;
        self.give_back(channel);
        Ok(found)
    }

    /// Publishes a batch with a window of unconfirmed messages. `sent` says what became of them, whatever the result.
    pub(super) async fn publish(&self, batch: &[Outgoing], config: &Config, sent: &mut Sent) -> Result<(), Error> {
        let patience = config.confirm_timeout;
        let channel = self.channel().await.map_err(|error| unavailable(&error))?;
        let mut window = VecDeque::with_capacity(config.confirm_window.min(batch.len()));
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        for outgoing in batch {
            if window.len() >= config.confirm_window.max(1) {
                self.confirm(batch, &mut window, patience, sent).await?;
            }
            let Outgoing { properties, body, .. } = outgoing;
            let address = outgoing.address().clone();
            let sending = channel.basic_publish("".into(), address, mandatory, body, properties.clone());
            let publishing = timeout(patience, sending).await.map_err(|_elapsed| self.unconfirmed(patience))?;
            window.push_back((outgoing, publishing.map_err(|error| unavailable(&error))?));
        }
        while !window.is_empty() {
            self.confirm(batch, &mut window, patience, sent).await?;
        }
        self.give_back(channel);
        Ok(())
    }

    async fn confirm(
        &self,
        batch: &[Outgoing],
        window: &mut VecDeque<(&Outgoing, PublisherConfirm)>,
        patience: Duration,
        sent: &mut Sent,
    ) -> Result<(), Error> {
        let Some((outgoing, confirm)) = window.pop_front() else { return Ok(()) };
        let confirmation = timeout(patience, confirm).await.map_err(|_elapsed| self.unconfirmed(patience))?;
        let (taken, returned) = match confirmation.map_err(|error| unavailable(&error))? {
            Confirmation::Ack(returned) => (true, returned),
            Confirmation::Nack(returned) => (false, returned),
            Confirmation::NotRequested => (true, None),
        };
        if let Some(returned) = returned {
            // Which of the batch came back has to be looked up: the confirm it comes with may be of another.
            let address = &returned.delivery.routing_key;
            let id = returned.delivery.properties.message_id();
            let is_it = |(index, one): &(usize, &Outgoing)| {
                one.address() == address && one.properties.message_id() == id && !sent.returned.contains(index)
            };
            match batch.iter().enumerate().find(is_it) {
                Some((index, one)) if one.preferred.is_some() => sent.returned.push(index),
                Some((_, one)) => return Err(Error::UnknownQueue(one.queue.name.clone())),
                None => return Err(Error::UnknownQueue(outgoing.queue.name.clone())),
            }
        } else if !taken {
            let queue = outgoing.address();
            return Err(Error::Unavailable(format!(
                "RabbitMQ could not store a message in queue {:?}",
                queue.as_str()
            )));
        }
        sent.confirmed += 1;
        Ok(())
    }

    fn unconfirmed(&self, patience: Duration) -> Error {
        if self.is_blocked() { blocked() } else { Error::Unconfirmed(patience) }
    }

    /// Hangs up. What is under way on other channels fails.
    pub(super) async fn close(&self) {
        self.lost.cancel();
        let closing = self.connection.close(200, "closing".into());
        if !matches!(timeout(CONNECT_TIMEOUT, closing).await, Ok(Ok(()))) {
            tracing::debug!("RabbitMQ did not say good-bye");
        }
    }
}

/// What publishers hear while RabbitMQ takes no messages.
pub(super) fn blocked() -> Error {
    Error::Unavailable("RabbitMQ takes no messages for now: it is low on memory or disk".to_owned())
}

pub(super) fn unavailable(error: &lapin::Error) -> Error {
    Error::Unavailable(error.to_string())
}

pub(super) fn unknown_or_unavailable(error: &lapin::Error, queue: &Queue) -> Error {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) if refusal.get_id() == NOT_FOUND => Error::UnknownQueue(queue.name.clone()),
        _ => unavailable(error),
    }
}
