//! The durable record of runs, task runs, attempts, timers and usage: the result store.
//!
//! [`Ledger`] is the port; one file per implementation. What happens next is decided by `engine`; a ledger stores it
//! and hands out the jobs that became ready. Every implementation passes the same suite, the module
//! `conformance` (behind the feature of that name).
//!
//! # The outbox
//!
//! A job must reach the broker exactly when the decision to release it is recorded, but no transaction spans both.
//! So the record itself is the outbox: a task run in state `queued` whose current attempt carries no publication
//! mark is a job that is not known to be on the broker. It gets there on two ways:
//!
//! 1. The caller of [`Ledger::admit`], [`Ledger::apply`] or [`Ledger::record`] publishes the jobs that it was handed
//!    and then calls [`Ledger::mark_published`].
//! 2. A sweeper publishes what [`Ledger::unpublished`] finds: jobs whose first publisher died in between.
//!
//! A broker that lost messages is the other way to a job that nobody has: the mark stands and the job is gone. Who finds
//! such jobs ([`Ledger::handed_out`]) hands them out again ([`Ledger::hand_out_again`]).
//!
//! Whoever dies between publishing and marking causes a second delivery, never a lost one. Both deliveries carry
//! the same attempt number, and of an attempt only the first end is recorded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::Event;
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::{Backend, Callback, Job, Lifecycle, RunId, TaskRunId, TenantId, Workflow};

mod again;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod events;
mod exchange;
mod fair;
mod filter;
mod fold;
mod keys;
mod notices;
mod operations;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod records;
mod schedules;
pub mod sqlite;
mod unreadable;
mod usage;
mod values;
mod views;
mod wide;

pub use again::{Refused, Retry, StartedEach};
pub use engine::NotAgain;
pub use error::Error;
pub use exchange::{Applied, EndedRun, HandedOut, Line, NewRun, Share, Started, Submitted, Window};
pub use filter::RunFilter;
pub use notices::Notice;
pub use operations::{ActiveTask, Backlog, ScheduledTask, TaskPlace, Wait};
pub use records::Records;
pub use schedules::{Firing, Misfire, Schedule};
pub use usage::{Consumed, DayUsage, RunUsage};
pub use views::{AttemptRecord, RunEvents, RunRecord, RunSummary, UnderWay};

/// The durable record of everything that runs.
#[async_trait]
pub trait Ledger: Records + Send + Sync {
    /// Makes a workflow known; later submissions name it. Storing the same name and version again is harmless.
    ///
    /// # Errors
    /// [`Error::WorkflowChanged`] when that name and version is already known with other tasks.
    async fn register(&self, workflow: &Workflow) -> Result<(), Error>;

    /// The latest version of every workflow, by name.
    ///
    /// # Errors
    /// When the store fails.
    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Error>;

    /// The latest version of a workflow: what a submission now would use.
    ///
    /// # Errors
    /// When the store fails.
    async fn workflow(&self, name: &str) -> Result<Option<Arc<Workflow>>, Error>;

    /// Records new runs in one transaction, queued for admission. A run whose tenant has already used its
    /// idempotency key is not recorded again: the earlier run's id is returned with `created == false`.
    ///
    /// # Errors
    /// [`Error::UnknownWorkflow`], [`Error::IdempotencyConflict`] when the key was used with another workflow or input.
    async fn submit(&self, runs: Vec<NewRun>, now: Timestamp) -> Result<Vec<Submitted>, Error>;

    /// The runs that a tenant's idempotency keys have started, by key; keys that started none are left out.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs_by_key(&self, tenant: &TenantId, keys: &[String]) -> Result<HashMap<String, RunId>, Error>;

    /// Admits up to `limit` queued runs and returns the jobs that became ready: higher priorities first, tenants in
    /// turns according to their weights, and the runs of one tenant in the order of their submission. A tenant at its
    /// limit waits until one of its runs ends.
    ///
    /// # Errors
    /// When the store fails.
    async fn admit(&self, limit: usize, now: Timestamp) -> Result<Vec<Job>, Error>;

    /// Whether runs wait for admission, and how many more may be released so that no more tasks than the window has are
    /// handed out: released and not ended. Children of mapped tasks are not counted, since their run is under way.
    ///
    /// # Errors
    /// When the store fails.
    async fn line(&self, window: &Window) -> Result<Line, Error>;

