//! How tasks that another engine hands out get to the handlers of a worker, and their ends back to that engine.
//!
//! To the worker an engine is one more source of deliveries: [`Hosting`] is the worker's broker with the jobs of an
//! [`Intake`] among those of its queues. So limits, leases, panics, progress and drain are the same as everywhere, and
//! handlers run unchanged. An adapter calls [`Intake::serve`] for every task that its engine hands out and tells the engine
//! what that returns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker::{Delivery, Message, Settle, Verdict};
use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::{Backend as Name, Callback, Job, Outcome, TaskError, TaskRunId, TaskState};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::desk::{Begun, Desk, Standing, Turn};
use crate::port::Error;
use calls::{Calls, Means};

pub use hosting::Hosting;

mod calls;
mod hosting;

/// How long before an engine asks again when nobody could be asked, or somebody else has the attempt in hand.
const PAUSE: Duration = Duration::from_secs(1);

/// The header that counts how often a job went back to its queue because whoever took it does not serve its task.
pub const PASSED_ON: &str = "passed-on";

/// What polls an engine for tasks, or is called by it. One file per implementation, beside its backend.
#[async_trait]
pub trait Host: Send + Sync {
    /// Of which engine.
    fn name(&self) -> Name;

    /// Whether it asks the desk of the intake. One whose engine hands out whole jobs does not.
    fn needs_desk(&self) -> bool {
        true
    }

    /// Takes tasks of these queues and passes each through [`Intake::serve`], until `stop`; then takes no more and returns
    /// when those in hand have ended. Losing the engine is no end: it reconnects.
    ///
    /// # Errors
    /// [`Error`] when the engine refuses what trying again does not help.
    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error>;
}

/// What a worker offers to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Who it is; unique per process start.
    pub name: String,
    /// The queues whose tasks it takes.
    pub queues: Vec<String>,
    /// How many tasks it may have in hand.
    pub concurrency: usize,
}

/// How a task ended here, for the engine that handed it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// It is final on record: succeeded, failed, skipped or cancelled.
    Ended(Standing),
    /// It is to be handed out again after this time: a retry, a snooze, a parent that is not on record yet, a worker that
    /// shuts down. The error is there when an attempt failed.
    Again {
        /// When.
        after: Duration,
        /// Why, for the engine's dashboard.
        error: Option<TaskError>,
    },
}

/// Where adapters hand in what their engines hand out.
#[derive(Clone)]
pub struct Intake {
    desk: Arc<dyn Desk>,
    lines: Arc<Mutex<HashMap<String, Line>>>,
    in_hand: Arc<Mutex<HashMap<Attempt, InHand>>>,
    calls: Calls,
    means: Option<Means>,
    closed: CancellationToken,
}

/// An attempt that this intake has in hand. An engine that lost sight of it hands it out once more, maybe to the same process.
#[derive(Default)]
struct InHand {
    /// How many wait for its end.
    waiting: u32,
    /// How the task stands after the attempt, once its end was reported.
    standing: Option<Standing>,
}

type Attempt = (TaskRunId, u32);

/// Deliveries of one queue on their way to the worker's consumers.
#[derive(Clone)]
struct Line {
    sender: mpsc::UnboundedSender<Delivery>,
    receiver: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Delivery>>>,
}

impl Line {
    fn new() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, receiver: Arc::new(tokio::sync::Mutex::new(receiver)) }
    }
}

impl Intake {
    /// An intake that asks this desk.
    #[must_use]
    pub fn new(desk: Arc<dyn Desk>) -> Self {
        Self {
            desk,
            lines: Arc::default(),
            in_hand: Arc::default(),
            calls: Calls::default(),
            means: None,
            closed: CancellationToken::new(),
        }
    }

    /// The desk that it asks.
    #[must_use]
    pub fn desk(&self) -> &Arc<dyn Desk> {
        &self.desk
    }

    /// Has a task done by the worker. Returns when its end is on record, or the engine has to come again. It waits for a free
    /// slot and for the handler, so the adapter keeps its engine patient meanwhile (heartbeats); dropping it leaves the
    /// attempt to the worker.
    pub async fn serve(&self, turn: &Turn) -> Ending {
        let job = match self.desk.begin(turn).await {
            Ok(Begun::Work { job }) => *job,
            Ok(Begun::Stands(standing)) => return Ending::of(standing),
            Err(away) => {
                tracing::warn!(run.id = %turn.run_id, task.name = %turn.task, error = %away, "a task is put off");
                return Ending::again(PAUSE);
            }
        };
        let attempt = (job.task_run_id, job.attempt);
        let held = Held::new(&self.in_hand, attempt);
        let verdict = self.hand_in(&job).await;
        match (verdict, held.standing()) {
            (_, Some(standing)) => Ending::of(standing),
            // Somebody else has it in hand, or nobody wants it any more.
            (Some(Verdict::Ack), None) => match self.desk.begin(turn).await {
                Ok(Begun::Stands(standing)) => Ending::of(standing),
                Ok(Begun::Work { .. }) | Err(_) => Ending::again(PAUSE),
            },
            (Some(Verdict::Requeue { .. } | Verdict::Reject { .. }) | None, None) => self.give_back(job).await,
        }
    }

