//! Coordination between the processes of a fleet, over one Redis (5 or newer).
//!
//! Two connections: one for commands, one that listens. Both come back by themselves. Without Redis every call fails
//! within the timeout, at once after the first one that did, so that callers go on without it.
//!
//! What this process cancels or announces reaches its own receivers directly, also while Redis is away; Redis carries
//! it to the other processes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Lifecycle, Presence, RunId, TaskRunId};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::presence;
use crate::{Bucket, Coordination, Error, FOREVER, Granted, Lease, Taken};
use commands::Commands;
use listener::{Listener, Wanted};
use scripts::Scripts;

mod announcer;
mod commands;
mod envelope;
mod listener;
mod scripts;

/// How many announcements a slow receiver may lag behind before it misses the oldest.
const CHANNEL_CAPACITY: usize = 1024;
/// How many announcements wait for Redis before further ones are refused.
const WAITING_ANNOUNCEMENTS: usize = 4096;
/// How many keys one call asks about, so that Redis is not kept from others.
const KEYS_PER_CALL: usize = 1000;
const FULL: &str = "too many announcements wait for Redis";

/// Where Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct Config {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS where that was compiled in.
    pub url: String,
    /// What all keys and channels begin with; fleets with different prefixes share a Redis undisturbed.
    pub prefix: String,
    /// How long one call may take before Redis counts as away.
    pub timeout: Duration,
    /// Values with more bytes than this are not cached.
    pub largest_value: usize,
}

impl Config {
    /// The defaults for a Redis at `url`: prefix `flotilla:`, calls of at most 500 ms, cached values up to 8 MiB.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "flotilla:".to_owned(),
            timeout: Duration::from_millis(500),
            largest_value: 8 * 1024 * 1024,
        }
    }
}

/// Leases, cancellation, progress, rate limits and cache in Redis. Share it in an `Arc`.
#[derive(Debug)]
pub struct Redis {
    commands: Commands,
    scripts: Scripts,
    prefix: String,
    largest_value: usize,
    /// Marks messages of this process, which it does not have to hear again.
    origin: Arc<str>,
    cancellations: broadcast::Sender<RunId>,
    announcements: broadcast::Sender<Lifecycle>,
    outgoing: mpsc::Sender<Vec<u8>>,
    wanted: watch::Sender<Wanted>,
    listening: watch::Receiver<Wanted>,
    _listener: AbortOnDropHandle<()>,
}

impl Redis {
    /// Opens the store without waiting for Redis, which may come up later. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error`] when the URL makes no sense.
    pub fn open(config: Config) -> Result<Self, Error> {
        let commands = Commands::open(&config)?;
        let origin: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
        let cancellations = broadcast::Sender::new(CHANNEL_CAPACITY);
        let announcements = broadcast::Sender::new(CHANNEL_CAPACITY);
        let (outgoing, waiting) = mpsc::channel(WAITING_ANNOUNCEMENTS);
        tokio::spawn(announcer::run(
            commands.clone(),
            listener::announcements_channel(&config.prefix),
            origin.clone(),
            waiting,
        ));

        let (wanted, wishes) = watch::channel(Wanted::CANCELLATIONS);
        let (state, listening) = watch::channel(Wanted::NOTHING);
        let listener = Listener {
            client: commands.client().clone(),
            timeout: config.timeout,
            prefix: config.prefix.clone(),
            origin: origin.clone(),
            cancellations: cancellations.clone(),
            announcements: announcements.clone(),
            wanted: wishes,
            listening: state,
        };
        Ok(Self {
            commands,
            scripts: Scripts::new(),
            prefix: config.prefix,
            largest_value: config.largest_value,
            origin,
            cancellations,
            announcements,
            outgoing,
            wanted,
            listening,
            _listener: AbortOnDropHandle::new(tokio::spawn(listener.run())),
        })
    }

    /// Whether Redis answers and this process hears what others tell, for a readiness probe.
    pub async fn is_available(&self) -> bool {
        self.hears_what_it_wants() && self.commands.ping().await.is_ok()
    }

    /// Waits until [`Self::is_available`].
    ///
    /// # Errors
    /// [`Error`] when that takes longer than `patience`.
    pub async fn wait_until_available(&self, patience: Duration) -> Result<(), Error> {
        let mut listening = self.listening.clone();
        let available = async {
            while !self.is_available().await {
                // Between two looks at Redis, or as soon as the listener is back.
                let _ = tokio::time::timeout(Duration::from_millis(50), listening.changed()).await;
            }
        };
        tokio::time::timeout(patience, available)
            .await
            .map_err(|_| Error(format!("Redis did not answer within {patience:?}")))
    }

    fn hears_what_it_wants(&self) -> bool {
        *self.listening.borrow() == *self.wanted.borrow()
    }

    fn lease_key(&self, lease: &Lease) -> String {
        self.attempt_key(lease.task_run, lease.attempt)
    }

    fn attempt_key(&self, task_run: TaskRunId, attempt: u32) -> String {
        format!("{}lease:{task_run}:{attempt}", self.prefix)
    }

    fn cancelled_key(&self, run: RunId) -> String {
        format!("{}cancelled:{run}", self.prefix)
    }

    fn present_key(&self) -> String {
        format!("{}present", self.prefix)
    }

    fn cache_key(&self, key: &str) -> String {
        format!("{}cache:{key}", self.prefix)
    }
}

