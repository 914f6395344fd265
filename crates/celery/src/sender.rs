//! Sending tasks: now or later, to queues that are there or not.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use lapin::types::FieldTable;
use tokio::sync::Mutex;

use crate::amqp::Amqp;
use crate::canvas::{Plan, Route};
use crate::message::Raw;
use crate::wire::Outgoing;
use crate::{Delays, Error, Results};

/// What is due sooner than this is sent at once, and waited for by whoever runs it: the queues for later count in seconds.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// What clients and workers send with.
pub(crate) struct Sender {
    pub(crate) amqp: Amqp,
    /// Where tasks for later wait; without, they are sent at once and the worker that gets them has to wait.
    pub(crate) delays: Option<Delays>,
    /// Whether a queue that is missing is declared.
    pub(crate) declare: bool,
    /// Whether queues may be bound to where tasks for later come out.
    bind: bool,
    /// Queues that what waited finds its way into.
    bound: Mutex<HashSet<String>>,
}

impl Sender {
    /// The queues for later have to be declared already.
    pub(crate) fn new(amqp: Amqp, delays: Option<Delays>, declare: bool, bind: bool) -> Self {
        Self { amqp, delays, declare, bind, bound: Mutex::default() }
    }

    /// Sends what was planned; `by_name` says the queue of a task that has no route of its own.
    pub(crate) async fn send<'a>(
        &self,
        plan: &'a Plan,
        results: Option<&Results>,
        by_name: impl Fn(&'a str) -> &'a str,
    ) -> Result<(), Error> {
        // Before any part can be done.
        for (group, size) in &plan.chords {
            results.ok_or(Error::ChordsNeedRedis)?.set_chord_size(group, *size).await?;
        }
        for send in &plan.sends {
            let (raw, eta) = (send.message.encode(), send.message.eta);
            match &send.route {
                Route::Exchange { exchange, routing_key } if !exchange.is_empty() => {
                    self.amqp.publish(&Outgoing::persistent(exchange, routing_key, &raw)?).await?;
                }
                Route::Exchange { routing_key: queue, .. } | Route::Queue(queue) => {
                    self.to_queue(queue, &raw, eta).await?;
                }
                Route::ByName => self.to_queue(by_name(&send.message.task), &raw, eta).await?,
            }
        }
        Ok(())
    }

    /// Sends a task to a queue.
    pub(crate) async fn to_queue(&self, queue: &str, raw: &Raw, eta: Option<Timestamp>) -> Result<(), Error> {
        match (&self.delays, eta.map_or(Duration::ZERO, remaining)) {
            (Some(delays), delay) if delay >= SOON && self.arrives(delays, queue).await? => {
                let (exchange, routing_key) = delays.route(delay, queue);
                self.amqp.publish(&Outgoing::persistent(&exchange, &routing_key, raw)?).await
            }
            _ => self.at_once(queue, raw).await,
        }
    }

    /// Sends a task to a queue whenever it is due.
    pub(crate) async fn at_once(&self, queue: &str, raw: &Raw) -> Result<(), Error> {
        let outgoing = Outgoing::to_queue(queue, raw)?;
        match self.amqp.publish(&outgoing).await {
            Err(Error::Unroutable(_)) if self.declare => {
                self.amqp.ensure_queue(queue, FieldTable::default()).await?;
                self.amqp.publish(&outgoing).await
            }
            sent => sent,
        }
    }

    /// Somebody else has seen to it that what waited for a queue finds its way into it.
    pub(crate) async fn trust(&self, queue: &str) {
        self.bound.lock().await.insert(queue.to_owned());
    }

    /// Whether what waits for a queue will arrive there, after having seen to it where that may be done. At the end of its
    /// wait nobody would say that a task had nowhere to go.
    async fn arrives(&self, delays: &Delays, queue: &str) -> Result<bool, Error> {
        let mut bound = self.bound.lock().await;
        if bound.contains(queue) || !self.bind {
            return Ok(bound.contains(queue));
        }
        if self.declare {
            self.amqp.ensure_queue(queue, FieldTable::default()).await?;
        } else if !self.amqp.has_queue(queue).await? {
            return Err(Error::Unroutable(queue.to_owned()));
        }
        delays.bind(&self.amqp, queue).await?;
        bound.insert(queue.to_owned());
        Ok(true)
    }
}

/// How long until a time; nothing when it is over.
pub(crate) fn remaining(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}
