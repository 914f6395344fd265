//! What becomes of a delivery.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Shared;
use super::lane::Lane;
use super::wire::Outgoing;
use crate::{DeadLetter, Error, Message, Settle, Verdict};

/// Settles one delivery.
pub(super) struct RabbitSettle {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    tag: u64,
    /// A copy: what is published anew.
    message: Message,
    redeliveries: u32,
}

impl RabbitSettle {
    pub(super) fn new(shared: Arc<Shared>, lane: Arc<Lane>, tag: u64, message: Message, redeliveries: u32) -> Self {
        Self { shared, lane, tag, message, redeliveries }
    }

    /// Whether this delivery was the last that the limit allows.
    fn is_exhausted(&self) -> bool {
        self.lane.queue().delivery_limit.is_some_and(|limit| self.redeliveries >= limit)
    }

    async fn give_back_counted(self) -> Result<(), Error> {
        if self.is_exhausted() {
            // Not by the broker: it does not know what was counted before the message was published anew.
            return self.bury(DeadLetter::DELIVERY_LIMIT.to_owned()).await;
        }
        if self.lane.queue().takes_back_counted() {
            self.lane.give_back(self.tag);
            return Ok(());
        }
        let counted = self.redeliveries + 1;
        self.publish_anew(counted).await
    }

    async fn publish_anew(self, redeliveries: u32) -> Result<(), Error> {
        let Self { shared, lane, tag, message, .. } = self;
        let anew = Outgoing::returned(message, lane.queue().home(), redeliveries);
        replace(&shared, &lane, tag, anew).await
    }

    async fn bury(self, reason: String) -> Result<(), Error> {
        let Self { shared, lane, tag, message, redeliveries } = self;
        if lane.queue().delivery_limit.is_none() {
            return lane.acknowledge(tag);
        }
        let queue = lane.queue().name.clone();
        tracing::warn!(message.id = message.id, queue, reason, "message goes to the dead letters");
        let deliveries = redeliveries.saturating_add(1);
        let death = DeadLetter { reason, queue, deliveries, died_at: Some(Timestamp::now()) };
        let message = Message { preferred: None, ..message };
        let dead = Outgoing::fresh(death.bury(message, &shared.queues.dead_letter.name), &shared.queues)?;
        replace(&shared, &lane, tag, dead).await
    }
}

/// Publishes a message in place of a delivery: first the one is confirmed, then the other acknowledged.
async fn replace(shared: &Shared, lane: &Lane, tag: u64, outgoing: Outgoing) -> Result<(), Error> {
    match shared.publish(vec![outgoing]).await {
        Ok(()) => lane.acknowledge(tag),
        Err(error) => {
            // Somebody else may be luckier.
            lane.give_back(tag);
            Err(error)
        }
    }
}

#[async_trait]
impl Settle for RabbitSettle {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), Error> {
        let _verdict = self.lane.begin_verdict()?;
        match verdict {
            Verdict::Ack => self.lane.acknowledge(self.tag),
            Verdict::Requeue { counted: true } => self.give_back_counted().await,
            Verdict::Requeue { counted: false } => {
                let uncounted = self.redeliveries;
                self.publish_anew(uncounted).await
            }
            Verdict::Reject { reason } => self.bury(reason).await,
        }
    }

    fn is_void(&self) -> bool {
        !self.lane.is_open()
    }

    fn abandon(self: Box<Self>) {
        // Too late: the consumer has given it back.
        let Ok(verdict) = self.lane.begin_verdict() else { return };
        if self.lane.queue().takes_back_counted() && !self.is_exhausted() {
            self.lane.give_back(self.tag);
            return;
        }
        let shared = Arc::clone(&self.shared);
        let giving_back = async move {
            let _verdict = verdict;
            let queue = self.lane.queue().name.clone();
            if let Err(error) = self.give_back_counted().await {
                tracing::warn!(%error, queue, "a dropped delivery could not be counted");
            }
        };
        shared.tasks.spawn_on(giving_back, &shared.runtime);
    }
}