#[async_trait]
impl Coordination for Redis {
    async fn take_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Taken>, Error> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.scripts.take_leases.arg(milliseconds(ttl));
        for lease in leases {
            call.key(self.lease_key(lease)).arg(&lease.holder);
        }
        let holders: Vec<Option<String>> = self.commands.script(&call).await?;
        if holders.len() != leases.len() {
            return Err(Error(format!("Redis answered about {} of {} leases", holders.len(), leases.len())));
        }
        Ok(holders.into_iter().map(|holder| holder.map_or(Taken::Ours, Taken::HeldBy)).collect())
    }

    async fn renew_leases(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<Lease>, Error> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.scripts.renew_leases.arg(milliseconds(ttl));
        for lease in leases {
            call.key(self.lease_key(lease)).arg(&lease.holder);
        }
        let kept: Vec<bool> = self.commands.script(&call).await?;
        Ok(leases.iter().zip(kept).filter(|(_, kept)| !kept).map(|(lease, _)| lease.clone()).collect())
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let mut call = self.scripts.release_lease.key(self.lease_key(lease));
        call.arg(&lease.holder);
        self.commands.script(&call).await
    }

    async fn held_leases(&self, attempts: &[(TaskRunId, u32)]) -> Result<Vec<bool>, Error> {
        let mut held = Vec::with_capacity(attempts.len());
        for attempts in attempts.chunks(KEYS_PER_CALL) {
            let mut look = redis::cmd("MGET");
            for (task_run, attempt) in attempts {
                look.arg(self.attempt_key(*task_run, *attempt));
            }
            let holders: Vec<Option<String>> = self.commands.command(&look).await?;
            if holders.len() != attempts.len() {
                return Err(Error(format!("Redis answered about {} of {} leases", holders.len(), attempts.len())));
            }
            held.extend(holders.iter().map(Option::is_some));
        }
        Ok(held)
    }

    async fn cancel_run(&self, run: RunId, ttl: Duration) -> Result<(), Error> {
        // In this order on one connection, so that whoever is told finds the run cancelled when asking.
        let mut both = redis::pipe();
        both.cmd("SET").arg(self.cancelled_key(run)).arg(1).arg("PX").arg(milliseconds(ttl)).ignore();
        both.cmd("PUBLISH")
            .arg(listener::cancellations_channel(&self.prefix))
            .arg(envelope::seal(&self.origin, &[run.to_string().into_bytes()]))
            .ignore();
        let told = self.commands.pipeline(&both).await;
        // An error means that nobody listens.
        let _ = self.cancellations.send(run);
        told
    }

    async fn are_cancelled(&self, runs: &[RunId]) -> Result<Vec<bool>, Error> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let mut look = redis::cmd("MGET");
        for run in runs {
            look.arg(self.cancelled_key(*run));
        }
        let marks: Vec<Option<u8>> = self.commands.command(&look).await?;
        Ok(marks.into_iter().map(|mark| mark.is_some()).collect())
    }

    fn cancellations(&self) -> broadcast::Receiver<RunId> {
        self.cancellations.subscribe()
    }

    /// Returns before Redis has the announcement, so that many travel together; reports an outage late therefore.
    async fn announce(&self, event: &Lifecycle) -> Result<(), Error> {
        // An error means that nobody listens.
        let _ = self.announcements.send(event.clone());
        self.outgoing.try_send(protocol::wire::encode(event)).map_err(|_| Error(FULL.to_owned()))?;
        self.commands.last_failure()
    }

    fn announcements(&self) -> broadcast::Receiver<Lifecycle> {
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, Wanted::EVERYTHING) != Wanted::EVERYTHING);
        self.announcements.subscribe()
    }

    async fn check_in(&self, presence: &Presence, ttl: Duration) -> Result<(), Error> {
        let mut call = self.scripts.check_in.key(self.present_key());
        call.arg(&presence.name).arg(protocol::wire::encode(presence)).arg(milliseconds(ttl));
        self.commands.script(&call).await
    }

    async fn check_out(&self, name: &str) -> Result<(), Error> {
        self.commands.command(redis::cmd("HDEL").arg(self.present_key()).arg(name)).await
    }

    async fn present(&self) -> Result<Vec<Presence>, Error> {
        let found: Vec<Vec<u8>> = self.commands.script(&self.scripts.present.key(self.present_key())).await?;
        let mut present = Vec::with_capacity(found.len());
        for bytes in found {
            match protocol::wire::decode_presence(&bytes) {
                Ok(presence) => present.push(presence),
                Err(error) => tracing::debug!(%error, "a process of another release cannot be shown"),
            }
        }
        presence::sort(&mut present);
        Ok(present)
    }

    async fn take_tokens(&self, key: &str, tokens: u32, bucket: Bucket) -> Result<Granted, Error> {
        let mut call = self.scripts.take_tokens.key(format!("{}tokens:{key}", self.prefix));
        call.arg(microseconds(bucket.refill_of(tokens))).arg(microseconds(bucket.refill));
        let wait: u64 = self.commands.script(&call).await?;
        Ok(if wait == 0 { Granted::Now } else { Granted::After(Duration::from_micros(wait)) })
    }

    async fn cached(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.commands.command(redis::cmd("GET").arg(self.cache_key(key))).await
    }

    async fn cache(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        let key = self.cache_key(key);
        if value.len() > self.largest_value {
            // Nothing is better than the value of before.
            return self.commands.command(redis::cmd("DEL").arg(key)).await;
        }
        self.commands.command(redis::cmd("SET").arg(key).arg(value).arg("PX").arg(milliseconds(ttl))).await
    }
}

/// A time to live as Redis takes it: at least a millisecond.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.min(FOREVER).as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A time short enough for the numbers of Redis scripts.
fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.min(FOREVER).as_micros()).unwrap_or(u64::MAX)
}
