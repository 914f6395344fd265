//! A visit to the dead letters: they are taken one after the other, and what was not taken away goes back.
//!
//! AMQP cannot look at a message without taking it, so two visits at the same time would hide letters from each other.
//! A queue that belongs to one connection keeps them apart: whoever has it is alone, and with its connection it goes.
//!
//! A quorum queue puts what comes back behind whatever else has come back before. So every visit takes all letters, even
//! if only some are wanted: that alone keeps their order.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ErrorKind};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Shared;
use super::link::{Link, unavailable, unknown_or_unavailable};
use super::queues::Queue;
use super::wire::Incoming;
use crate::{Buried, Error};

/// Somebody else's connection has the queue.
const RESOURCE_LOCKED: u16 = 405;
const ACCESS_REFUSED: u16 = 403;
/// How many commands to a quorum queue may be under way: its channel holds back more, and forgets them at its end.
const UNDER_WAY: usize = 16;
/// How many messages go back together: a quorum queue keeps the order of 32, and of more it does not.
const IN_ORDER: usize = 32;
/// Between two attempts to be alone.
const PAUSE: Duration = Duration::from_millis(20);

/// The right to look through the dead letters.
struct Alone<'a> {
    shared: &'a Shared,
    link: Arc<Link>,
    /// Where the queue that keeps others away was declared; `None` where that is not allowed.
    gate: Option<Gate>,
    _in_this_process: MutexGuard<'a, ()>,
}

struct Gate {
    channel: Channel,
    queue: ShortString,
}

/// One walk along all dead letters.
pub(super) struct Visit<'a> {
    alone: Alone<'a>,
    letters: Letters,
}

/// Every letter, in the hands of one channel.
struct Letters {
    channel: Channel,
    /// The first, until it is seen.
    first: Option<lapin::message::Delivery>,
    /// Its tag, until it is taken away.
    first_tag: Option<u64>,
    /// Brings the others.
    others: Option<lapin::Consumer>,
    /// How many of them are still to come.
    remaining: usize,
    /// The tags of those that came and were not taken away, in their order.
    kept: Vec<u64>,
}

impl<'a> Visit<'a> {
    /// How many dead letters are seen at most.
    const MOST: u16 = u16::MAX;

    /// Waits until nobody else visits, and begins.
    pub(super) async fn begin(shared: &'a Shared) -> Result<Self, Error> {
        let deadline = shared.deadline();
        let in_this_process = timeout_at(deadline, shared.graveyard.lock());
        let in_this_process = in_this_process.await.map_err(|_elapsed| busy())?;
        let link = shared.link(deadline).await?;
        let name = format!("{}.visitor", shared.queues.dead_letter.address.as_str());
        let gate = Gate::close(&link, name.into(), deadline).await?;
        let alone = Alone { shared, link, gate, _in_this_process: in_this_process };
        match Letters::take(&alone.link, &shared.queues.dead_letter).await {
            Ok(letters) => Ok(Self { alone, letters }),
            Err(error) => {
                alone.leave().await;
                Err(error)
            }
        }
    }

    /// The next dead letter with its tag; `None` after the last that was there when the visit began.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Buried)>, Error> {
        let shared = self.alone.shared;
        let Some(delivery) = self.letters.next(shared).await? else { return Ok(None) };
        let tag = delivery.delivery_tag;
        let incoming = Incoming::read(delivery, &shared.queues.dead_letter, &shared.queues);
        Ok(Some((tag, Buried::read(incoming.message))))
    }

    /// Takes letters away for good; returns how many.
    pub(super) async fn take_away(&mut self, tags: Vec<u64>) -> Result<u64, Error> {
        let queue = &self.alone.shared.queues.dead_letter;
        self.letters.take_away(&tags, queue).await.map_err(|error| unavailable(&error))?;
        Ok(tags.len() as u64)
    }

    /// Gives the rest back in its order, and lets others visit. If it fails, RabbitMQ does the same when the
    /// connection ends.
    pub(super) async fn end(self) {
        let Self { alone, letters } = self;
        match timeout(alone.shared.config.confirm_timeout, letters.give_back(&alone.shared.queues.dead_letter)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "RabbitMQ takes the dead letters back by itself"),
            Err(_elapsed) => tracing::debug!("RabbitMQ did not take the dead letters back in time"),
        }
        alone.leave().await;
    }
}