    /// Records new runs as [`Self::submit`] does and, when nobody waits in line, releases as many of them as the window
    /// allows: a submission without competition waits for nothing and is stored once. Runs that are left in line are
    /// for [`Self::admit`].
    ///
    /// # Errors
    /// As for [`Self::submit`].
    async fn start(&self, runs: Vec<NewRun>, window: &Window, now: Timestamp) -> Result<Started, Error> {
        let submitted = self.submit(runs, now).await?;
        let line = self.line(window).await?;
        let jobs = if line.waiting && line.room > 0 { self.admit(line.room, now).await? } else { Vec::new() };
        Ok(Started { submitted, jobs })
    }

    /// Records new runs as [`Self::start`] does, but each for itself: one that is refused leaves the others alone.
    ///
    /// # Errors
    /// [`Error::UnknownWorkflow`]; then none is recorded.
    async fn start_each(&self, runs: Vec<NewRun>, window: &Window, now: Timestamp) -> Result<StartedEach, Error>;

    /// Records runs that do earlier ones of that tenant again, with the same workflow in the same version, input and
    /// priority: what succeeded in the earlier run is taken over ([`engine::Run::again`]). Each is for itself, and is
    /// released as by [`Self::start`].
    ///
    /// # Errors
    /// When the store fails; then none is recorded.
    async fn retry(
        &self,
        tenant: &TenantId,
        retries: Vec<Retry>,
        window: &Window,
        now: Timestamp,
    ) -> Result<StartedEach, Error>;

    /// Sets what a tenant may use, from now on; every other tenant has the default share.
    ///
    /// # Errors
    /// When the store fails.
    async fn set_share(&self, tenant: &TenantId, share: Share) -> Result<(), Error>;

    /// Applies events in order, all in one transaction, and returns what happened per run.
    ///
    /// # Errors
    /// When the store fails. An event for an unknown run is reported as [`Applied`] without actions.
    async fn apply(&self, events: Vec<(RunId, Event)>, now: Timestamp) -> Result<Vec<Applied>, Error>;

    /// Records what callbacks carry besides their outcome (attempt history, usage) and applies them.
    /// A repeated callback records nothing twice.
    ///
    /// # Errors
    /// When the store fails.
    async fn record(&self, callbacks: Vec<Callback>, now: Timestamp) -> Result<Vec<Applied>, Error>;

