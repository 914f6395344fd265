//! A connection to RabbitMQ that comes back, and publishing over it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind};
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
use crate::wire::{Outgoing, short};

/// Seconds between heartbeats when the address sets none: a silent connection is given up after twice that.
const HEARTBEAT: u16 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a confirm may take, and how long to try over new connections when one is lost.
const PATIENCE: Duration = Duration::from_secs(30);
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// As many calls publish at a time without opening a channel.
const IDLE_CHANNELS: usize = 16;
/// AMQP's code for what does not exist.
const NOT_FOUND: u16 = 404;

/// A connection that is made anew when it was lost. Clones share it.
#[derive(Clone)]
pub(crate) struct Amqp {
    shared: Arc<Shared>,
}

struct Shared {
    uri: AMQPUri,
    name: String,
    current: tokio::sync::Mutex<Option<Arc<Connection>>>,
    /// Channels in confirm mode that nobody uses. A call has a channel to itself: that is how it knows that the message
    /// which came back is its own.
    idle: Mutex<Vec<Channel>>,
}

impl Amqp {
    /// Connects.
    pub(crate) async fn connect(url: &str, name: &str) -> Result<Self, Error> {
        let mut uri: AMQPUri = url.parse().map_err(|_holds_the_url: String| Error::Url("RabbitMQ"))?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let shared =
            Shared { uri, name: name.to_owned(), current: tokio::sync::Mutex::default(), idle: Mutex::default() };
        let amqp = Self { shared: Arc::new(shared) };
        amqp.connection().await?;
        Ok(amqp)
    }

    /// The connection, made anew if it is gone.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut current = self.shared.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| connection.status().connected()) {
            return Ok(Arc::clone(connection));
        }
        let properties = ConnectionProperties::default().with_connection_name(self.shared.name.as_str().into());
        let opened = timeout(CONNECT_TIMEOUT, Connection::connect_uri(self.shared.uri.clone(), properties)).await;
        let connection = match opened {
            Ok(opened) => Arc::new(opened.map_err(unavailable)?),
            Err(_elapsed) => return Err(Error::Unavailable(format!("no answer within {CONNECT_TIMEOUT:?}"))),
        };
        self.idle().clear();
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// A channel without confirms.
    pub(crate) async fn channel(&self) -> Result<Channel, Error> {
        self.connection().await?.create_channel().await.map_err(unavailable)
    }

    async fn confirming(&self) -> Result<Channel, Error> {
        while let Some(channel) = { self.idle().pop() } {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(unavailable)?;
        Ok(channel)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a message that some queue has to take, and waits until RabbitMQ has it. Tries again over a new
    /// connection when one is lost, so a message may arrive twice, but not never.
    pub(crate) async fn publish(&self, outgoing: &Outgoing) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.publish_once(outgoing).await {
                Err(Error::Unavailable(reason)) if Instant::now() + RETRY_PAUSE < deadline => {
                    tracing::debug!(reason, "a message could not be published and is published again");
                    sleep(RETRY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn publish_once(&self, outgoing: &Outgoing) -> Result<(), Error> {
        let channel = self.confirming().await?;
        let Outgoing { exchange, routing_key, properties, body } = outgoing;
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirming = async {
            let sent = channel
                .basic_publish(exchange.clone(), routing_key.clone(), mandatory, body, properties.clone())
                .await?;
            sent.await
        };
        let confirmed = timeout(PATIENCE, confirming).await.map_err(|_elapsed| Error::Unconfirmed(PATIENCE))?;
        match confirmed.map_err(unavailable)? {
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                return Err(Error::Unroutable(routing_key.to_string()));
            }
            Confirmation::Nack(None) => return Err(Error::Unavailable("a message was refused".to_owned())),
            Confirmation::Ack(None) | Confirmation::NotRequested => {}
        }
        let mut idle = self.idle();
        if idle.len() < IDLE_CHANNELS {
            idle.push(channel);
        }
        Ok(())
    }

    /// Whether a queue exists.
    pub(crate) async fn has_queue(&self, queue: &str) -> Result<bool, Error> {
        // A refusal closes the channel, so it is one of its own.
        let channel = self.channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = match channel.queue_declare(short(queue)?, options, FieldTable::default()).await {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error, NOT_FOUND) => return Ok(false),
            Err(error) => Err(unavailable(error)),
        };
        close(&channel).await;
        found
    }

    /// Declares a queue unless there is one of that name, whatever its properties: those of the other side's count.
    pub(crate) async fn ensure_queue(&self, queue: &str, arguments: FieldTable) -> Result<(), Error> {
        if self.has_queue(queue).await? {
            return Ok(());
        }
        let channel = self.channel().await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(short(queue)?, durable, arguments).await;
        close(&channel).await;
        declared.map(drop).map_err(unavailable)
    }

    /// Declares an exchange and binds a queue to it.
    pub(crate) async fn bind(&self, queue: &str, exchange: &str, kind: &str, routing_key: &str) -> Result<(), Error> {
        let kind = match kind {
            "topic" => ExchangeKind::Topic,
            "fanout" => ExchangeKind::Fanout,
            "headers" => ExchangeKind::Headers,
            _ => ExchangeKind::Direct,
        };
        let channel = self.channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let bound = async {
            channel
                .exchange_declare(short(exchange)?, kind, durable, FieldTable::default())
                .await
                .map_err(unavailable)?;
            let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(routing_key)?);
            let binding = channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default());
            binding.await.map_err(unavailable)
        };
        let bound = bound.await;
        close(&channel).await;
        bound
    }

    /// Hangs up.
    pub(crate) async fn close(&self) {
        let Some(connection) = self.shared.current.lock().await.take() else { return };
        let closing = connection.close(200, "closing".into());
        if !matches!(timeout(CONNECT_TIMEOUT, closing).await, Ok(Ok(()))) {
            tracing::debug!("RabbitMQ did not say good-bye");
        }
    }
}

/// Closes a channel that is not needed any more. One that is closed already is no error.
pub(crate) async fn close(channel: &Channel) {
    if let Err(error) = channel.close(200, "done".into()).await {
        tracing::trace!(%error, "a channel was closed already");
    }
}

pub(crate) fn is_refusal(error: &lapin::Error, code: u16) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(refusal) if refusal.get_id() == code)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a function of an error is wanted")]
pub(crate) fn unavailable(error: lapin::Error) -> Error {
    Error::Unavailable(error.to_string())
}