    /// Puts on record that an attempt ended without fault: its worker shuts down, or could not report. It counts against nothing,
    /// neither as a failure nor as one of the beginnings that make poison.
    async fn give_back(&self, job: Job) -> Ending {
        let now = Timestamp::now();
        let callback = Callback {
            v: WIRE_VERSION,
            run_id: job.run_id,
            task_run_id: job.task_run_id,
            attempt: job.attempt,
            worker: String::new(),
            outcome: Outcome::Snooze { after_ms: 0, state: job.state },
            started_at: now,
            ended_at: now,
            usage: Usage::default(),
        };
        match self.desk.report(callback).await {
            Ok(standing) => Ending::of(standing),
            Err(away) => {
                tracing::warn!(run.id = %job.run_id, task.name = %job.task, error = %away, "a task is put off");
                Ending::again(PAUSE)
            }
        }
    }

    /// Has a job done by the worker and returns what the worker made of its delivery; `None` when it dropped it. For an engine
    /// that hands out whole jobs, whose outcomes go the usual way.
    pub async fn hand_in(&self, job: &Job) -> Option<Verdict> {
        let (settled, verdict) = oneshot::channel();
        self.deliver(job, Box::new(Settling(settled)))?;
        tokio::select! {
            verdict = verdict => verdict.ok(),
            // Whoever has it in hand has settled it by then.
            () = self.closed.cancelled() => None,
        }
    }

    /// Puts a job among those of its queue; `None` when nobody takes any more.
    fn deliver(&self, job: &Job, settle: Box<dyn Settle>) -> Option<()> {
        let id = format!("{}:{}", job.task_run_id, job.attempt);
        // There is no queue that it could be passed on to: what is not served here fails by name, and its engine tries again.
        let message =
            Message::new(job.queue.clone(), id, protocol::wire::encode(job)).header(PASSED_ON, u32::MAX.to_string());
        self.line(&job.queue).sender.send(Delivery::new(message, 0, settle)).ok()
    }

    /// The worker has ended and takes nothing more: what is handed in goes back to its engine.
    pub async fn close(&self) {
        let lines: Vec<Line> = self.lines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for line in lines {
            let mut receiver = line.receiver.lock().await;
            receiver.close();
            while receiver.try_recv().is_ok() {}
        }
        self.closed.cancel();
    }

    fn line(&self, queue: &str) -> Line {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(queue.to_owned()).or_insert_with(Line::new).clone()
    }

    fn is_idle(&self) -> bool {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).is_empty() && self.calls.is_empty()
    }

    fn is_in_hand(&self, callback: &Callback) -> bool {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.contains_key(&(callback.task_run_id, callback.attempt))
    }

    async fn report(&self, callback: Callback) -> Result<(), broker::Error> {
        let attempt = (callback.task_run_id, callback.attempt);
        let reported = self.desk.report(callback).await;
        let standing = reported.map_err(|away| broker::Error::Unavailable(away.to_string()))?;
        if let Some(kept) = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&attempt) {
            kept.standing = Some(standing);
        }
        Ok(())
    }
}

/// Somebody who waits for the end of an attempt, until dropped.
struct Held<'a> {
    in_hand: &'a Mutex<HashMap<Attempt, InHand>>,
    attempt: Attempt,
}

impl<'a> Held<'a> {
    fn new(in_hand: &'a Mutex<HashMap<Attempt, InHand>>, attempt: Attempt) -> Self {
        in_hand.lock().unwrap_or_else(PoisonError::into_inner).entry(attempt).or_default().waiting += 1;
        Self { in_hand, attempt }
    }

    /// How the task stands after the attempt, if its end was reported.
    fn standing(&self) -> Option<Standing> {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.get(&self.attempt)?.standing.clone()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = in_hand.get_mut(&self.attempt) {
            kept.waiting -= 1;
            if kept.waiting == 0 {
                in_hand.remove(&self.attempt);
            }
        }
    }
}

impl Ending {
    fn of(standing: Standing) -> Self {
        match standing.again_in {
            _ if standing.task.is_final() => Self::Ended(standing),
            Some(after) => {
                let failed = standing.task == TaskState::Waiting;
                Self::Again { after, error: standing.error.filter(|_| failed) }
            }
            None => Self::again(PAUSE),
        }
    }

    const fn again(after: Duration) -> Self {
        Self::Again { after, error: None }
    }
}

/// Tells the adapter what became of its delivery; a dropped one tells by its silence.
struct Settling(oneshot::Sender<Verdict>);

#[async_trait]
impl Settle for Settling {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), broker::Error> {
        // Nobody waits any more: the engine took the task back.
        let _gone = self.0.send(verdict);
        Ok(())
    }

    fn abandon(self: Box<Self>) {}
}
