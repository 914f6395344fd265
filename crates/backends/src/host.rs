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
use broker::{Broker, Buried, Consumer, Delivery, Depth, Message, Replayed, Selection, Settle, Verdict};
use protocol::workflow::queues::CALLBACKS;
use protocol::{Backend as Name, Callback, Job, TaskError, TaskRunId, TaskState};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::desk::{Begun, Desk, Standing, Turn};
use crate::port::Error;
use calls::{Calls, Means};

mod calls;

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
            (Some(Verdict::Requeue { .. } | Verdict::Reject { .. }) | None, None) => Ending::again(PAUSE),
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

/// A worker's broker, with the jobs of other engines among those of its queues, and a way back for their outcomes.
pub struct Hosting {
    native: Arc<dyn Broker>,
    intake: Intake,
}

impl Hosting {
    /// The same broker with what arrives at the intake.
    #[must_use]
    pub fn new(native: Arc<dyn Broker>, intake: Intake) -> Self {
        Self { native, intake }
    }
}

/// Two sources of deliveries of one queue.
struct Both {
    native: Box<dyn Consumer>,
    native_open: bool,
    line: Line,
}

#[async_trait]
impl Consumer for Both {
    async fn next(&mut self) -> Option<Delivery> {
        let hosted = async { self.line.receiver.lock().await.recv().await };
        if !self.native_open {
            return None;
        }
        tokio::select! {
            delivery = self.native.next() => {
                self.native_open = delivery.is_some();
                delivery
            }
            delivery = hosted => delivery,
        }
    }
}

#[async_trait]
impl Broker for Hosting {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), broker::Error> {
        if self.intake.is_idle() {
            return self.native.publish(messages).await;
        }
        let mut rest = Vec::with_capacity(messages.len());
        for message in messages {
            if message.queue != CALLBACKS {
                rest.push(message);
                continue;
            }
            let Ok(callbacks) = protocol::wire::decode_batch::<Callback>(&message.body) else {
                rest.push(message);
                continue;
            };
            let all = callbacks.len();
            let expected = callbacks.into_iter().filter(|callback| !self.intake.calls.keep(callback));
            let (hosted, others): (Vec<_>, Vec<_>) = expected.partition(|callback| self.intake.is_in_hand(callback));
            if others.len() == all {
                rest.push(message);
                continue;
            }
            for callback in hosted {
                self.intake.report(callback).await?;
            }
            if !others.is_empty() {
                let body = protocol::wire::encode_batch(others.iter().map(protocol::wire::encode).collect());
                rest.push(Message { body, ..message });
            }
        }
        if rest.is_empty() { Ok(()) } else { self.native.publish(rest).await }
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, broker::Error> {
        let native = self.native.consume(queue, prefetch).await?;
        Ok(Box::new(Both { native, native_open: true, line: self.intake.line(queue) }))
    }

    async fn offer(&self, queues: &[String]) -> Result<(), broker::Error> {
        self.native.offer(queues).await
    }

    fn queues(&self) -> Vec<String> {
        self.native.queues()
    }

    async fn consume_preferred(
        &self,
        queue: &str,
        consumer: &str,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, broker::Error> {
        self.native.consume_preferred(queue, consumer, prefetch).await
    }

    async fn depth(&self, queue: &str) -> Result<Depth, broker::Error> {
        self.native.depth(queue).await
    }

    async fn consumers(&self, queue: &str) -> Result<u64, broker::Error> {
        self.native.consumers(queue).await
    }

    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, broker::Error> {
        self.native.dead_letters(skip, limit).await
    }

    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, broker::Error> {
        self.native.replay_dead_letters(selection).await
    }

    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, broker::Error> {
        self.native.drop_dead_letters(selection).await
    }

    fn sees_all_consumers(&self) -> bool {
        self.native.sees_all_consumers()
    }

    fn strict_priorities(&self) -> bool {
        self.native.strict_priorities()
    }

    fn settle_within(&self) -> Option<Duration> {
        self.native.settle_within()
    }
}
