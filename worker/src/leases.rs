//! The leases that a worker holds: asked for together, renewed together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coordination::{Coordination, Lease, Taken};
use protocol::{Job, RunId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Most questions put to the coordination store in one call.
const TOGETHER: usize = 256;

/// Leases of attempts that run in this process.
pub(crate) struct Leases {
    coordination: Arc<dyn Coordination>,
    holder: Arc<str>,
    ttl: Duration,
    held: Mutex<HashMap<Lease, Hold>>,
    /// Where new attempts ask; see [`ask`].
    questions: mpsc::Sender<Question>,
}

/// May this attempt be worked on?
struct Question {
    run: RunId,
    lease: Lease,
    answer: oneshot::Sender<Answer>,
}

/// What the coordination store said; `Away` when it said nothing.
enum Answer {
    Cancelled,
    Taken(Taken),
    Away(String),
}

/// How far this process is with a lease.
enum Hold {
    /// The job waits in this process; nobody else should take it for lost. Renewing takes the lease if it is free.
    Expected,
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
    /// Its run was cancelled.
    Cancelled,
}

impl Leases {
    /// Leases, and the loop that asks for them; it ends when they are dropped.
    pub(crate) fn new(
        coordination: Arc<dyn Coordination>,
        holder: Arc<str>,
        ttl: Duration,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (questions, waiting) = mpsc::channel(TOGETHER);
        let asking = ask(Arc::clone(&coordination), ttl, waiting);
        (Self { coordination, holder, ttl, held: Mutex::default(), questions }, asking)
    }

    /// Takes the lease of a job's attempt. A redelivered job may belong to a worker that has just died: its lease
    /// is waited out. With coordination away the attempt is granted, since the ledger drops a second result.
    pub(crate) async fn claim(&self, job: &Job, redelivered: bool) -> Claim {
        let lease = self.lease(job);
        // Between two deliveries to this very process the coordination store cannot tell.
        match self.lock().entry(lease.clone()) {
            Entry::Occupied(mut expected) if matches!(expected.get(), Hold::Expected) => {
                expected.insert(Hold::Claiming);
            }
            Entry::Occupied(_) => return Claim::Duplicate(lease.holder),
            Entry::Vacant(free) => {
                free.insert(Hold::Claiming);
            }
        }
        let patience = tokio::time::Instant::now() + self.ttl * 2;
        loop {
            match self.question(job.run_id, &lease).await {
                Answer::Cancelled => {
                    self.lock().remove(&lease);
                    return Claim::Cancelled;
                }
                Answer::Taken(Taken::HeldBy(other)) if !redelivered || tokio::time::Instant::now() >= patience => {
                    self.lock().remove(&lease);
                    return Claim::Duplicate(other);
                }
                Answer::Taken(Taken::HeldBy(_)) => tokio::time::sleep(self.ttl / 8).await,
                Answer::Taken(Taken::Ours) => break,
                Answer::Away(error) => {
                    tracing::warn!(run.id = %job.run_id, error, "working without a lease");
                    break;
                }
            }
        }
        let lost = CancellationToken::new();
        self.lock().insert(lease.clone(), Hold::Granted(lost.clone()));
        Claim::Granted(lease, lost)
    }

    /// Notes that a job waits in this process: its lease is taken with the next renewal, if it is free.
    pub(crate) fn expect(&self, job: &Job) -> Lease {
        let lease = self.lease(job);
        self.lock().entry(lease.clone()).or_insert(Hold::Expected);
        lease
    }

    fn lease(&self, job: &Job) -> Lease {
        Lease { task_run: job.task_run_id, attempt: job.attempt, holder: self.holder.to_string() }
    }

    /// Three times per lifetime.
    pub(crate) fn between_renewals(&self) -> Duration {
        self.ttl / 3
    }

    async fn question(&self, run: RunId, lease: &Lease) -> Answer {
        let (answer, answered) = oneshot::channel();
        let away = || Answer::Away("nobody asks for leases any more".to_owned());
        match self.questions.send(Question { run, lease: lease.clone(), answer }).await {
            Ok(()) => answered.await.unwrap_or_else(|_| away()),
            Err(_) => away(),
        }
    }

    /// The attempt has ended and its outcome is safe. The lease is left to end by itself: nobody has to work on this
    /// attempt again, and a second delivery of its job still finds it taken.
    pub(crate) fn forget(&self, lease: &Lease) {
        self.lock().remove(lease);
    }

    /// Gives a lease back, so that somebody else can work on the attempt at once.
    pub(crate) async fn release(&self, lease: &Lease) {
        self.lock().remove(lease);
        if let Err(error) = self.coordination.release_lease(lease).await {
            tracing::debug!(error = %error, "a lease was not given back and will end by itself");
        }
    }

    /// Renews all leases three times per lifetime until dropped.
    pub(crate) async fn keep_renewing(&self) {
        let mut timer = tokio::time::interval(self.between_renewals());
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let held = self.renewable();
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
        let mut held = self.lock();
        for lease in lost {
            match held.get(lease) {
                Some(Hold::Granted(token)) => {
                    tracing::warn!(task_run.id = %lease.task_run, attempt = lease.attempt, "lease lost, attempt given up");
                    ::metrics::counter!(crate::metrics::LEASES_LOST).increment(1);
                    token.cancel();
                }
                // Somebody else works on it; its claim will find out.
                Some(Hold::Expected) => {
                    held.remove(lease);
                }
                Some(Hold::Claiming) | None => {}
            }
        }
    }

    fn renewable(&self) -> Vec<Lease> {
        let held = self.lock();
        held.iter().filter(|(_, hold)| !matches!(hold, Hold::Claiming)).map(|(lease, _)| lease.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Lease, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the questions to the coordination store: while one call is under way the next ones gather, so that a worker
/// with many short jobs asks a few times for all of them.
async fn ask(coordination: Arc<dyn Coordination>, ttl: Duration, mut waiting: mpsc::Receiver<Question>) {
    let mut questions: Vec<Question> = Vec::new();
    while waiting.recv_many(&mut questions, TOGETHER).await > 0 {
        let (runs, leases): (Vec<RunId>, Vec<Lease>) =
            questions.iter().map(|question| (question.run, question.lease.clone())).unzip();
        // Whoever was told of a cancellation before this finds it here; see the runner for what comes after.
        let (cancelled, taken) =
            tokio::join!(coordination.are_cancelled(&runs), coordination.take_leases(&leases, ttl));
        // A store that cannot say what was cancelled cancels nothing.
        let cancelled = cancelled.unwrap_or_default();
        let mut taken = taken.map(Vec::into_iter);
        for (place, question) in questions.drain(..).enumerate() {
            let answer = match &mut taken {
                _ if cancelled.get(place) == Some(&true) => Answer::Cancelled,
                Ok(taken) => taken.next().map_or_else(|| Answer::Away("no answer".to_owned()), Answer::Taken),
                Err(error) => Answer::Away(error.to_string()),
            };
            // Nobody waits for it any more: the worker ends.
            let _gone = question.answer.send(answer);
        }
    }
}
