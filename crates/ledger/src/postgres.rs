//! The ledger in Postgres: for a fleet of processes that share it.
//!
//! Every operation is one transaction of few statements, each for the whole batch. Whoever changes runs locks them
//! first, in the order of their ids; then the task runs, in the order of theirs; then the tenants, by name. So any
//! number of dispatchers and callbacks workers may work at once, on the same runs too, and none waits in a circle.
//! `docs/adr/0009-postgres-ledger-and-fair-admission.md` has the reasons and the numbers.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::Event;
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::{Backend, Callback, Job, Lifecycle, RunId, TaskRunId, TenantId, Workflow};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};

use crate::again::{self, Batch};
use crate::fold::{Folded, Step, by_run, fold};
use crate::unreadable::{Unreadable, contains};
use crate::usage::tally;
use crate::values::{rows, truncated};
use crate::wide::WideRuns;
use crate::{
    ActiveTask, Applied, Backlog, DayUsage, Error, Firing, HandedOut, Ledger, Line, NewRun, Notice, Retry, RunEvents,
    RunFilter, RunRecord, RunSummary, RunUsage, Schedule, ScheduledTask, Share, Started, StartedEach, Submitted,
    UnderWay, Window,
};

mod admission;
mod begin;
mod connect;
mod events;
mod history;
mod lead;
mod load;
mod migrate;
mod notices;
mod operations;
mod outbox;
mod read;
mod records;
mod schedules;
mod store;
mod submit;
mod tenants;
mod timers;
mod unreadable;
mod usage;
mod values;
mod workflows;

pub use connect::Config;
pub use history::Maintained;
pub use lead::Leadership;
pub use migrate::migrate;

use begin::begin;
use load::Kept;
use workflows::Workflows;

/// A ledger in a schema of a Postgres database.
pub struct PostgresLedger {
    pool: PgPool,
    options: PgConnectOptions,
    workflows: Workflows,
    wide: Mutex<WideRuns<Kept>>,
}

impl fmt::Debug for PostgresLedger {
    /// Without the options: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLedger").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The connections of one process to Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many are open.
    pub open: u32,
    /// How many of them nobody uses.
    pub idle: u32,
}