impl Letters {
    async fn take(link: &Link, queue: &Queue) -> Result<Self, Error> {
        let channel = link.connection().create_channel().await.map_err(|error| unavailable(&error))?;
        // Taking the first one is the only way to hear at once how many there are.
        let first = channel.basic_get(queue.address.clone(), BasicGetOptions::default()).await;
        let Some(first) = first.map_err(|error| unknown_or_unavailable(&error, queue))? else {
            return Ok(Self { channel, first: None, first_tag: None, others: None, remaining: 0, kept: Vec::new() });
        };
        let others = u16::try_from(first.message_count).unwrap_or(Visit::MOST).min(Visit::MOST - 1);
        let mut letters = Self {
            channel,
            first_tag: Some(first.delivery.delivery_tag),
            first: Some(first.delivery),
            others: None,
            remaining: others.into(),
            kept: Vec::new(),
        };
        if others > 0 {
            let Self { channel, .. } = &letters;
            // As many as there are: what comes meanwhile stays for the next visit.
            channel.basic_qos(others, BasicQosOptions::default()).await.map_err(|error| unavailable(&error))?;
            let options = BasicConsumeOptions::default();
            let stream = channel.basic_consume(queue.address.clone(), "".into(), options, FieldTable::default()).await;
            letters.others = Some(stream.map_err(|error| unknown_or_unavailable(&error, queue))?);
        }
        Ok(letters)
    }

    async fn next(&mut self, shared: &Shared) -> Result<Option<lapin::message::Delivery>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(others) = self.others.as_mut().filter(|_| self.remaining > 0) else { return Ok(None) };
        let delivery = match timeout(shared.config.confirm_timeout, others.next()).await {
            Ok(Some(Ok(delivery))) => delivery,
            Ok(Some(Err(error))) => return Err(unavailable(&error)),
            Ok(None) => return Err(shared.unavailable()),
            Err(_elapsed) => return Err(Error::Unavailable("a dead letter did not arrive in time".to_owned())),
        };
        self.remaining -= 1;
        self.kept.push(delivery.delivery_tag);
        Ok(Some(delivery))
    }

    async fn take_away(&mut self, tags: &[u64], queue: &Queue) -> Result<(), lapin::Error> {
        self.kept.retain(|tag| tags.binary_search(tag).is_err());
        for some in tags.chunks(UNDER_WAY) {
            for tag in some {
                self.channel.basic_ack(*tag, BasicAckOptions::default()).await?;
                self.first_tag = self.first_tag.filter(|first| first != tag);
            }
            // Answered after the acknowledgements are taken in. Whatever it brings goes back with the rest.
            self.channel.basic_get(queue.address.clone(), BasicGetOptions::default()).await?;
        }
        Ok(())
    }

    async fn give_back(self, queue: &Queue) -> Result<(), lapin::Error> {
        if let Some(others) = self.others {
            self.channel.basic_cancel(others.tag(), BasicCancelOptions::default()).await?;
        }
        // First things first: RabbitMQ gives them back by the way in which they were taken.
        if let Some(first) = self.first_tag {
            self.channel.basic_nack(first, BasicNackOptions { multiple: false, requeue: true }).await?;
        }
        let together = BasicNackOptions { multiple: true, requeue: true };
        for (number, some) in self.kept.chunks(IN_ORDER).enumerate() {
            let Some(last) = some.last() else { continue };
            self.channel.basic_nack(*last, together).await?;
            if number % UNDER_WAY == UNDER_WAY - 1 {
                // Gives the queue time to take it in.
                let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
                self.channel.queue_declare(queue.address.clone(), look, FieldTable::default()).await?;
            }
        }
        // Whatever has not been seen.
        self.channel.basic_nack(0, together).await?;
        self.channel.close(200, "done".into()).await
    }
}

impl Alone<'_> {
    async fn leave(self) {
        let Some(Gate { channel, queue }) = self.gate else { return };
        let opening = async {
            channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
            channel.close(200, "done".into()).await
        };
        match timeout(self.shared.config.confirm_timeout, opening).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the next visit to the dead letters waits for the connection"),
            Err(_elapsed) => tracing::debug!("RabbitMQ did not say that the visit is over"),
        }
    }
}

impl Gate {
    /// Declares the queue that only one connection can have. Who may declare nothing is kept apart from others of its
    /// own process only.
    async fn close(link: &Link, queue: ShortString, deadline: Instant) -> Result<Option<Self>, Error> {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("classic")));
        loop {
            let channel = link.connection().create_channel().await.map_err(|error| unavailable(&error))?;
            let Err(error) = channel.queue_declare(queue.clone(), options, arguments.clone()).await else {
                return Ok(Some(Self { channel, queue }));
            };
            match error.kind() {
                ErrorKind::ProtocolError(refusal) if refusal.get_id() == RESOURCE_LOCKED => {
                    if Instant::now() + PAUSE > deadline {
                        return Err(busy());
                    }
                    sleep(PAUSE).await;
                }
                ErrorKind::ProtocolError(refusal) if refusal.get_id() == ACCESS_REFUSED => return Ok(None),
                _ => return Err(unavailable(&error)),
            }
        }
    }
}

fn busy() -> Error {
    Error::Unavailable("somebody else is looking through the dead letters".to_owned())
}
