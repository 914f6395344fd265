//! Runs one delivered job from lease to acknowledgement. The only place that acknowledges, times out, catches
//! panics and opens spans.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use backends::spans::{self, Attempt};
use broker::{Delivery, Verdict};
use jiff::Timestamp;
use protocol::message::WIRE_VERSION;
use protocol::{Callback, ErrorClass, Job, LifecycleEvent, Outcome, Payload, RunId, TaskError};
use serde_json::Value;
use service::traces::Traces;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::context::{Context, store_failed};
use crate::handler::{AnyHandler, Stop};
use crate::in_flight::InFlight;
use crate::leases::{Claim, Leases};
use crate::lists::Lists;
use crate::metrics;
use crate::reporter::{Reporter, Reports};
use crate::restraint::Restraint;
use crate::returns::Returns;
use crate::time_limits::TimeLimits;
use crate::unserved::{may_be_passed_on, pass_on};
use crate::worker::Ports;

/// An attempt that ends within this is reported when it ends, not when it starts.
const QUICK: Duration = Duration::from_millis(100);

/// Why an attempt was given up whose run was cancelled.
const RUN_CANCELLED: &str = "its run was cancelled";

/// Everything needed to run any job of this worker.
pub(crate) struct Runner {
    pub(crate) ports: Ports,
    pub(crate) handlers: HashMap<&'static str, Arc<dyn AnyHandler>>,
    pub(crate) leases: Leases,
    pub(crate) returns: Returns,
    pub(crate) reporter: Reporter,
    pub(crate) lists: Arc<Lists>,
    pub(crate) name: Arc<str>,
    /// How long an attempt may take here, whatever its task allows.
    pub(crate) limits: TimeLimits,
    pub(crate) in_flight: InFlight,
    pub(crate) traces: Traces,
}

/// How the worker as a whole is asked to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain {
    /// Handlers should come to an end.
    pub(crate) soft: CancellationToken,
    /// The grace period is over: handlers are aborted and their jobs handed back.
    pub(crate) hard: CancellationToken,
}

/// What may end an attempt from outside.
struct Signals {
    hard_deadline: watch::Receiver<Instant>,
    cancellations: broadcast::Receiver<RunId>,
    lost: CancellationToken,
}

/// What became of an attempt.
enum End {
    /// The fleet is told this.
    Outcome(Outcome),
    /// Nobody needs the result any more.
    Dropped(&'static str),
    /// The worker shuts down; somebody else will do it.
    HandedBack,
}

impl Runner {
    /// Runs a delivered job in a slot and settles the delivery.
    pub(crate) async fn handle(&self, delivery: Delivery, slot: OwnedSemaphorePermit, drain: &Drain) {
        let verdict = match protocol::wire::decode_job(&delivery.message.body) {
            Ok(job) if !self.handlers.contains_key(job.task.as_str()) && may_be_passed_on(&delivery.message) => {
                drop(slot);
                tracing::debug!(task.name = %job.task, "no handler here, the job is passed on");
                pass_on(self.ports.broker.as_ref(), &delivery.message, &drain.soft).await
            }
            Ok(job) => self.work(Arc::new(self.limited(job)), delivery.redeliveries > 0, drain).await,
            Err(error) => {
                tracing::error!(message.id = %delivery.message.id, error = %error, "an unreadable job goes to the dead letters");
                counter!(metrics::UNREADABLE, "queue" => delivery.message.queue.clone()).increment(1);
                Verdict::Reject { reason: error.to_string() }
            }
        };
        if let Err(error) = delivery.settle(verdict).await {
            tracing::warn!(error = %error, "a job could not be settled and will be delivered again");
        }
    }

    fn limited(&self, job: Job) -> Job {
        Job { timeouts: self.limits.cap(job.timeouts), ..job }
    }

    async fn work(&self, job: Arc<Job>, redelivered: bool, drain: &Drain) -> Verdict {
        let span = tracing::info_span!(
            "task", run.id = %job.run_id, task.name = %job.task, task_run.id = %job.task_run_id, attempt = job.attempt
        );
        self.attempt(job, redelivered, drain).instrument(span).await
    }

