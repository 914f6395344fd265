//! What workers tell each other besides messages: leases, cancellation, progress, presence, rate limits and a cache.
//!
//! [`Coordination`] is the port; one file per implementation. Losing it costs speed, never a result: callers go on
//! without it (fail open), and the ledger remains the truth.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Lifecycle, Presence, RunId, TaskRunId};
use tokio::sync::broadcast;

pub mod conformance;
mod expiring;
pub mod in_process;
pub mod presence;
#[cfg(feature = "redis")]
pub mod redis;

/// Leases, cancellation, progress, presence, rate limits and cache.
#[async_trait]
pub trait Coordination: Send + Sync {
    /// Takes the leases of attempts for `ttl`, each unless another holder has it, and says for each what became of
    /// it. Many in one call cost hardly more than one.
    ///
    /// # Errors
    /// [`Error`] when the store is away; callers then work without leases.
    async fn take_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Taken>, Error>;

    /// Takes one lease.
    ///
    /// # Errors
    /// As for [`Self::take_leases`].
    async fn take_lease(&self, lease: &Lease, ttl: Duration) -> Result<Taken, Error> {
        let taken = self.take_leases(std::slice::from_ref(lease), ttl).await?;
        taken.into_iter().next().ok_or_else(|| Error("no answer about a lease".to_owned()))
    }

    /// Prolongs leases, and takes again those that ended meanwhile: a holder that was suspended, or whose store was
    /// away, goes on unless somebody else took over. Returns those that somebody else has.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn renew_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Lease>, Error>;

    /// Gives a lease back if this holder still has it.
    ///
    /// # Errors
    /// [`Error`] when the store is away; the lease then ends by itself.
    async fn release_lease(&self, lease: &Lease) -> Result<(), Error>;

    /// Which of these attempts somebody holds the lease of: one answer each, in their order.
    ///
    /// # Errors
    /// [`Error`] when the store is away; whoever asked then knows nothing about any of them.
    async fn held_leases(&self, attempts: &[(TaskRunId, u32)]) -> Result<Vec<bool>, Error>;

    /// Tells everybody that a run was cancelled; remembered for `ttl` for those who ask later.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn cancel_run(&self, run: RunId, ttl: Duration) -> Result<(), Error>;

    /// Which of these runs were cancelled lately: one answer each, in their order.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn are_cancelled(&self, runs: &[RunId]) -> Result<Vec<bool>, Error>;

    /// Whether a run was cancelled lately.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn is_cancelled(&self, run: RunId) -> Result<bool, Error> {
        Ok(self.are_cancelled(&[run]).await?.contains(&true))
    }

    /// Runs that are cancelled from now on. A slow receiver may miss some and asks [`Self::is_cancelled`].
    fn cancellations(&self) -> broadcast::Receiver<RunId>;

    /// Tells live watchers something. Nobody watching is fine.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn announce(&self, event: &Lifecycle) -> Result<(), Error>;

    /// What is announced from now on, of all runs. A slow receiver misses the oldest.
    fn announcements(&self) -> broadcast::Receiver<Lifecycle>;

    /// Says that a process is alive, for `ttl`; what it said under its name before is replaced.
    ///
    /// # Errors
    /// [`Error`] when the store is away; operators then do not see the process.
    async fn check_in(&self, presence: &Presence, ttl: Duration) -> Result<(), Error>;

    /// Takes back what was said under a name: the process ends.
    ///
    /// # Errors
    /// [`Error`] when the store is away; the presence then ends by itself.
    async fn check_out(&self, name: &str) -> Result<(), Error>;

    /// Every process that is alive, by role and name.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn present(&self) -> Result<Vec<Presence>, Error>;

    /// Takes tokens out of the bucket under a key, all or none. Who asks for more than a bucket holds gets a full one.
    ///
    /// # Errors
    /// [`Error`] when the store is away; callers then go on as if granted.
    async fn take_tokens(&self, key: &str, tokens: u32, bucket: Bucket) -> Result<Granted, Error>;

    /// A cached value.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn cached(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Caches a value for `ttl`.
    ///
    /// # Errors
    /// [`Error`] when the store is away.
    async fn cache(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error>;
}

/// The right to work on one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task run.
    pub task_run: TaskRunId,
    /// The attempt.
    pub attempt: u32,
    /// Who holds it: a worker instance, unique per process start.
    pub holder: String,
}

/// What became of a request for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours, now or already before.
    Ours,
    /// Somebody else works on that attempt.
    HeldBy(String),
}

/// A rate limit: tokens that are taken and come back steadily. It is full at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// How many tokens it holds.
    pub tokens: NonZeroU32,
    /// How long an empty one takes to be full.
    pub refill: Duration,
}

impl Bucket {
    /// How long it takes until so many tokens have come back.
    fn refill_of(self, tokens: u32) -> Duration {
        let refill = self.refill.min(FOREVER);
        refill / self.tokens.get() * tokens.min(self.tokens.get())
    }
}

/// What became of a request for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// They are taken.
    Now,
    /// None was taken; there will be enough after this time, unless others take them first.
    After(Duration),
}

/// Further than anybody waits, and near enough that clocks can represent it.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The coordination store is away.
#[derive(Debug, thiserror::Error)]
#[error("coordination is not available: {0}")]
pub struct Error(pub String);
