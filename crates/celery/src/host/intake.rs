//! Consuming queues: those that were configured, and those that remote control adds and takes away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::{QueueConfig, runner};
use crate::Error;
use crate::amqp::unavailable;
use crate::wire::short;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long what RabbitMQ has sent already may take to arrive after a consumer was cancelled.
const LEFTOVERS: Duration = Duration::from_millis(200);

/// What is consumed.
pub(crate) struct Intake {
    consumed: Mutex<BTreeMap<String, (QueueConfig, CancellationToken)>>,
    /// How many unacknowledged messages each queue may have here.
    prefetch: watch::Sender<u16>,
}

impl Intake {
    pub(crate) fn new(prefetch: u16) -> Self {
        Self { consumed: Mutex::default(), prefetch: watch::Sender::new(prefetch.max(1)) }
    }

    pub(crate) fn prefetch(&self) -> u16 {
        *self.prefetch.borrow()
    }

    pub(crate) fn set_prefetch(&self, prefetch: u16) {
        self.prefetch.send_if_modified(|old| std::mem::replace(old, prefetch.max(1)) != prefetch.max(1));
    }

    pub(crate) fn queues(&self) -> Vec<QueueConfig> {
        let consumed = self.consumed.lock().unwrap_or_else(PoisonError::into_inner);
        consumed.values().map(|(queue, _)| queue.clone()).collect()
    }

    /// No longer consumes a queue. What of it is here already is done.
    pub(crate) fn cancel(&self, queue: &str) {
        let removed = self.consumed.lock().unwrap_or_else(PoisonError::into_inner).remove(queue);
        if let Some((_, cancelled)) = removed {
            cancelled.cancel();
        }
    }
}

/// Starts to consume a queue; one that is consumed already stays as it is.
///
/// # Errors
/// When the queue cannot be had to begin with. What goes wrong later is tried again.
pub(crate) async fn add(shared: &Arc<Shared>, queue: QueueConfig) -> Result<(), Error> {
    let cancelled = shared.stop.child_token();
    {
        let mut consumed = shared.intake.consumed.lock().unwrap_or_else(PoisonError::into_inner);
        if consumed.contains_key(&queue.name) {
            return Ok(());
        }
        consumed.insert(queue.name.clone(), (queue.clone(), cancelled.clone()));
    }
    if let Err(error) = set_up(shared, &queue).await {
        shared.intake.cancel(&queue.name);
        return Err(error);
    }
    tracing::info!(queue = queue.name, "consuming");
    let consuming = keep_consuming(Arc::clone(shared), queue, cancelled);
    shared.consumers.spawn(consuming);
    Ok(())
}

async fn set_up(shared: &Shared, queue: &QueueConfig) -> Result<(), Error> {
    let amqp = &shared.sender.amqp;
    if shared.config.declare {
        amqp.ensure_queue(&queue.name, queue.arguments()).await?;
        shared.config.delays.bind(amqp, &queue.name).await?;
    } else if !amqp.has_queue(&queue.name).await? {
        return Err(Error::Unroutable(queue.name.clone()));
    }
    shared.sender.trust(&queue.name).await;
    Ok(())
}

/// Consumes until cancelled, however often the connection is lost.
async fn keep_consuming(shared: Arc<Shared>, queue: QueueConfig, cancelled: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    while !cancelled.is_cancelled() {
        match consume(&shared, &queue, &cancelled).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                tracing::warn!(%error, queue = queue.name, ?pause, "a queue cannot be consumed for now");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = cancelled.cancelled() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                if let Err(error) = set_up(&shared, &queue).await {
                    tracing::debug!(%error, queue = queue.name, "a queue cannot be set up for now");
                }
            }
        }
    }
}

/// Consumes until cancelled, or until there is another prefetch.
async fn consume(shared: &Arc<Shared>, queue: &QueueConfig, cancelled: &CancellationToken) -> Result<(), Error> {
    let mut prefetch = shared.intake.prefetch.subscribe();
    let channel = shared.sender.amqp.channel().await?;
    let count = *prefetch.borrow_and_update();
    channel.basic_qos(count, BasicQosOptions::default()).await.map_err(unavailable)?;
    let tag = uuid::Uuid::new_v4().to_string();
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(short(&queue.name)?, short(&tag)?, options, FieldTable::default());
    let mut consumer = consuming.await.map_err(unavailable)?;
    let name: Arc<str> = queue.name.as_str().into();
    loop {
        tokio::select! {
            delivery = consumer.next() => match delivery {
                Some(Ok(delivery)) => runner::receive(shared, delivery, &channel, &name),
                Some(Err(error)) => return Err(unavailable(error)),
                None => return Err(Error::Unavailable("the consumer was cancelled".to_owned())),
            },
            _ = prefetch.changed() => break,
            () = cancelled.cancelled() => break,
        }
    }
    wind_down(shared, &channel, consumer, &name).await
}

/// Takes in what RabbitMQ had sent already: done if the worker goes on, handed back if it ends.
async fn wind_down(
    shared: &Arc<Shared>,
    channel: &Channel,
    mut consumer: Consumer,
    name: &Arc<str>,
) -> Result<(), Error> {
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.map_err(unavailable)?;
    while let Ok(Some(Ok(delivery))) = timeout(LEFTOVERS, consumer.next()).await {
        runner::receive(shared, delivery, channel, name);
    }
    Ok(())
}