    async fn attempt(&self, job: Arc<Job>, redelivered: bool, drain: &Drain) -> Verdict {
        // Listen before asking, so that no cancellation falls in between.
        let cancellations = self.ports.coordination.cancellations();
        let (lease, lost) = match self.leases.claim(&job, redelivered).await {
            Claim::Granted(lease, lost) => (lease, lost),
            Claim::Cancelled => {
                tracing::debug!("the run was cancelled before the task started");
                return Verdict::Ack;
            }
            Claim::Duplicate(holder) => {
                tracing::info!(%holder, "a duplicate of a live attempt was dropped");
                counter!(metrics::DUPLICATES, "queue" => job.queue.clone()).increment(1);
                return Verdict::Ack;
            }
        };
        let (started_at, clock) = (Timestamp::now(), Instant::now());
        let _one = self.in_flight.enter();
        let counted = Counted::start(&job, started_at);
        let (context, hard_deadline) = self.context(&job, started_at);
        let signals = Signals { hard_deadline, cancellations, lost };
        let end = self.execute(Arc::clone(&context), signals, drain).await;
        let ended_at = Timestamp::now();
        let span = |outcome, error| Attempt { job: &job, worker: &self.name, started_at, ended_at, outcome, error };
        counted.end(match &end {
            End::Outcome(outcome) => word(outcome),
            End::Dropped(_) => "dropped",
            End::HandedBack => "handed_back",
        });
        let verdict = match end {
            End::Outcome(outcome) => {
                if let Some(why) = complaint(&outcome) {
                    context.reports.report(&job, why);
                }
                let ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.reporter.report(&job, LifecycleEvent::Ended { state: word(&outcome).to_owned(), ms });
                let (how, code) = (word(&outcome), code(&outcome));
                let verdict = self.call_back(&context, outcome, (started_at, ended_at)).await;
                // Otherwise the attempt is made again, and whoever makes it tells.
                if verdict == Verdict::Ack {
                    self.traces.tell(|| spans::of_attempt(span(how, code.as_deref())));
                }
                verdict
            }
            End::Dropped(reason) => {
                if reason == RUN_CANCELLED {
                    self.traces.tell(|| spans::of_attempt(span("cancelled", None)));
                }
                tracing::info!(reason, "the attempt was given up");
                Verdict::Ack
            }
            End::HandedBack => Verdict::Requeue { counted: false },
        };
        if verdict == Verdict::Ack {
            self.leases.forget(&lease);
        } else {
            self.leases.release(&lease).await;
        }
        verdict
    }

    fn context(&self, job: &Arc<Job>, started_at: Timestamp) -> (Arc<Context>, watch::Receiver<Instant>) {
        let (hard_deadline, deadline) = watch::channel(Instant::now() + job.timeouts.hard);
        let context = Context {
            job: Arc::clone(job),
            objects: Arc::clone(&self.ports.objects),
            lists: Arc::clone(&self.lists),
            reports: Reports::new(self.reporter.clone(), started_at),
            restraint: Restraint::default(),
            stopping: CancellationToken::new(),
            hard_deadline,
            latest: self.limits.hard.map(|hard| Instant::now() + hard),
            usage: Mutex::default(),
        };
        (Arc::new(context), deadline)
    }

