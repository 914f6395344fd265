//! Our own engine as its clients see it: start, status, cancel, watch.
//!
//! The same code serves a fleet of processes and the embedded system; only the ports behind it differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Message, Topology};
use coordination::Coordination;
use engine::{Action, Event};
use jiff::Timestamp;
use ledger::{Applied, Ledger, NewRun, Records, RunEvents, RunFilter, RunRecord, RunSummary, Started, Submitted};
use metrics::{counter, histogram};
use protocol::message::WIRE_VERSION;
use protocol::workflow::InvalidWorkflow;
use protocol::workflow::queues;
use protocol::{Callback, Job, Lifecycle, LifecycleEvent, RunId, RunState, TaskError, TenantId, Workflow};
use service::traces::Traces;
use tokio::sync::broadcast;

use crate::roster::{Roster, Unfit};
use crate::{port, spans};
use elsewhere::Occasion;
use marks::Marks;
use switch::Switch;

mod bulk;
mod desk;
mod elsewhere;
mod lost;
mod marks;
mod notices;
mod operations;
mod poison;
mod schedules;
mod switch;
mod window;

pub use bulk::Meant;
pub use elsewhere::Strays;
pub use lost::{Found, Lost};
pub use notices::Audience;
pub use operations::{QUEUES, QueueState};
pub use poison::Told;
pub use window::Window;

/// How long a cancellation is remembered for workers that ask later.
const CANCELLATION_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many queued runs one call admits at most.
const ADMISSION_BATCH: usize = 256;

/// The fleet, by its ports.
#[derive(Clone)]
pub struct Fleet {
    ledger: Arc<dyn Ledger>,
    broker: Arc<dyn Broker>,
    coordination: Arc<dyn Coordination>,
    window: Window,
    marks: Marks,
    traces: Traces,
    audience: Option<Arc<dyn Audience>>,
    roster: Roster,
    switch: Switch,
}