impl PostgresLedger {
    /// Connects to a database that [`migrate`] has prepared.
    ///
    /// # Errors
    /// [`Error::SchemaOutdated`] and [`Error::SchemaNewer`], or when Postgres is away or refuses.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let options = config.options()?;
        let pool = connect::pool(&config, options.clone()).await?;
        Ok(Self { pool, options, workflows: Workflows::default(), wide: Mutex::default() })
    }

    /// Takes the lead under that name, unless another process has it. Only the leader sweeps: two sweepers would
    /// publish every lost job twice.
    ///
    /// # Errors
    /// When Postgres is away or refuses.
    pub async fn try_lead(&self, name: &str) -> Result<Option<Leadership>, Error> {
        let connection = PgConnection::connect_with(&self.options).await?;
        Ok(lead::try_lead(connection, name).await?)
    }

    /// Deletes runs that ended longer ago than the retention, drops the history of months of which no run is left, and
    /// prepares the coming months. To be called about once an hour, by any process.
    ///
    /// # Errors
    /// When Postgres is away or refuses; what was deleted until then stays deleted.
    pub async fn maintain(&self, retention: Duration, now: Timestamp) -> Result<Maintained, Error> {
        history::maintain(&self.pool, retention, now).await
    }

    /// How many connections this process has open, and how many of them nobody uses now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections { open: self.pool.size(), idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX) }
    }

    /// A transaction that sees one state of the database throughout.
    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, Error> {
        begin(&self.pool, Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await
    }

    /// Takes every run through its steps, in one transaction.
    async fn take(&self, steps: impl IntoIterator<Item = Step>, now: Timestamp) -> Result<Vec<Applied>, Error> {
        let groups = by_run(steps);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RunId> = groups.iter().map(|(run_id, _)| *run_id).collect();
        let mut transaction = begin(&self.pool, None).await?;
        let mut unreadable = Vec::new();
        let locked = load::lock(&mut transaction, &self.workflows, &ids, &mut unreadable).await?;
        self.fold_and_commit(transaction, locked, unreadable, groups, truncated(now)).await
    }

    /// Folds the steps into runs that were just locked, and stores them.
    async fn fold_and_commit(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        mut locked: Vec<Kept>,
        mut unreadable: Vec<Unreadable>,
        groups: Vec<(RunId, Vec<Step>)>,
        now: Timestamp,
    ) -> Result<Vec<Applied>, Error> {
        let outdated = self.recall(&mut locked);
        load::complete(&mut transaction, outdated, &mut unreadable).await?;
        locked.retain(|kept| !contains(&unreadable, kept.loaded.run.id));
        let mut runs: HashMap<RunId, Kept> = locked.into_iter().map(|kept| (kept.loaded.run.id, kept)).collect();

        let mut folds: Vec<(Kept, Folded)> = Vec::with_capacity(groups.len());
        let mut unknown = Vec::new();
        let mut admitted = Vec::new();
        let mut ended = Vec::new();
        for (place, (run_id, steps)) in groups.into_iter().enumerate() {
            let Some(mut kept) = runs.remove(&run_id) else {
                unknown.push((place, Applied::unknown(run_id)));
                continue;
            };
            let (had_started, had_ended) = (kept.loaded.run.started_at.is_some(), kept.loaded.run.state.is_final());
            let folded = fold(&mut kept.loaded, steps, now);
            if !had_started && kept.loaded.run.started_at.is_some() {
                admitted.push((kept.place.priority, kept.place.tag));
            }
            if !had_ended && kept.loaded.run.state.is_final() {
                ended.push(folds.len());
            }
            folds.push((kept, folded));
        }
        store::save(&mut transaction, &mut folds, now).await?;
        let ended: Vec<&Kept> = ended.into_iter().map(|place| &folds[place].0).collect();
        admission::settle(&mut transaction, &ended).await?;
        admission::advance(&mut transaction, admitted).await?;
        let attempts = folds
            .iter()
            .flat_map(|(kept, folded)| folded.attempts.iter().map(|(_, record)| (&kept.loaded.run.tenant, record)));
        usage::add(&mut transaction, &tally(attempts), now).await?;
        transaction.commit().await?;
        self.fail(unreadable, now).await;

        let mut applied = Vec::with_capacity(folds.len() + unknown.len());
        let mut wide = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        for (kept, folded) in folds {
            wide.keep(kept);
            applied.push(folded.applied);
        }
        for (place, report) in unknown {
            applied.insert(place, report);
        }
        Ok(applied)
    }

    /// Fails runs that cannot be read, each for itself: one that cannot even be failed must not hold up the others.
    async fn fail(&self, unreadable: Vec<Unreadable>, now: Timestamp) {
        for one in unreadable {
            let one = std::slice::from_ref(&one);
            let failing = async {
                let mut transaction = begin(&self.pool, None).await?;
                let failed = unreadable::fail(&mut transaction, one, now).await?;
                transaction.commit().await?;
                Ok::<_, Error>(failed)
            };
            match failing.await {
                Ok(failed) => failed.into_iter().for_each(Unreadable::report),
                Err(error) => tracing::error!(error = %error, ?one, "a run can neither be read nor be failed"),
            }
        }
    }

    /// Gives wide runs the task runs that this process remembers of them. Returns the runs that still miss some, with
    /// the revision after which they do; -1 for all. The runs are locked, so nothing changes meanwhile.
    fn recall<'a>(&self, locked: &'a mut [Kept]) -> Vec<(&'a mut Kept, i64)> {
        let mut wide = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outdated = Vec::with_capacity(locked.len());
        for kept in locked {
            // A database that was set back to an earlier state may count revisions again.
            let known = wide.take(kept.loaded.run.id).filter(|known| known.revision <= kept.revision);
            let revision = known.as_ref().map_or(-1, |known| known.revision);
            kept.loaded.run.tasks = known.map(|known| known.loaded.run.tasks).unwrap_or_default();
            if revision < kept.revision {
                outdated.push((kept, revision));
            }
        }
        outdated
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        self.workflows.register(&mut connection, workflow).await
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Error> {
        let mut connection = self.pool.acquire().await?;
        self.workflows.all(&mut connection).await
    }

    async fn workflow(&self, name: &str) -> Result<Option<Arc<Workflow>>, Error> {
        let mut connection = self.pool.acquire().await?;
        let mut found = self.workflows.named(&mut connection, &[name]).await?;
        Ok(found.remove(name))
    }

    async fn runs_by_key(&self, tenant: &TenantId, keys: &[String]) -> Result<HashMap<String, RunId>, Error> {
        let mut connection = self.pool.acquire().await?;
        submit::by_key(&mut connection, tenant, keys).await
    }

    async fn submit(&self, runs: Vec<NewRun>, now: Timestamp) -> Result<Vec<Submitted>, Error> {
        Ok(self.start(runs, &Window::of(0), now).await?.submitted)
    }

    async fn start(&self, runs: Vec<NewRun>, window: &Window, now: Timestamp) -> Result<Started, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let started = submit::submit(&mut transaction, &self.workflows, runs.into(), window, truncated(now)).await?;
        transaction.commit().await?;
        Ok(Started { submitted: started.runs.into_iter().flatten().collect(), jobs: started.jobs })
    }

    async fn start_each(&self, runs: Vec<NewRun>, window: &Window, now: Timestamp) -> Result<StartedEach, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let batch = Batch::each(runs);
        let started = submit::submit(&mut transaction, &self.workflows, batch, window, truncated(now)).await?;
        transaction.commit().await?;
        Ok(started)
    }

    async fn retry(
        &self,
        tenant: &TenantId,
        retries: Vec<Retry>,
        window: &Window,
        now: Timestamp,
    ) -> Result<StartedEach, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let (mut unreadable, now) = (Vec::new(), truncated(now));
        let of: Vec<RunId> = retries.iter().map(|retry| retry.of).collect();
        let earlier = load::earlier(&mut transaction, &self.workflows, tenant, &of, &mut unreadable).await?;
        let (batch, refused) = again::decide(retries, &earlier, &unreadable, now);
        let started = submit::submit(&mut transaction, &self.workflows, batch, window, now).await?;
        transaction.commit().await?;
        Ok(StartedEach { runs: again::answers(refused, started.runs), jobs: started.jobs })
    }

    async fn line(&self, window: &Window) -> Result<Line, Error> {
        let mut connection = self.pool.acquire().await?;
        admission::line(&mut connection, window).await
    }

    async fn admit(&self, limit: usize, now: Timestamp) -> Result<Vec<Job>, Error> {
        let mut connection = self.pool.acquire().await?;
        admission::release(&mut connection).await?;
        drop(connection);
        let mut transaction = begin(&self.pool, None).await?;
        let mut unreadable = Vec::new();
        let next = load::lock_next(&mut transaction, &self.workflows, rows(limit), &mut unreadable).await?;
        let groups = by_run(next.iter().map(|kept| Step::event((kept.loaded.run.id, Event::Admitted))));
        let applied = self.fold_and_commit(transaction, next, unreadable, groups, truncated(now)).await?;
        Ok(applied.into_iter().flat_map(|applied| applied.jobs).collect())
    }

    async fn set_share(&self, tenant: &TenantId, share: Share) -> Result<(), Error> {
        let mut transaction = begin(&self.pool, None).await?;
        admission::set_share(&mut transaction, tenant, share).await?;
        Ok(transaction.commit().await?)
    }

    async fn apply(&self, events: Vec<(RunId, Event)>, now: Timestamp) -> Result<Vec<Applied>, Error> {
        self.take(events.into_iter().map(Step::event), now).await
    }

    async fn record(&self, callbacks: Vec<Callback>, now: Timestamp) -> Result<Vec<Applied>, Error> {
        self.take(callbacks.into_iter().map(Step::callback), now).await
    }

    async fn unpublished(
        &self,
        age: Duration,
        without: &[Backend],
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Job>, Error> {
        let mut snapshot = self.snapshot().await?;
        let mut unreadable = Vec::new();
        let jobs =
            outbox::unpublished(&mut snapshot, &self.workflows, (age, without), rows(limit), now, &mut unreadable)
                .await?;
        snapshot.commit().await?;
        self.fail(unreadable, truncated(now)).await;
        Ok(jobs)
    }

    async fn mark_published(&self, jobs: &[(TaskRunId, u32)], now: Timestamp) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        outbox::mark(&mut connection, jobs, now).await
    }

    async fn forget_published(&self) -> Result<u64, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let forgotten = outbox::forget(&mut transaction).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }

    async fn handed_out(&self, before: Timestamp, except: &[String], limit: usize) -> Result<Vec<HandedOut>, Error> {
        let mut connection = self.pool.acquire().await?;
        outbox::handed_out(&mut connection, &self.workflows, before, except, rows(limit)).await
    }

    async fn hand_out_again(&self, attempts: &[HandedOut], now: Timestamp) -> Result<Vec<Job>, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let mut unreadable = Vec::new();
        let jobs = outbox::hand_out_again(&mut transaction, &self.workflows, attempts, now, &mut unreadable).await?;
        transaction.commit().await?;
        self.fail(unreadable, truncated(now)).await;
        Ok(jobs)
    }

    async fn under_way(
        &self,
        backends: &[Backend],
        before: Timestamp,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<UnderWay>, Error> {
        let mut connection = self.pool.acquire().await?;
        read::under_way(&mut connection, backends, before, after, rows(limit)).await
    }

    async fn due(&self, limit: usize, now: Timestamp) -> Result<Vec<(RunId, Event)>, Error> {
        let mut connection = self.pool.acquire().await?;
        timers::due(&mut connection, rows(limit), now).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.pool.acquire().await?;
        timers::next_due(&mut connection).await
    }

    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        schedules::put(&mut connection, schedule).await
    }

    async fn schedule(&self, tenant: &TenantId, name: &str) -> Result<Option<Schedule>, Error> {
        let mut connection = self.pool.acquire().await?;
        schedules::one(&mut connection, tenant, name).await
    }

    async fn schedules(&self, tenant: &TenantId) -> Result<Vec<Schedule>, Error> {
        let mut connection = self.pool.acquire().await?;
        schedules::of_tenant(&mut connection, tenant).await
    }

    async fn remove_schedule(&self, tenant: &TenantId, name: &str) -> Result<bool, Error> {
        let mut connection = self.pool.acquire().await?;
        schedules::remove(&mut connection, tenant, name).await
    }

    async fn due_schedules(&self, limit: usize, now: Timestamp) -> Result<Vec<Schedule>, Error> {
        let mut connection = self.pool.acquire().await?;
        schedules::due(&mut connection, rows(limit), now).await
    }

    async fn fire(&self, firing: Firing, now: Timestamp) -> Result<Option<Vec<Submitted>>, Error> {
        let mut transaction = begin(&self.pool, None).await?;
        let fired = schedules::fire(&mut transaction, &self.workflows, firing, now).await?;
        transaction.commit().await?;
        Ok(fired)
    }

    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, Error> {
        let mut connection = self.pool.acquire().await?;
        notices::waiting(&mut connection, rows(limit)).await
    }

    async fn clear_notices(&self, runs: &[RunId]) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        notices::clear(&mut connection, runs).await
    }

    async fn run(&self, tenant: &TenantId, id: RunId) -> Result<Option<RunRecord>, Error> {
        let mut snapshot = self.snapshot().await?;
        let record = read::run(&mut snapshot, &self.workflows, tenant, id).await?;
        snapshot.commit().await?;
        Ok(record)
    }

    async fn runs(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunSummary>, Error> {
        let mut snapshot = self.snapshot().await?;
        let page = read::runs(&mut snapshot, &self.workflows, tenant, filter, before, rows(limit)).await?;
        snapshot.commit().await?;
        Ok(page)
    }

    async fn usage(&self, tenant: &TenantId, from: Date, to: Date) -> Result<Vec<DayUsage>, Error> {
        let mut connection = self.pool.acquire().await?;
        usage::days(&mut connection, tenant, from, to).await
    }

    async fn usage_of(&self, tenant: &TenantId, runs: &[RunId]) -> Result<BTreeMap<RunId, RunUsage>, Error> {
        let mut connection = self.pool.acquire().await?;
        usage::of_runs(&mut connection, tenant, runs).await
    }

    async fn record_events(&self, events: &[Lifecycle], now: Timestamp) -> Result<(), Error> {
        let rows = crate::events::rows(events)?;
        let mut connection = self.pool.acquire().await?;
        events::record(&mut connection, &rows, now).await
    }

    async fn events(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Option<RunEvents>, Error> {
        let mut connection = self.pool.acquire().await?;
        events::after(&mut connection, tenant, run, after, rows(limit)).await
    }

    async fn active(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ActiveTask>, Error> {
        let mut connection = self.pool.acquire().await?;
        operations::active(&mut connection, &self.workflows, tenant, rows(limit)).await
    }

    async fn scheduled(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ScheduledTask>, Error> {
        let mut connection = self.pool.acquire().await?;
        operations::scheduled(&mut connection, &self.workflows, tenant, rows(limit)).await
    }

    async fn backlog(&self) -> Result<BTreeMap<String, Backlog>, Error> {
        let mut connection = self.pool.acquire().await?;
        operations::backlog(&mut connection, &self.workflows).await
    }

    async fn longest_queued(&self, limit: usize) -> Result<Vec<(TenantId, Timestamp)>, Error> {
        let mut connection = self.pool.acquire().await?;
        operations::longest_queued(&mut connection, rows(limit)).await
    }
}