    /// Runs the handler in a task of its own, so that it can panic and be aborted, and waits for whatever ends it.
    async fn execute(&self, context: Arc<Context>, mut signals: Signals, drain: &Drain) -> End {
        let job = Arc::clone(&context.job);
        let Some(handler) = self.handlers.get(job.task.as_str()).map(Arc::clone) else {
            return End::Outcome(retry(TaskError::transient(
                "task_not_served",
                format!(
                    "no worker that took it from queue {:?} has a handler for task {:?}; the last one, {}, serves {:?}. \
                     Start a worker that serves it, best with a queue of its own",
                    job.queue,
                    job.task,
                    self.name,
                    self.served()
                ),
            )));
        };
        let soft_deadline = job.timeouts.soft.map(|soft| Instant::now() + soft);
        let stopping = context.stopping.clone();
        let running = tokio::spawn(deed(handler, Arc::clone(&context)).in_current_span());
        let mut running = AbortOnDrop(running);
        let (mut told_to_stop, mut listening, mut told_of_start) = (false, true, false);
        let mut quick = std::pin::pin!(tokio::time::sleep(QUICK));
        loop {
            let deadline = *signals.hard_deadline.borrow_and_update();
            tokio::select! {
                ended = &mut running.0 => return match outcome(ended) {
                    // It came to an end because the worker does: that is nobody's failure.
                    Outcome::Retry { .. } if drain.soft.is_cancelled() => End::HandedBack,
                    outcome => End::Outcome(outcome),
                },
                () = tokio::time::sleep_until(deadline) => {
                    return End::Outcome(retry(TaskError::transient(
                        "timeout_hard",
                        format!("task {:?} was stopped after its limit of {:?}", job.task, job.timeouts.hard),
                    )));
                }
                () = &mut quick, if !told_of_start => { told_of_start = true; context.reports.tell_start(&job); }
                // The handler asked for more time: go round with the new deadline.
                Ok(()) = signals.hard_deadline.changed() => {}
                () = soft_limit(soft_deadline), if !told_to_stop => { told_to_stop = true; stopping.cancel(); }
                () = drain.soft.cancelled(), if !told_to_stop => { told_to_stop = true; stopping.cancel(); }
                () = drain.hard.cancelled() => return End::HandedBack,
                () = signals.lost.cancelled() => return End::Dropped("somebody else has its lease"),
                cancelled = signals.cancellations.recv(), if listening => match cancelled {
                    Ok(run) if run == job.run_id => return End::Dropped(RUN_CANCELLED),
                    Ok(_) => {}
                    // Missed some: ask. A coordination store that is away cancels nothing.
                    Err(RecvError::Lagged(_)) => {
                        if self.ports.coordination.is_cancelled(job.run_id).await.unwrap_or(false) {
                            return End::Dropped(RUN_CANCELLED);
                        }
                    }
                    Err(RecvError::Closed) => listening = false,
                },
            }
        }
    }

