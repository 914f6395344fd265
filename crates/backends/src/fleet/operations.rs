//! What operators see of a running fleet, and do to its dead letters.

use std::collections::BTreeMap;

use broker::{Buried, Replayed, Selection};
use jiff::Timestamp;
use ledger::{ActiveTask, Backlog, ScheduledTask};
use protocol::workflow::queues;
use protocol::{Presence, TenantId};

use super::{Error, Fleet};

/// A queue, as its broker and the ledger see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// Its name, without prefix.
    pub name: String,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Messages with consumers that are not settled yet; `None` where the broker does not tell.
    pub unacked: Option<u64>,
    /// Its consumers, those of all processes.
    pub consumers: u64,
    /// Task runs of this queue that a worker has started.
    pub running: u64,
    /// When the job was released that has waited longest and that nobody has started; `None` when there is none.
    pub oldest: Option<Timestamp>,
}

/// The queues that every fleet has, those of jobs first. Workflows may name more.
pub const QUEUES: [&str; 6] = [
    queues::FILE_PROCESSING,
    queues::API_PROCESSING,
    queues::DEFAULT,
    queues::CALLBACKS,
    queues::LOGGING,
    queues::DEAD_LETTER,
];

impl Fleet {
    /// Every process of the fleet that is alive.
    ///
    /// # Errors
    /// [`Error::Coordination`]: nobody else knows.
    pub async fn processes(&self) -> Result<Vec<Presence>, Error> {
        Ok(self.coordination.present().await?)
    }

    /// Every queue of the fleet: those of jobs first, those that only some workflow names behind them, then outcomes, lifecycle events and dead letters.
    ///
    /// # Errors
    /// When the ledger or the broker is away.
    pub async fn queues(&self) -> Result<Vec<QueueState>, Error> {
        let mut backlog = self.ledger.backlog().await?;
        let mut found = Vec::new();
        let mut own = self.queue_names().await?;
        own.retain(|name| !QUEUES.contains(&name.as_str()));
        let (work, others) = QUEUES.split_at(queues::WORK.len());
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for name in named(work).into_iter().chain(own).chain(named(others)) {
            self.broker.offer(std::slice::from_ref(&name)).await?;
            let depth = self.broker.depth(&name).await?;
            let consumers = self.broker.consumers(&name).await?;
            let recorded = backlog.remove(&name).unwrap_or_default();
            found.push(QueueState {
                name,
                ready: depth.ready,
                unacked: self.broker.sees_all_consumers().then_some(depth.unacked),
                consumers,
                running: recorded.running,
                oldest: recorded.oldest,
            });
        }
        Ok(found)
    }

    /// How many messages wait in a queue.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn waiting(&self, queue: &str) -> Result<u64, Error> {
        // One that only some workflow names may be new to this process.
        self.broker.offer(&[queue.to_owned()]).await?;
        Ok(self.broker.depth(queue).await?.ready)
    }

    /// What there is to do, by queue, as recorded. Costs as much as there is in hand.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn backlog(&self) -> Result<BTreeMap<String, Backlog>, Error> {
        Ok(self.ledger.backlog().await?)
    }

    /// Task runs whose job is on the broker or with a worker, the longest released first.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn active(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ActiveTask>, Error> {
        Ok(self.ledger.active(tenant, limit).await?)
    }

    /// Task runs that wait for their timer, the next due first.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn scheduled(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ScheduledTask>, Error> {
        Ok(self.ledger.scheduled(tenant, limit).await?)
    }

    /// The tenants whose runs wait longest for admission, and since when.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn longest_queued(&self, limit: usize) -> Result<Vec<(TenantId, Timestamp)>, Error> {
        Ok(self.ledger.longest_queued(limit).await?)
    }

    /// Up to `limit` dead letters after the first `skip`; they stay where they are.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
        Ok(self.broker.dead_letters(skip, limit).await?)
    }

    /// Sends dead letters to the queues they died in, as new messages.
    ///
    /// # Errors
    /// When the ledger or the broker is away; some may have been sent.
    pub async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, Error> {
        // Letters may have died in queues that only some workflow names and this process has not used yet.
        for queue in self.queue_names().await? {
            if let Err(error) = self.broker.offer(std::slice::from_ref(&queue)).await {
                tracing::warn!(queue, error = %error, "dead letters of this queue stay where they are");
            }
        }
        let replayed = self.broker.replay_dead_letters(selection).await?;
        tracing::info!(?selection, replayed = replayed.replayed, kept = replayed.kept, "dead letters were replayed");
        Ok(replayed)
    }

    /// Deletes dead letters for good; returns how many.
    ///
    /// # Errors
    /// When the broker is away; some may be gone.
    pub async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error> {
        let dropped = self.broker.drop_dead_letters(selection).await?;
        tracing::info!(?selection, dropped, "dead letters were dropped");
        Ok(dropped)
    }
}