/// A call to the fleet that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger refused or failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A task may take longer than the broker leaves a job with a worker.
    #[error(
        "task {task:?} may take {hard:?}, and the broker takes a job back after {longest:?}; give it a shorter hard timeout"
    )]
    TooLong {
        /// The task.
        task: String,
        /// Its hard timeout.
        hard: Duration,
        /// The longest there can be.
        longest: Duration,
    },
    /// The workflow cannot be run.
    #[error(transparent)]
    Workflow(#[from] InvalidWorkflow),
    /// The broker is away. What was recorded stays recorded and is published later.
    #[error(transparent)]
    Broker(#[from] broker::Error),
    /// A backend cannot run a workflow.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Another backend did not do what it was asked for.
    #[error(transparent)]
    Backend(#[from] port::Error),
    /// The coordination store is away, and only it knows.
    #[error(transparent)]
    Coordination(#[from] coordination::Error),
}

impl Fleet {
    /// A fleet over these ports.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, broker: Arc<dyn Broker>, coordination: Arc<dyn Coordination>) -> Self {
        let (window, marks, traces) = (Window::default(), Marks::default(), Traces::default());
        let (roster, switch) = (Roster::default(), Switch::default());
        Self { ledger, broker, coordination, window, marks, traces, audience: None, roster, switch }
    }

    /// The same fleet, which hands out no more tasks at a time than this window says.
    #[must_use]
    pub fn with_window(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// The same fleet, which tells about the runs whose end it records.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Makes a workflow known.
    ///
    /// # Errors
    /// When it cannot be run, or the name and version is known with other tasks; [`Error::TooLong`] when a task may take
    /// longer than a job can stay with a worker.
    pub async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        workflow.validate()?;
        if let Some(longest) = self.broker.settle_within()
            && let Some(spec) = workflow.tasks.iter().find(|spec| spec.timeouts.hard > longest)
        {
            return Err(Error::TooLong { task: spec.name.clone(), hard: spec.timeouts.hard, longest });
        }
        let destinations = self.destinations(workflow).await?;
        for backend in &destinations {
            self.roster.fits(*backend, workflow)?;
        }
        self.ledger.register(workflow).await?;
        for backend in destinations {
            self.introduce(backend, workflow).await?;
        }
        Ok(())
    }

    /// The latest version of every workflow, by name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Error> {
        Ok(self.ledger.workflows().await?)
    }

    /// The latest version of a workflow.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn workflow(&self, name: &str) -> Result<Option<Arc<Workflow>>, Error> {
        Ok(self.ledger.workflow(name).await?)
    }

    /// Every queue of the fleet: those that all fleets have, and those that registered workflows name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn queue_names(&self) -> Result<BTreeSet<String>, Error> {
        let workflows = self.ledger.workflows().await?;
        let named = workflows.iter().flat_map(|workflow| workflow.queues());
        Ok(queues::WORK.into_iter().chain(queues::RESERVED).chain(named).map(str::to_owned).collect())
    }

    /// Records runs and releases what may start at once, so that a lone submission waits for no poll.
    ///
    /// # Errors
    /// When a run is refused; then none is recorded.
    pub async fn start(&self, mut runs: Vec<NewRun>) -> Result<Vec<Submitted>, Error> {
        self.address(&mut runs).await;
        let asked_for = runs.len();
        let shadows = self.assign(&mut runs).await?;
        runs.extend(shadows);
        let Started { mut submitted, jobs } = self.ledger.start(runs, &self.window.now(), Timestamp::now()).await?;
        if let Err(error) = self.publish(jobs, Occasion::Release).await {
            // Recorded is promised, published is not: the sweeper does it.
            tracing::warn!(error = %error, "recorded runs could not be published at once");
        }
        submitted.truncate(asked_for);
        Ok(submitted)
    }

    /// The runs that a tenant's idempotency keys have started, by key.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn runs_by_key(&self, tenant: &TenantId, keys: &[String]) -> Result<HashMap<String, RunId>, Error> {
        Ok(self.ledger.runs_by_key(tenant, keys).await?)
    }

    /// Releases queued runs as far as there is room; returns how many jobs became ready.
    ///
    /// # Errors
    /// When the ledger or the broker is away.
    pub async fn admit(&self) -> Result<usize, Error> {
        let line = self.ledger.line(&self.window.now()).await?;
        if !line.waiting || line.room == 0 {
            return Ok(0);
        }
        let jobs = self.ledger.admit(line.room.min(ADMISSION_BATCH), Timestamp::now()).await?;
        let count = jobs.len();
        self.publish(jobs, Occasion::Release).await?;
        Ok(count)
    }

    /// A run with its tasks, if that tenant has it.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn status(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunRecord>, Error> {
        Ok(self.ledger.run(tenant, run).await?)
    }

    /// A tenant's runs, newest first.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, tenant: &TenantId, before: Option<RunId>, limit: usize) -> Result<Vec<RunSummary>, Error> {
        Ok(self.ledger.runs(tenant, &RunFilter::all(), before, limit).await?)
    }

    /// Cancels a run: first on record, then by telling whoever works on it. Returns the state it is in now, or
    /// `None` when the tenant has no such run. A run that has ended stays as it is.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn cancel(&self, tenant: &TenantId, run: RunId, reason: &str) -> Result<Option<RunState>, Error> {
        if self.ledger.run(tenant, run).await?.is_none() {
            return Ok(None);
        }
        let event = Event::Cancel { reason: reason.to_owned() };
        let applied = self.ledger.apply(vec![(run, event)], Timestamp::now()).await?;
        self.carry_out(applied).await?;
        Ok(self.ledger.run(tenant, run).await?.map(|record| record.run.state))
    }

    /// The records beside the runs.
    #[must_use]
    pub fn records(&self) -> Arc<dyn Records> {
        Arc::<dyn Ledger>::clone(&self.ledger)
    }

    /// What was told about a run after that number, and where it stands, if that tenant has it.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn events(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Option<RunEvents>, Error> {
        Ok(self.ledger.events(tenant, run, after, limit).await?)
    }

    /// What happens to all runs from now on. The end of a run is announced twice: at once, and when it is on record.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Lifecycle> {
        self.coordination.announcements()
    }

    /// Fires every timer, deadline and queue-wait limit whose time has come; returns how many.
    ///
    /// # Errors
    /// When the ledger or the broker is away.
    pub async fn fire_due(&self) -> Result<usize, Error> {
        let now = Timestamp::now();
        let due = self.ledger.due(ADMISSION_BATCH, now).await?;
        let count = due.len();
        if count > 0 {
            let applied = self.ledger.apply(due, now).await?;
            self.carry_out(applied).await?;
        }
        Ok(count)
    }

    /// When the next timer, deadline or queue-wait limit is due.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.ledger.next_due().await?)
    }

    /// Publishes jobs that were released at least `age` ago and never reached the broker; returns how many.
    ///
    /// # Errors
    /// When the ledger or the broker is away.
    pub async fn sweep_outbox(&self, age: Duration) -> Result<usize, Error> {
        self.settle().await?;
        let resting = self.roster.resting();
        let jobs = self.ledger.unpublished(age, &resting, ADMISSION_BATCH, Timestamp::now()).await?;
        // What nobody takes stays, and must not be swept again and again.
        let count = self.publish(jobs, Occasion::Release).await?;
        counter!("flotilla_outbox_swept_total").increment(count as u64);
        Ok(count)
    }

    /// Puts every job that has not ended back into the outbox and publishes it: for a broker that kept nothing.
    ///
    /// # Errors
    /// When the ledger or the broker is away.
    pub async fn recover(&self) -> Result<u64, Error> {
        let forgotten = self.ledger.forget_published().await?;
        while self.sweep_outbox(Duration::ZERO).await? > 0 {}
        Ok(forgotten)
    }

    /// Records outcomes. What follows from them is still to be carried out.
    ///
    /// # Errors
    /// When the ledger is away; then nothing is recorded.
    pub async fn record(&self, callbacks: Vec<Callback>) -> Result<Vec<Applied>, Error> {
        let ended: Vec<_> = callbacks.iter().map(|callback| (callback.task_run_id, callback.attempt)).collect();
        let applied = self.ledger.record(callbacks, Timestamp::now()).await?;
        self.window.ended(ended.len() as u64);
        self.marks.ended(ended.into_iter());
        Ok(applied)
    }

    /// Writes down which jobs were published, before a process ends: otherwise they are published again.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn settle(&self) -> Result<(), Error> {
        Ok(self.marks.write(self.ledger.as_ref()).await?)
    }

    /// Does what the engine asked for: publishes jobs, stops work, announces ends.
    ///
    /// # Errors
    /// When the broker is away; the outbox keeps what was not published.
    pub async fn carry_out(&self, applied: Vec<Applied>) -> Result<(), Error> {
        let mut jobs = Vec::new();
        let mut room = false;
        let mut ends = Vec::new();
        for one in applied {
            let (mut aborted, mut over) = (Vec::new(), None);
            for action in &one.actions {
                match action {
                    Action::RunEnded { state } => {
                        room = true;
                        counter!("flotilla_runs_ended_total", "state" => state.as_str()).increment(1);
                        if let Some((tenant, ended)) = one.tenant.as_ref().zip(one.ended.as_ref()) {
                            self.traces.tell(|| spans::of_run(one.run_id, tenant, ended, *state));
                        }
                        ends.extend(self.announce_end(&one, *state).await);
                        over = Some(*state);
                    }
                    Action::Ignored { task_run, reason } => {
                        counter!("flotilla_events_ignored_total", "reason" => reason.as_str()).increment(1);
                        tracing::debug!(run.id = %one.run_id, ?task_run, reason = reason.as_str(), "event changed nothing");
                    }
                    // Jobs come complete in `one.jobs`; timers are kept by the ledger.
                    Action::Publish { .. } | Action::WakeAt { .. } => {}
                    Action::Abort { task_run, attempt } => aborted.push((*task_run, *attempt)),
                }
            }
            self.call_off(one.run_id, aborted);
            if let Some((state, ended)) = over.zip(one.ended.as_ref()) {
                self.stop_elsewhere(one.run_id, ended.backend, state);
            }
            jobs.extend(one.jobs);
        }
        let (published, ()) = tokio::join!(self.publish(jobs, Occasion::Continuation), self.report(ends));
        published?;
        // Whoever is next in line waits for no poll either.
        while room && self.admit().await? > 0 {}
        Ok(())
    }

    /// Has ends of runs put on record among their other events. What is lost here is told by the runs themselves.
    async fn report(&self, ends: Vec<Lifecycle>) {
        let Some(first) = ends.first() else { return };
        let id = first.run_id.to_string();
        let body = protocol::wire::encode_batch(ends.iter().map(protocol::wire::encode).collect());
        let message = Message::new(queues::LOGGING, id, body).transient();
        if let Err(error) = self.broker.publish(vec![message]).await {
            tracing::debug!(error = %error, runs = ends.len(), "the ends of runs were not put among their events");
        }
    }

    async fn announce_end(&self, applied: &Applied, state: RunState) -> Option<Lifecycle> {
        // A run that ended early may still be worked on somewhere.
        if state != RunState::Succeeded
            && let Err(error) = self.coordination.cancel_run(applied.run_id, CANCELLATION_MEMORY).await
        {
            tracing::warn!(run.id = %applied.run_id, error = %error, "workers could not be told to stop");
        }
        let tenant = applied.tenant.clone()?;
        let event = Lifecycle {
            v: WIRE_VERSION,
            run_id: applied.run_id,
            tenant,
            task_run_id: None,
            task: None,
            attempt: None,
            worker: "fleet".to_owned(),
            at: Timestamp::now(),
            event: LifecycleEvent::RunEnded { state },
        };
        if let Err(error) = self.coordination.announce(&event).await {
            tracing::debug!(run.id = %applied.run_id, error = %error, "the end of a run could not be announced");
        }
        Some(event)
    }

    /// The jobs whose queues can be used; such as nobody used before come into being. A job for a queue that the broker
    /// refuses fails its task: left in the outbox, it would hold up all others.
    async fn deliverable(&self, jobs: Vec<Job>) -> Result<Vec<Job>, Error> {
        let names: BTreeSet<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
        let mut refused: BTreeMap<String, String> = BTreeMap::new();
        for name in names {
            match self.broker.offer(&[name.to_owned()]).await {
                Ok(()) => {}
                Err(error @ (broker::Error::UnknownQueue(_) | broker::Error::QueueRefused { .. })) => {
                    tracing::error!(queue = name, error = %error, "jobs cannot be handed out");
                    refused.insert(name.to_owned(), error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if refused.is_empty() {
            return Ok(jobs);
        }
        let (lost, deliverable): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| refused.contains_key(&job.queue));
        let events = lost.iter().map(|job| undeliverable(job, &refused[&job.queue])).collect();
        let applied = self.ledger.apply(events, Timestamp::now()).await?;
        // What follows may go to queues of its own.
        Box::pin(self.carry_out(applied)).await?;
        Ok(deliverable)
    }

    /// Takes jobs to whoever carries them, each beside the others; returns how many have left the outbox.
    async fn publish(&self, jobs: Vec<Job>, occasion: Occasion) -> Result<usize, Error> {
        let own = self.roster.own();
        let (native, foreign): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| self.roster.carrier(job) == own);
        let count = native.len();
        let (published, handed_over) = tokio::join!(self.publish_native(native), self.hand_over(foreign, occasion));
        published?;
        Ok(count + handed_over?)
    }

    async fn publish_native(&self, jobs: Vec<Job>) -> Result<(), Error> {
        if jobs.is_empty() {
            return Ok(());
        }
        let jobs = self.deliverable(jobs).await?;
        let messages = jobs.iter().map(job_message).collect();
        self.broker.publish(messages).await?;
        histogram!("flotilla_outbox_batch_size").record(jobs.len() as f64);
        let published = jobs.iter().map(|job| (job.task_run_id, job.attempt));
        Ok(self.marks.add(&self.ledger, published).await?)
    }
}

/// The queues that every fleet has. Those that only some workflow names are offered when they are first used.
#[must_use]
pub fn topology(delivery_limit: u32) -> Topology {
    Topology {
        queues: queues::WORK.into_iter().chain(queues::RESERVED).map(str::to_owned).collect(),
        dead_letter: queues::DEAD_LETTER.to_owned(),
        delivery_limit,
    }
}

/// The event that ends an attempt whose job cannot be put into any queue.
fn undeliverable(job: &Job, reason: &str) -> (RunId, Event) {
    let message = format!("task {:?} cannot be handed out: {reason}", job.task);
    let error = TaskError::permanent("queue_unusable", message);
    (job.run_id, Event::Lost { task_run: job.task_run_id, attempt: job.attempt, error })
}

fn job_message(job: &Job) -> Message {
    let id = format!("{}:{}", job.task_run_id, job.attempt);
    let message = Message::new(job.queue.clone(), id, protocol::wire::encode(job));
    match &job.preferred {
        Some(worker) => message.prefer(worker.clone()),
        None => message,
    }
}
