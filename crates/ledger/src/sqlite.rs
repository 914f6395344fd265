//! The ledger in an SQLite file: for one process and nothing installed.
//!
//! One connection writes, each operation in one `BEGIN IMMEDIATE` transaction; a few others read beside it (WAL).
//! What was acknowledged survives the death of the process and the loss of power: commits are synced to the disk
//! (`docs/adr/0002-sqlite-for-the-embedded-ledger.md` has the price).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::{Event, Run};
use jiff::Timestamp;
use jiff::civil::Date;
use protocol::{Backend, Callback, Job, Lifecycle, RunId, TaskRunId, TenantId, Workflow};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use tokio::sync::Mutex;

use crate::again::{self, Batch};
use crate::fold::{Loaded, Step, by_run, fold};
use crate::unreadable::Unreadable;
use crate::values::{rows, truncated};
use crate::{
    ActiveTask, Applied, Backlog, DayUsage, Error, Firing, HandedOut, Ledger, Line, NewRun, Notice, Retry, RunEvents,
    RunFilter, RunRecord, RunSummary, RunUsage, Schedule, ScheduledTask, Share, StartedEach, Submitted, UnderWay,
    Window,
};

mod admission;
mod connect;
mod events;
mod load;
mod notices;
mod operations;
mod outbox;
mod read;
mod records;
mod schedules;
mod store;
mod submit;
mod timers;
mod unreadable;
mod usage;
mod values;
mod wide;
mod workflows;

use connect::Pools;
use wide::WideRuns;
use workflows::Workflows;

/// A ledger in an SQLite database.
#[derive(Debug)]
pub struct SqliteLedger {
    pools: Pools,
    workflows: Workflows,
    /// Locked before the writing connection is taken, and until after the commit.
    wide: Mutex<WideRuns>,
}

impl SqliteLedger {
    /// Opens the database file, creating it and its folder where missing, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::over(connect::file(path).await?))
    }

    /// A ledger that is gone when it is dropped, for tests.
    ///
    /// # Errors
    /// When the database cannot be set up.
    pub async fn in_memory() -> Result<Self, Error> {
        Ok(Self::over(connect::memory().await?))
    }

    fn over(pools: Pools) -> Self {
        Self { pools, workflows: Workflows::default(), wide: Mutex::default() }
    }

    /// A transaction that has the right to write from its first statement on, so that it cannot fail half-way
    /// because another process wrote in between.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.pools.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that sees one state of the database throughout.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        Ok(self.pools.readers.begin().await?)
    }

    /// Releases runs as far as the window allows.
    async fn admit_some(&self, window: &Window, now: Timestamp) -> Result<Vec<Job>, Error> {
        let line = self.line(window).await?;
        if line.waiting && line.room > 0 { self.admit(line.room, now).await } else { Ok(Vec::new()) }
    }

    /// Takes every run through its steps, in one transaction.
    async fn take(&self, steps: impl IntoIterator<Item = Step>, now: Timestamp) -> Result<Vec<Applied>, Error> {
        let mut wide = self.wide.lock().await;
        let mut transaction = self.write().await?;
        wide.check(&mut transaction).await?;
        let groups = by_run(steps);
        self.fold_and_commit(&mut wide, transaction, groups, truncated(now)).await
    }

    async fn fold_and_commit(
        &self,
        wide: &mut WideRuns,
        mut transaction: Transaction<'static, Sqlite>,
        groups: Vec<(RunId, Vec<Step>)>,
        now: Timestamp,
    ) -> Result<Vec<Applied>, Error> {
        let mut runs: HashMap<RunId, Loaded> =
            groups.iter().filter_map(|(run_id, _)| Some((*run_id, wide.take(*run_id)?))).collect();
        let missing: Vec<RunId> =
            groups.iter().map(|(run_id, _)| *run_id).filter(|run_id| !runs.contains_key(run_id)).collect();
        let mut unreadable = Vec::new();
        runs.extend(load::runs(&mut transaction, &self.workflows, &missing, &mut unreadable).await?);

        let mut folds = Vec::with_capacity(groups.len());
        let mut unknown = Vec::new();
        let mut ended = Vec::new();
        for (place, (run_id, steps)) in groups.into_iter().enumerate() {
            match runs.remove(&run_id) {
                Some(mut loaded) => {
                    let had_ended = loaded.run.state.is_final();
                    let folded = fold(&mut loaded, steps, now);
                    if loaded.run.state.is_final() && !had_ended {
                        ended.push(folds.len());
                    }
                    folds.push((loaded, folded));
                }
                None => unknown.push((place, Applied::unknown(run_id))),
            }
        }
        store::save(&mut transaction, &folds, now).await?;
        let ended: Vec<&Run> = ended.into_iter().map(|place: usize| &folds[place].0.run).collect();
        admission::settle(&mut transaction, &ended).await?;
        let unreadable = fail(&mut transaction, unreadable, now).await?;
        transaction.commit().await?;
        unreadable.iter().for_each(Unreadable::report);

        let mut applied = Vec::with_capacity(folds.len() + unknown.len());
        for (loaded, folded) in folds {
            wide.keep(loaded);
            applied.push(folded.applied);
        }
        for (place, report) in unknown {
            applied.insert(place, report);
        }
        Ok(applied)
    }
}

