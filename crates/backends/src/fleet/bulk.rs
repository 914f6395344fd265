//! Runs by the many: found by what they have in common, done again, or cancelled together.

use std::collections::BTreeMap;

use engine::{Action, Event};
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::{DayUsage, NewRun, Refused, Retry, RunFilter, RunSummary, RunUsage, StartedEach, Submitted};
use protocol::{RunId, RunState, TenantId};

use super::elsewhere::Occasion;
use super::{Error, Fleet};

/// Runs that are changed in one transaction: short enough to keep nobody waiting.
const CHUNK: usize = 100;

/// States of runs that can be cancelled.
const OPEN: [RunState; 2] = [RunState::Queued, RunState::Running];

/// States of runs that are done again unless others are named.
const UNSUCCESSFUL: [RunState; 2] = [RunState::Failed, RunState::Cancelled];

/// States of runs that can be done again.
const ENDED: [RunState; 3] = [RunState::Succeeded, RunState::Failed, RunState::Cancelled];

/// A page of runs that are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meant {
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// The last of them, when there are more behind it.
    pub next: Option<RunId>,
}

impl Fleet {
    /// Those of a tenant's runs that the filter means, newest first, a page of them behind `before`.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn find(
        &self,
        tenant: &TenantId,
        filter: &RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Meant, Error> {
        let mut runs = self.ledger.runs(tenant, filter, before, limit.saturating_add(1)).await?;
        let more = runs.len() > limit;
        runs.truncate(limit);
        let next = if more { runs.last().map(|run| run.id) } else { None };
        Ok(Meant { runs, next })
    }

    /// Of the runs that the filter means, those that can be cancelled.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn find_open(
        &self,
        tenant: &TenantId,
        filter: RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Meant, Error> {
        match filter.within(&OPEN) {
            Some(filter) => self.find(tenant, &filter, before, limit).await,
            None => Ok(Meant::default()),
        }
    }

    /// Of the runs that the filter means, those that can be done again; only those that went wrong, unless it names
    /// states.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn find_ended(
        &self,
        tenant: &TenantId,
        filter: RunFilter,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Meant, Error> {
        let states = if filter.states.is_empty() { &UNSUCCESSFUL[..] } else { &ENDED };
        match filter.within(states) {
            Some(filter) => self.find(tenant, &filter, before, limit).await,
            None => Ok(Meant::default()),
        }
    }

    /// Cancels these runs, first on record, then by telling whoever works on them; returns those that were ended by it.
    ///
    /// # Errors
    /// When the ledger is away; some may have been cancelled.
    pub async fn cancel_found(&self, found: &Meant, reason: &str) -> Result<Vec<RunId>, Error> {
        let mut cancelled = Vec::with_capacity(found.runs.len());
        for runs in found.runs.chunks(CHUNK) {
            let cancel = |run: &RunSummary| (run.id, Event::Cancel { reason: reason.to_owned() });
            let applied = self.ledger.apply(runs.iter().map(cancel).collect(), Timestamp::now()).await?;
            let ended =
                applied.iter().filter(|one| one.actions.iter().any(|action| matches!(action, Action::RunEnded { .. })));
            cancelled.extend(ended.map(|one| one.run_id));
            self.carry_out(applied).await?;
        }
        Ok(cancelled)
    }

    /// Does runs of a tenant again, from where they went wrong; what became of each, in order.
    ///
    /// # Errors
    /// When the ledger is away; some may have been recorded.
    pub async fn retry(
        &self,
        tenant: &TenantId,
        retries: Vec<Retry>,
    ) -> Result<Vec<Result<Submitted, Refused>>, Error> {
        let mut answers = Vec::with_capacity(retries.len());
        let mut retries = retries.into_iter().peekable();
        let notify = self.is_heard_by(tenant).await;
        while retries.peek().is_some() {
            let mut chunk: Vec<Retry> = retries.by_ref().take(CHUNK).collect();
            for retry in &mut chunk {
                retry.notify |= notify;
            }
            let started = self.ledger.retry(tenant, chunk, &self.window.now(), Timestamp::now()).await?;
            answers.extend(self.started(started).await);
        }
        Ok(answers)
    }

    /// Records runs and releases what may start at once, each for itself; what became of each, in order.
    ///
    /// # Errors
    /// When a workflow is unknown; then none is recorded.
    pub async fn start_each(&self, mut runs: Vec<NewRun>) -> Result<Vec<Result<Submitted, Refused>>, Error> {
        self.address(&mut runs).await;
        let asked_for = runs.len();
        let shadows = self.assign(&mut runs).await?;
        runs.extend(shadows);
        let started = self.ledger.start_each(runs, &self.window.now(), Timestamp::now()).await?;
        let mut started = self.started(started).await;
        started.truncate(asked_for);
        Ok(started)
    }

    async fn started(&self, StartedEach { runs, jobs }: StartedEach) -> Vec<Result<Submitted, Refused>> {
        if let Err(error) = self.publish(jobs, Occasion::Release).await {
            // Recorded is promised, published is not: the sweeper does it.
            tracing::warn!(error = %error, "recorded runs could not be published at once");
        }
        runs
    }

    /// What a tenant consumed from one day to another, both included, by day and model.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn usage(&self, tenant: &TenantId, from: Date, to: Date) -> Result<Vec<DayUsage>, Error> {
        Ok(self.ledger.usage(tenant, from, to).await?)
    }

    /// What each of a tenant's runs consumed; those that consumed nothing may be missing.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn usage_of(&self, tenant: &TenantId, runs: &[RunId]) -> Result<BTreeMap<RunId, RunUsage>, Error> {
        Ok(self.ledger.usage_of(tenant, runs).await?)
    }
}
