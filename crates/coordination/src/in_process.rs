//! Coordination between the tasks of one process, for the embedded backend and for tests.
//!
//! It forgets everything with the process, which is sound: leases end, cancellations are rows in the ledger.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Lifecycle, Presence, RunId, TaskRunId};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::expiring::Expiring;
use crate::presence;
use crate::{Bucket, Coordination, Error, FOREVER, Granted, Lease, Taken};
use cache::Cache;

mod cache;

/// How many announcements a slow receiver may lag behind before it misses the oldest.
const CHANNEL_CAPACITY: usize = 1024;
/// How many bytes of values the cache holds.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Leases, cancellation, progress, rate limits and cache in the memory of one process. Share it in an `Arc`.
#[derive(Debug)]
pub struct InProcess {
    state: Mutex<State>,
    cancellations: broadcast::Sender<RunId>,
    announcements: broadcast::Sender<Lifecycle>,
}

#[derive(Debug)]
struct State {
    /// Who holds the lease of an attempt.
    leases: Expiring<(TaskRunId, u32), String>,
    cancelled: Expiring<RunId, ()>,
    present: Expiring<String, Presence>,
    /// When each bucket that is not full will be.
    buckets: Expiring<String, Instant>,
    cache: Cache,
}

impl InProcess {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            leases: Expiring::new(),
            cancelled: Expiring::new(),
            present: Expiring::new(),
            buckets: Expiring::new(),
            cache: Cache::new(CACHE_BYTES),
        };
        Self {
            state: Mutex::new(state),
            cancellations: broadcast::Sender::new(CHANNEL_CAPACITY),
            announcements: broadcast::Sender::new(CHANNEL_CAPACITY),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Coordination for InProcess {
    async fn take_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Taken>, Error> {
        let held = &mut self.lock().leases;
        while held.pop_over().is_some() {}
        let take = |lease: &Lease| {
            let attempt = (lease.task_run, lease.attempt);
            match held.get(&attempt) {
                Some(holder) if *holder != lease.holder => Taken::HeldBy(holder.clone()),
                _ => {
                    held.insert(attempt, lease.holder.clone(), ttl);
                    Taken::Ours
                }
            }
        };
        Ok(leases.iter().map(take).collect())
    }

    async fn renew_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Lease>, Error> {
        let held = &mut self.lock().leases;
        let mut lost = Vec::new();
        for lease in leases {
            let attempt = (lease.task_run, lease.attempt);
            if held.get(&attempt).is_none_or(|holder| *holder == lease.holder) {
                held.insert(attempt, lease.holder.clone(), ttl);
            } else {
                lost.push(lease.clone());
            }
        }
        Ok(lost)
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let leases = &mut self.lock().leases;
        let attempt = (lease.task_run, lease.attempt);
        if leases.get(&attempt) == Some(&lease.holder) {
            leases.remove(&attempt);
        }
        Ok(())
    }

    async fn held_leases(&self, attempts: &[(TaskRunId, u32)]) -> Result<Vec<bool>, Error> {
        let held = &self.lock().leases;
        Ok(attempts.iter().map(|attempt| held.get(attempt).is_some()).collect())
    }

    async fn cancel_run(&self, run: RunId, ttl: Duration) -> Result<(), Error> {
        let cancelled = &mut self.lock().cancelled;
        while cancelled.pop_over().is_some() {}
        cancelled.insert(run, (), ttl);
        // An error means that nobody listens.
        let _ = self.cancellations.send(run);
        Ok(())
    }

    async fn are_cancelled(&self, runs: &[RunId]) -> Result<Vec<bool>, Error> {
        let cancelled = &self.lock().cancelled;
        Ok(runs.iter().map(|run| cancelled.get(run).is_some()).collect())
    }

    fn cancellations(&self) -> broadcast::Receiver<RunId> {
        self.cancellations.subscribe()
    }

    async fn announce(&self, event: &Lifecycle) -> Result<(), Error> {
        // An error means that nobody listens.
        let _ = self.announcements.send(event.clone());
        Ok(())
    }

    fn announcements(&self) -> broadcast::Receiver<Lifecycle> {
        self.announcements.subscribe()
    }

    async fn check_in(&self, presence: &Presence, ttl: Duration) -> Result<(), Error> {
        let present = &mut self.lock().present;
        while present.pop_over().is_some() {}
        present.insert(presence.name.clone(), presence.clone(), ttl);
        Ok(())
    }

    async fn check_out(&self, name: &str) -> Result<(), Error> {
        self.lock().present.remove(&name.to_owned());
        Ok(())
    }

    async fn present(&self) -> Result<Vec<Presence>, Error> {
        let mut present: Vec<Presence> = self.lock().present.iter().cloned().collect();
        presence::sort(&mut present);
        Ok(present)
    }

    async fn take_tokens(&self, key: &str, tokens: u32, bucket: Bucket) -> Result<Granted, Error> {
        let buckets = &mut self.lock().buckets;
        while buckets.pop_over().is_some() {}
        let (key, now) = (key.to_owned(), Instant::now());
        let until_full = buckets.get(&key).map_or(Duration::ZERO, |full_at| *full_at - now) + bucket.refill_of(tokens);
        let wait = until_full.saturating_sub(bucket.refill.min(FOREVER));
        if wait > Duration::ZERO {
            return Ok(Granted::After(wait));
        }
        buckets.insert(key, now + until_full, until_full);
        Ok(Granted::Now)
    }

    async fn cached(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().cache.get(key))
    }

    async fn cache(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        self.lock().cache.insert(key, value, ttl);
        Ok(())
    }
}
