//! The leases that a worker holds: one timer renews them all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coordination::{Coordination, Lease, Taken};
use protocol::Job;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Leases of attempts that run in this process.
pub(crate) struct Leases {
    coordination: Arc<dyn Coordination>,
    holder: Arc<str>,
    ttl: Duration,
    held: Mutex<HashMap<Lease, Hold>>,
}

/// How far this process is with a lease.
enum Hold {
    /// It waits for it; somebody else may still have it. Not renewed: that would take or lose what is not ours.
    Claiming,
    /// It has it. The token is cancelled when it loses it.
    Granted(CancellationToken),
}

/// Whether an attempt may be worked on.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It may. The token is cancelled when the lease is lost to somebody else.
    Granted(Lease, CancellationToken),
    /// Somebody else works on it.
    Duplicate(String),
}

impl Leases {
    pub(crate) fn new(coordination: Arc<dyn Coordination>, holder: Arc<str>, ttl: Duration) -> Self {
        Self { coordination, holder, ttl, held: Mutex::new(HashMap::new()) }
    }

    /// Takes the lease of a job's attempt. A redelivered job may belong to a worker that has just died: its lease
    /// is waited out. With coordination away the attempt is granted, since the ledger drops a second result.
    pub(crate) async fn claim(&self, job: &Job, redelivered: bool) -> Claim {
        let lease = Lease { task_run: job.task_run_id, attempt: job.attempt, holder: self.holder.to_string() };
        // Between two deliveries to this very process the coordination store cannot tell.
        match self.lock().entry(lease.clone()) {
            Entry::Occupied(_) => return Claim::Duplicate(lease.holder),
            Entry::Vacant(free) => free.insert(Hold::Claiming),
        };
        let patience = tokio::time::Instant::now() + self.ttl * 2;
        loop {
            match self.coordination.take_lease(&lease, self.ttl).await {
                Ok(Taken::HeldBy(other)) if !redelivered || tokio::time::Instant::now() >= patience => {
                    self.lock().remove(&lease);
                    return Claim::Duplicate(other);
                }
                Ok(Taken::HeldBy(_)) => tokio::time::sleep(self.ttl / 8).await,
                Ok(Taken::Ours) => break,
                Err(error) => {
                    tracing::warn!(run.id = %job.run_id, error = %error, "working without a lease");
                    break;
                }
            }
        }
        let lost = CancellationToken::new();
        self.lock().insert(lease.clone(), Hold::Granted(lost.clone()));
        Claim::Granted(lease, lost)
    }

    /// Gives a lease back.
    pub(crate) async fn release(&self, lease: &Lease) {
        self.lock().remove(lease);
        if let Err(error) = self.coordination.release_lease(lease).await {
            tracing::debug!(error = %error, "a lease was not given back and will end by itself");
        }
    }

    /// Renews all leases three times per lifetime until dropped.
    pub(crate) async fn keep_renewing(&self) {
        let mut timer = tokio::time::interval(self.ttl / 3);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let held = self.granted();
            if held.is_empty() {
                continue;
            }
            match self.coordination.renew_leases(&held, self.ttl).await {
                Ok(lost) => self.give_up(&lost),
                Err(error) => tracing::warn!(error = %error, "leases could not be renewed"),
            }
        }
    }

    fn give_up(&self, lost: &[Lease]) {
        let held = self.lock();
        for lease in lost {
            if let Some(Hold::Granted(token)) = held.get(lease) {
                tracing::warn!(task_run.id = %lease.task_run, attempt = lease.attempt, "lease lost, attempt given up");
                ::metrics::counter!(crate::metrics::LEASES_LOST).increment(1);
                token.cancel();
            }
        }
    }

    fn granted(&self) -> Vec<Lease> {
        let held = self.lock();
        held.iter().filter(|(_, hold)| matches!(hold, Hold::Granted(_))).map(|(lease, _)| lease.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Lease, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
