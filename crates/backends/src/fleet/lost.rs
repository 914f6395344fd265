//! Finds jobs whose message is gone, because somebody purged a queue or RabbitMQ lost its disk, and publishes them again.
//!
//! Nobody can ask RabbitMQ where a message is. But a job that has not ended is in one of four places: it waits in its
//! queue, a worker has it in hand and holds its lease, its outcome waits in `callbacks`, or it is lost. A job that was
//! in none of the first three at two looks in a row is lost. `docs/adr/0010-lost-messages.md` has the reasons.

use std::collections::{HashMap, HashSet};

use engine::Event;
use jiff::{SignedDuration, Timestamp};
use ledger::HandedOut;
use metrics::counter;
use protocol::workflow::queues::CALLBACKS;
use protocol::{RunId, TaskError, TaskRunId};

use super::elsewhere::Occasion;
use super::{Error, Fleet};

/// How long a job was handed out before it is looked for: by then whoever took it has its lease.
const SETTLED: SignedDuration = SignedDuration::from_secs(3);

/// How many jobs one look is about.
const MOST: usize = 10_000;

/// How many of them are handed out again in one transaction.
const BATCH: usize = 500;

/// How often a job is published again before it is given up: a message that nobody can work on vanishes each time.
const TRIES: u32 = 5;

/// An attempt.
type Attempt = (TaskRunId, u32);

/// What earlier looks have shown. Whoever leads keeps it; a new leader begins anew.
#[derive(Debug, Default)]
pub struct Lost {
    /// In none of the places at the last look.
    suspects: HashSet<Attempt>,
    /// What was published again, as long as it has not ended.
    republished: HashMap<Attempt, Republished>,
}

#[derive(Clone, Copy, Debug)]
struct Republished {
    times: u32,
    /// Not looked for before that.
    rest_until: Timestamp,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many jobs were published again.
    pub republished: usize,
    /// How many attempts were given up, after they had been published again too often.
    pub given_up: usize,
}

impl Lost {
    /// Looks once, and publishes again what the look before did not see either. To be called every few seconds.
    ///
    /// # Errors
    /// When the ledger or the broker is away. Two looks in a row have to succeed before anything is taken for lost.
    pub async fn look(&mut self, fleet: &Fleet, now: Timestamp) -> Result<Found, Error> {
        let before = std::mem::take(&mut self.suspects);
        let missing = self.missing(fleet, now).await?;
        let (lost, suspects): (Vec<_>, Vec<_>) = missing.into_iter().partition(|one| before.contains(&attempt(one)));
        self.suspects = suspects.iter().map(attempt).collect();
        if lost.is_empty() {
            return Ok(Found::default());
        }
        let times = |one: &HandedOut| self.republished.get(&attempt(one)).map_or(0, |republished| republished.times);
        let (hopeless, lost): (Vec<_>, Vec<_>) = lost.into_iter().partition(|one| times(one) >= TRIES);
        let found = Found { republished: self.publish_again(fleet, &lost, now).await?, given_up: hopeless.len() };
        give_up(fleet, hopeless, now).await?;
        Ok(found)
    }

    /// Attempts that were handed out a while ago and are neither in their queue nor with a worker nor on their way back.
    async fn missing(&mut self, fleet: &Fleet, now: Timestamp) -> Result<Vec<HandedOut>, Error> {
        let settled = now - SETTLED;
        let mut busy: Vec<String> = Vec::new();
        let mut empty: HashSet<String> = HashSet::new();
        // Queues with messages are left out one after the other: what is missing there may just wait.
        let handed_out = loop {
            let handed_out = fleet.ledger.handed_out(settled, &busy, MOST).await?;
            let mut found_busy = false;
            for one in &handed_out {
                if busy.contains(&one.queue) || empty.contains(&one.queue) {
                    continue;
                }
                if fleet.waiting(&one.queue).await? > 0 {
                    found_busy = true;
                    busy.push(one.queue.clone());
                } else {
                    empty.insert(one.queue.clone());
                }
            }
            if !found_busy {
                break handed_out;
            }
        };
        let waiting = |one: &Attempt| self.republished.get(one).is_some_and(|again| now < again.rest_until);
        let sought: Vec<HandedOut> = handed_out.into_iter().filter(|one| !waiting(&attempt(one))).collect();
        if busy.is_empty() {
            // Complete, so whatever is not in it has ended.
            let there: HashSet<Attempt> = sought.iter().map(attempt).collect();
            self.republished.retain(|one, again| now < again.rest_until || there.contains(one));
        }
        // Asked last: an outcome that arrived meanwhile is there to be seen.
        if sought.is_empty() || fleet.broker.depth(CALLBACKS).await?.ready > 0 {
            return Ok(Vec::new());
        }
        let attempts: Vec<Attempt> = sought.iter().map(attempt).collect();
        match fleet.coordination.held_leases(&attempts).await {
            Ok(held) => Ok(sought.into_iter().zip(held).filter(|(_, held)| !held).map(|(one, _)| one).collect()),
            Err(error) => {
                tracing::debug!(error = %error, "nobody can say which jobs are in hand, so none is taken for lost");
                Ok(Vec::new())
            }
        }
    }

    async fn publish_again(&mut self, fleet: &Fleet, lost: &[HandedOut], now: Timestamp) -> Result<usize, Error> {
        let mut republished = 0;
        for batch in lost.chunks(BATCH) {
            let jobs = fleet.ledger.hand_out_again(batch, now).await?;
            for job in &jobs {
                let again = self.republished.entry((job.task_run_id, job.attempt));
                let again = again.or_insert(Republished { times: 0, rest_until: now });
                again.times += 1;
                // Longer each time: it may be slow to be started, or poison.
                again.rest_until = now + SETTLED * 2_i32.saturating_pow(again.times);
            }
            republished += jobs.len();
            counter!("flotilla_jobs_republished_total").increment(jobs.len() as u64);
            fleet.publish(jobs, Occasion::Continuation).await?;
        }
        if republished > 0 {
            let mut queues: Vec<&str> = lost.iter().map(|one| one.queue.as_str()).collect();
            queues.sort_unstable();
            queues.dedup();
            tracing::warn!(
                jobs = republished,
                queues = queues.join(","),
                "the broker has lost jobs; they are published again"
            );
        }
        Ok(republished)
    }
}

/// Counts attempts as failed whose job vanishes each time it is published; the retry policy says what comes next.
async fn give_up(fleet: &Fleet, hopeless: Vec<HandedOut>, now: Timestamp) -> Result<(), Error> {
    if hopeless.is_empty() {
        return Ok(());
    }
    tracing::error!(jobs = hopeless.len(), "jobs vanish each time they are published; their attempts are given up");
    let event = |one: HandedOut| -> (RunId, Event) {
        let error = TaskError::transient(
            "job_lost",
            format!("The job vanished from queue {:?} each of the {TRIES} times it was published again.", one.queue),
        );
        (one.run_id, Event::Lost { task_run: one.task_run_id, attempt: one.attempt, error })
    };
    let applied = fleet.ledger.apply(hopeless.into_iter().map(event).collect(), now).await?;
    fleet.carry_out(applied).await
}

fn attempt(one: &HandedOut) -> Attempt {
    (one.task_run_id, one.attempt)
}