/// Fails runs that cannot be read; returns those that had not ended.
async fn fail(
    connection: &mut SqliteConnection,
    unreadable: Vec<Unreadable>,
    now: Timestamp,
) -> Result<Vec<Unreadable>, Error> {
    let mut failed = Vec::with_capacity(unreadable.len());
    for one in unreadable {
        if unreadable::fail(connection, &one, now).await? {
            failed.push(one);
        }
    }
    Ok(failed)
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        let mut connection = self.pools.writer.acquire().await?;
        self.workflows.register(&mut connection, workflow).await
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        self.workflows.all(&mut connection).await
    }

    async fn workflow(&self, name: &str) -> Result<Option<Arc<Workflow>>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        match self.workflows.latest(&mut connection, name).await {
            Err(Error::UnknownWorkflow(_)) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn runs_by_key(&self, tenant: &TenantId, keys: &[String]) -> Result<HashMap<String, RunId>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        submit::by_key(&mut connection, tenant, keys).await
    }

    async fn submit(&self, runs: Vec<NewRun>, now: Timestamp) -> Result<Vec<Submitted>, Error> {
        let mut transaction = self.write().await?;
        let submitted = submit::submit(&mut transaction, &self.workflows, runs.into(), truncated(now)).await?;
        transaction.commit().await?;
        Ok(submitted.into_iter().flatten().collect())
    }

    async fn start_each(&self, runs: Vec<NewRun>, window: &Window, now: Timestamp) -> Result<StartedEach, Error> {
        let mut transaction = self.write().await?;
        let runs = submit::submit(&mut transaction, &self.workflows, Batch::each(runs), truncated(now)).await?;
        transaction.commit().await?;
        Ok(StartedEach { runs, jobs: self.admit_some(window, now).await? })
    }

    async fn retry(
        &self,
        tenant: &TenantId,
        retries: Vec<Retry>,
        window: &Window,
        now: Timestamp,
    ) -> Result<StartedEach, Error> {
        let mut transaction = self.write().await?;
        let mut unreadable = Vec::new();
        let of: Vec<RunId> = retries.iter().map(|retry| retry.of).collect();
        let earlier = load::earlier(&mut transaction, &self.workflows, tenant, &of, &mut unreadable).await?;
        let (batch, refused) = again::decide(retries, &earlier, &unreadable, truncated(now));
        let recorded = submit::submit(&mut transaction, &self.workflows, batch, truncated(now)).await?;
        transaction.commit().await?;
        Ok(StartedEach { runs: again::answers(refused, recorded), jobs: self.admit_some(window, now).await? })
    }

    async fn admit(&self, limit: usize, now: Timestamp) -> Result<Vec<Job>, Error> {
        let mut wide = self.wide.lock().await;
        let mut transaction = self.write().await?;
        wide.check(&mut transaction).await?;
        let next = admission::next(&mut transaction, limit).await?;
        let groups = by_run(next.into_iter().map(|run_id| Step::event((run_id, Event::Admitted))));
        let applied = self.fold_and_commit(&mut wide, transaction, groups, truncated(now)).await?;
        Ok(applied.into_iter().flat_map(|applied| applied.jobs).collect())
    }

    async fn line(&self, window: &Window) -> Result<Line, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        admission::line(&mut connection, window).await
    }

    async fn set_share(&self, tenant: &TenantId, share: Share) -> Result<(), Error> {
        let mut transaction = self.write().await?;
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
        let mut unreadable = Vec::new();
        let mut snapshot = self.read().await?;
        let jobs =
            outbox::unpublished(&mut snapshot, &self.workflows, (age, without), rows(limit), now, &mut unreadable)
                .await?;
        drop(snapshot);
        if !unreadable.is_empty() {
            let mut wide = self.wide.lock().await;
            wide.clear();
            let mut transaction = self.write().await?;
            let failed = fail(&mut transaction, unreadable, truncated(now)).await?;
            transaction.commit().await?;
            failed.iter().for_each(Unreadable::report);
        }
        Ok(jobs)
    }

    async fn mark_published(&self, jobs: &[(TaskRunId, u32)], now: Timestamp) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        outbox::mark(&mut transaction, jobs, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn forget_published(&self) -> Result<u64, Error> {
        let mut wide = self.wide.lock().await;
        wide.clear();
        let mut transaction = self.write().await?;
        let forgotten = outbox::forget(&mut transaction).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }

    async fn handed_out(&self, before: Timestamp, except: &[String], limit: usize) -> Result<Vec<HandedOut>, Error> {
        let mut snapshot = self.read().await?;
        outbox::handed_out(&mut snapshot, &self.workflows, before, except, limit).await
    }

    async fn hand_out_again(&self, attempts: &[HandedOut], now: Timestamp) -> Result<Vec<Job>, Error> {
        let mut wide = self.wide.lock().await;
        wide.clear();
        let mut transaction = self.write().await?;
        let mut unreadable = Vec::new();
        let jobs = outbox::hand_out_again(&mut transaction, &self.workflows, attempts, now, &mut unreadable).await?;
        let failed = fail(&mut transaction, unreadable, truncated(now)).await?;
        transaction.commit().await?;
        failed.iter().for_each(Unreadable::report);
        Ok(jobs)
    }

    async fn under_way(
        &self,
        backends: &[Backend],
        before: Timestamp,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<UnderWay>, Error> {
        let mut snapshot = self.read().await?;
        read::under_way(&mut snapshot, backends, before, after, rows(limit)).await
    }

    async fn due(&self, limit: usize, now: Timestamp) -> Result<Vec<(RunId, Event)>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        timers::due(&mut connection, rows(limit), now).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        timers::next_due(&mut connection).await
    }

    async fn put_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        let mut connection = self.pools.writer.acquire().await?;
        schedules::put(&mut connection, schedule).await
    }

    async fn schedule(&self, tenant: &TenantId, name: &str) -> Result<Option<Schedule>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        schedules::one(&mut connection, tenant, name).await
    }

    async fn schedules(&self, tenant: &TenantId) -> Result<Vec<Schedule>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        schedules::of_tenant(&mut connection, tenant).await
    }

    async fn remove_schedule(&self, tenant: &TenantId, name: &str) -> Result<bool, Error> {
        let mut connection = self.pools.writer.acquire().await?;
        schedules::remove(&mut connection, tenant, name).await
    }

    async fn due_schedules(&self, limit: usize, now: Timestamp) -> Result<Vec<Schedule>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        schedules::due(&mut connection, rows(limit), now).await
    }

    async fn fire(&self, firing: Firing, now: Timestamp) -> Result<Option<Vec<Submitted>>, Error> {
        let mut transaction = self.write().await?;
        let fired = schedules::fire(&mut transaction, &self.workflows, firing, now).await?;
        transaction.commit().await?;
        Ok(fired)
    }

    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        notices::waiting(&mut connection, rows(limit)).await
    }

    async fn clear_notices(&self, runs: &[RunId]) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        notices::clear(&mut transaction, runs).await?;
        Ok(transaction.commit().await?)
    }

    async fn run(&self, tenant: &TenantId, id: RunId) -> Result<Option<RunRecord>, Error> {
        let mut snapshot = self.read().await?;
        read::run(&mut snapshot, &self.workflows, tenant, id).await
    }

    async fn runs(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<RunSummary>, Error> {
        let mut snapshot = self.read().await?;
        read::runs(&mut snapshot, tenant, filter, before, rows(limit)).await
    }

    async fn usage(&self, tenant: &TenantId, from: Date, to: Date) -> Result<Vec<DayUsage>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        usage::days(&mut connection, tenant, from, to).await
    }

    async fn usage_of(&self, tenant: &TenantId, runs: &[RunId]) -> Result<BTreeMap<RunId, RunUsage>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        usage::of_runs(&mut connection, tenant, runs).await
    }

    async fn record_events(&self, events: &[Lifecycle], now: Timestamp) -> Result<(), Error> {
        let rows = crate::events::rows(events)?;
        if rows.is_empty() {
            return Ok(());
        }
        // The turn to write is the same for both: whoever waits in our own queue does not wait inside SQLite.
        let mut turn = self.pools.writer.acquire().await?;
        let mut unhurried = match &self.pools.unhurried {
            Some(pool) => Some(pool.acquire().await?),
            None => None,
        };
        let connection = unhurried.as_mut().unwrap_or(&mut turn);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        events::record(&mut transaction, &rows, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn events(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Option<RunEvents>, Error> {
        let mut snapshot = self.read().await?;
        events::after(&mut snapshot, tenant, run, after, rows(limit)).await
    }

    async fn active(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ActiveTask>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        operations::active(&mut connection, &self.workflows, tenant, rows(limit)).await
    }

    async fn scheduled(&self, tenant: Option<&TenantId>, limit: usize) -> Result<Vec<ScheduledTask>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        operations::scheduled(&mut connection, &self.workflows, tenant, rows(limit)).await
    }

    async fn backlog(&self) -> Result<BTreeMap<String, Backlog>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        operations::backlog(&mut connection, &self.workflows).await
    }

    async fn longest_queued(&self, limit: usize) -> Result<Vec<(TenantId, Timestamp)>, Error> {
        let mut connection = self.pools.readers.acquire().await?;
        operations::longest_queued(&mut connection, rows(limit)).await
    }
}