    /// Jobs whose task run is queued and that were released at least `age` ago but never marked as published; those of runs
    /// on the backends in `without` are left out.
    ///
    /// # Errors
    /// When the store fails.
    async fn unpublished(
        &self,
        age: Duration,
        without: &[Backend],
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Job>, Error>;

    /// Marks jobs as published, unless a newer attempt exists.
    ///
    /// # Errors
    /// When the store fails.
    async fn mark_published(&self, jobs: &[(TaskRunId, u32)], now: Timestamp) -> Result<(), Error>;

    /// Forgets every publication mark of jobs that have not ended: after the loss of a broker that kept nothing,
    /// the outbox holds them again, those reported as started too (they are `queued` again, under the same attempt).
    /// Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    async fn forget_published(&self) -> Result<u64, Error>;

    /// Attempts that were handed out to our own workers before a time and have not ended: published, or reported as started.
    /// Those of runs on other backends, of tasks that Celery does, and of the queues in `except` are left out. The oldest
    /// first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn handed_out(&self, before: Timestamp, except: &[String], limit: usize) -> Result<Vec<HandedOut>, Error>;

    /// Returns the jobs of these attempts for whoever publishes them again; those reported as started are `queued` again,
    /// under the same attempt. Attempts that have ended or were followed by another are passed over.
    ///
    /// They are marked as published now, so that no sweeper publishes them too. Whoever dies before publishing leaves a
    /// job that is lost as it was before.
    ///
    /// # Errors
    /// When the store fails.
    async fn hand_out_again(&self, attempts: &[HandedOut], now: Timestamp) -> Result<Vec<Job>, Error>;

    /// Runs that are under way on these backends, of whatever tenant, admitted before a time; in the order of their ids, those
    /// behind `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn under_way(
        &self,
        backends: &[Backend],
        before: Timestamp,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<UnderWay>, Error>;

    /// Events whose time has come: timers, deadlines of runs, queue waits; at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn due(&self, limit: usize, now: Timestamp) -> Result<Vec<(RunId, Event)>, Error>;

    /// When the next of them, or the next schedule, is due.
    ///
    /// # Errors
    /// When the store fails.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;

    /// Records a schedule, or replaces what was recorded under that tenant and name; what it last did is kept.
    ///
    /// # Errors
    /// When the store fails.
    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error>;

    /// A schedule, if that tenant has it.
    ///
    /// # Errors
    /// When the store fails.
    async fn schedule(&self, tenant: &TenantId, name: &str) -> Result<Option<Schedule>, Error>;

    /// The schedules of a tenant, by name.
    ///
    /// # Errors
    /// When the store fails.
    async fn schedules(&self, tenant: &TenantId) -> Result<Vec<Schedule>, Error>;

    /// Removes a schedule; says whether there was one. Its runs stay.
    ///
    /// # Errors
    /// When the store fails.
    async fn remove_schedule(&self, tenant: &TenantId, name: &str) -> Result<bool, Error>;

    /// Schedules whose time has come, of whatever tenant, the longest overdue first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn due_schedules(&self, limit: usize, now: Timestamp) -> Result<Vec<Schedule>, Error>;

    /// Records the runs of a schedule whose time has come and moves it on to its next time, all in one transaction.
    /// `None` when somebody else did so before, or changed it: then nothing is recorded.
    ///
    /// # Errors
    /// As for [`Ledger::submit`].
    async fn fire(&self, firing: Firing, now: Timestamp) -> Result<Option<Vec<Submitted>>, Error>;

    /// Runs that ended and whose owners have to be told, of whatever tenant, the longest ended first, at most `limit`.
    /// Costs nothing for other runs.
    ///
    /// # Errors
    /// When the store fails.
    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, Error>;

    /// Notes that the owners of these runs were told.
    ///
    /// # Errors
    /// When the store fails.
    async fn clear_notices(&self, runs: &[RunId]) -> Result<(), Error>;

    /// A run with its task runs, if that tenant has it.
    ///
    /// # Errors
    /// When the store fails.
    async fn run(&self, tenant: &TenantId, id: RunId) -> Result<Option<RunRecord>, Error>;

    /// Those of a tenant's runs that the filter means, newest first, at most `limit`, older than `before`.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunSummary>, Error>;

    /// What a tenant consumed from one day to another, both included, by day and model. It was counted in the transaction
    /// that recorded the attempts, so it has every attempt once, and it stays when runs are forgotten.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage(&self, tenant: &TenantId, from: Date, to: Date) -> Result<Vec<DayUsage>, Error>;

    /// What each of these runs consumed, as far as that tenant has them; those that consumed nothing may be missing.
    ///
    /// # Errors
    /// When the store fails.
    async fn usage_of(&self, tenant: &TenantId, runs: &[RunId]) -> Result<BTreeMap<RunId, RunUsage>, Error>;

    /// Keeps what was told about runs. Per run, later batches get higher numbers, and whoever has seen a number will
    /// never see a lower one appear, however many processes record at once.
    ///
    /// Of one batch, what stands there twice is kept once, of several reports of an attempt's progress the last one
    /// is kept, and the end of a run comes after everything else about it. The commit is not waited for: a power
    /// failure may cost the last moments' events, never anything of a run.
    ///
    /// # Errors
    /// When the store fails; then none is kept.
    async fn record_events(&self, events: &[Lifecycle], now: Timestamp) -> Result<(), Error>;

    /// What was told about a tenant's run after that number, in order, at most `limit`, and where the run stands at
    /// the same moment; `None` when that tenant has no such run.
    ///
    /// # Errors
    /// When the store fails.
    async fn events(&self, tenant: &TenantId, run: RunId, after: u64, limit: usize)
    -> Result<Option<RunEvents>, Error>;

    /// Task runs whose job is on the broker or with a worker, of one tenant or of all; the longest released first, at
    /// most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn active(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ActiveTask>, Error>;

    /// Task runs that wait for their timer, of one tenant or of all; the next due first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    async fn scheduled(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ScheduledTask>, Error>;

    /// What there is to do, by queue; queues with nothing to do may be missing. Costs as much as there is in hand.
    ///
    /// # Errors
    /// When the store fails.
    async fn backlog(&self) -> Result<BTreeMap<String, Backlog>, Error>;

    /// The tenants with runs that wait for admission and since when the oldest of each does: the longest wait first, at
    /// most `limit`. Costs as much as there is queued.
    ///
    /// # Errors
    /// When the store fails.
    async fn longest_queued(&self, limit: usize) -> Result<Vec<(TenantId, Timestamp)>, Error>;
}