    async fn call_back(
        &self,
        context: &Context,
        outcome: Outcome,
        (started_at, ended_at): (Timestamp, Timestamp),
    ) -> Verdict {
        let job = &context.job;
        let callback = Callback {
            v: WIRE_VERSION,
            run_id: job.run_id,
            task_run_id: job.task_run_id,
            attempt: job.attempt,
            worker: self.name.to_string(),
            outcome,
            started_at,
            ended_at,
            usage: context.usage.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        match self.returns.send(&callback).await {
            Ok(()) => Verdict::Ack,
            Err(error) => {
                // Not acknowledged, so not lost: the job comes again and its work is repeated.
                tracing::warn!(error, "the outcome could not be reported");
                Verdict::Requeue { counted: false }
            }
        }
    }

    pub(crate) fn served(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.handlers.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

/// An attempt as the metrics see it: in flight until dropped.
struct Counted<'a> {
    job: &'a Job,
    clock: Instant,
}

impl<'a> Counted<'a> {
    fn start(job: &'a Job, now: Timestamp) -> Self {
        let (task, queue) = (job.task.clone(), job.queue.clone());
        let waited = job.queued_at.duration_until(now).as_secs_f64().max(0.0);
        counter!(metrics::STARTED, "task" => task, "queue" => queue.clone()).increment(1);
        histogram!(metrics::QUEUE_WAIT, "queue" => queue.clone()).record(waited);
        gauge!(metrics::IN_FLIGHT, "queue" => queue).increment(1.0);
        Self { job, clock: Instant::now() }
    }

    fn end(self, outcome: &'static str) {
        let (task, queue) = (self.job.task.clone(), self.job.queue.clone());
        histogram!(metrics::DURATION, "task" => task.clone()).record(self.clock.elapsed().as_secs_f64());
        counter!(metrics::ENDED, "task" => task, "queue" => queue, "outcome" => outcome).increment(1);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        gauge!(metrics::IN_FLIGHT, "queue" => self.job.queue.clone()).decrement(1.0);
    }
}

/// Loads the input, runs the handler and puts its output where descendants find it.
async fn deed(handler: Arc<dyn AnyHandler>, context: Arc<Context>) -> Result<Outcome, Stop> {
    let input = context.payload(&context.job.input).await?;
    let input = match (context.job.index, &context.job.map_over) {
        (Some(index), Some(source)) => item(&context, source, index).await?,
        _ => input,
    };
    let output = handler.run(&context, input).await?;
    let fan_out = output.as_array().map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX));
    Ok(Outcome::Done { output: offload(&context, output).await?, fan_out })
}

/// The item of a mapped task's source list that this child works on.
async fn item(context: &Context, source: &str, index: u32) -> Result<Value, TaskError> {
    let missing = || TaskError::permanent("item_missing", format!("task {source:?} left no item number {index}"));
    let Some(protocol::TaskOutput::One(list)) = context.job.outputs.get(source) else {
        return Err(missing());
    };
    context.lists.item(context, list, index as usize).await?.ok_or_else(missing)
}

async fn offload(context: &Context, output: Value) -> Result<Payload, TaskError> {
    let bytes = serde_json::to_vec(&output)
        .map_err(|error| TaskError::permanent("output_invalid", format!("the output cannot be written: {error}")))?;
    if bytes.len() <= Payload::INLINE_LIMIT {
        return Ok(Payload::Inline(output));
    }
    let key = context.key("output.json");
    context.objects.put(&key, &bytes, "application/json").await.map(Payload::Artifact).map_err(store_failed)
}

fn outcome(ended: Result<Result<Outcome, Stop>, JoinError>) -> Outcome {
    match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(Stop::Error(error))) => retry(error),
        Ok(Err(Stop::RetryAfter(error, after))) => {
            Outcome::Retry { error, after_ms: Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)) }
        }
        Ok(Err(Stop::Snooze { after, state })) => {
            Outcome::Snooze { after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX), state }
        }
        Err(failure) if failure.is_panic() => {
            let message = panic_message(failure.into_panic().as_ref());
            tracing::error!(panic = %message, "a handler panicked");
            retry(TaskError::transient("handler_panicked", format!("the handler panicked: {message}")))
        }
        Err(_) => retry(TaskError::transient("handler_aborted", "the handler was aborted")),
    }
}

fn retry(error: TaskError) -> Outcome {
    if error.class == ErrorClass::Permanent {
        Outcome::Fail { error }
    } else {
        Outcome::Retry { error, after_ms: None }
    }
}

/// The line for the run's log that says why an attempt did not succeed.
fn complaint(outcome: &Outcome) -> Option<LifecycleEvent> {
    let (level, error) = match outcome {
        Outcome::Retry { error, .. } => ("warn", error),
        Outcome::Fail { error } => ("error", error),
        Outcome::Done { .. } | Outcome::Snooze { .. } => return None,
    };
    Some(LifecycleEvent::Log { level: level.to_owned(), message: error.to_string() })
}

fn code(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Retry { error, .. } | Outcome::Fail { error } => Some(error.code.clone()),
        Outcome::Done { .. } | Outcome::Snooze { .. } => None,
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done { .. } => "succeeded",
        Outcome::Retry { .. } => "retry",
        Outcome::Fail { .. } => "failed",
        Outcome::Snooze { .. } => "snoozed",
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    text.chars().take(300).collect()
}

async fn soft_limit(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A handler's task that ends with whoever waits for it.
struct AbortOnDrop(JoinHandle<Result<Outcome, Stop>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
