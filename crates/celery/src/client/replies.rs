//! A queue of results.

use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Consumer};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::amqp::{Amqp, unavailable};
use crate::wire::short;
use crate::{Error, TaskResult};

const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Results as they come, however often the connection is lost. A result that is not acknowledged comes again.
pub struct Replies {
    amqp: Amqp,
    queue: String,
    prefetch: u16,
    open: Option<(Channel, Consumer)>,
    closed: CancellationToken,
}

/// A result that came.
#[derive(Debug)]
pub struct Reply {
    /// What it says.
    pub result: TaskResult,
    acker: Acker,
    _channel: Channel,
}

impl Reply {
    /// Done with. A result that could not be acknowledged comes again.
    pub async fn ack(&self) {
        if let Err(error) = self.acker.ack(BasicAckOptions::default()).await {
            tracing::debug!(%error, "a result could not be acknowledged and comes again");
        }
    }
}

impl Replies {
    pub(super) fn new(amqp: Amqp, queue: &str, prefetch: u16, closed: CancellationToken) -> Self {
        Self { amqp, queue: queue.to_owned(), prefetch, open: None, closed }
    }

    /// The next result; nothing once the client is closed. What is no result is logged and rejected.
    pub async fn next(&mut self) -> Option<Reply> {
        loop {
            let closed = self.closed.clone();
            let reply = tokio::select! {
                reply = self.try_next() => reply,
                () = closed.cancelled() => return None,
            };
            match reply {
                Ok(Some(reply)) => return Some(reply),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, queue = self.queue, "results cannot be read for now");
                    self.open = None;
                    tokio::select! {
                        () = sleep(RETRY_PAUSE) => {}
                        () = closed.cancelled() => return None,
                    }
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Reply>, Error> {
        let (channel, consumer) = match &mut self.open {
            Some(open) => open,
            open => {
                let channel = self.amqp.channel().await?;
                channel.basic_qos(self.prefetch, BasicQosOptions::default()).await.map_err(unavailable)?;
                let tag = uuid::Uuid::new_v4().to_string();
                let (queue, options) = (short(&self.queue)?, BasicConsumeOptions::default());
                let consuming = channel.basic_consume(queue, short(&tag)?, options, FieldTable::default());
                let consumer = consuming.await.map_err(unavailable)?;
                open.insert((channel, consumer))
            }
        };
        let delivery = match consumer.next().await {
            Some(delivery) => delivery.map_err(unavailable)?,
            None => return Err(Error::Unavailable("the consumer was cancelled".to_owned())),
        };
        match TaskResult::decode(&delivery.data) {
            Ok(result) => Ok(Some(Reply { result, acker: delivery.acker, _channel: channel.clone() })),
            Err(error) => {
                tracing::error!(%error, queue = self.queue, "what is no result is rejected");
                let reject = BasicNackOptions { requeue: false, multiple: false };
                delivery.acker.nack(reject).await.map_err(unavailable)?;
                Ok(None)
            }
        }
    }
}
