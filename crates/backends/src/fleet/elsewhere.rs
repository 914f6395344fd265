//! Runs that something else than our own broker carries: how jobs get there, and how what was lost on the way is found.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Event;
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use protocol::{Backend as Name, Job, RunId, RunState, TaskError, TaskRunId, TaskState, Workflow};

use super::{Error, Fleet};
use crate::port::{self, Ability, Attempt, Launch, Sight, Support};
use crate::roster::{Roster, Unfit};

/// How long a run has been under way before its backend is asked about it.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// Runs that are asked about at a time.
const PAGE: usize = 200;

/// What a release of jobs means for backends that walk workflows themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Runs were admitted, or their start may not have reached the backend: it is told of them, again if need be.
    Release,
    /// A run went on: the backend comes for its tasks itself.
    Continuation,
}

/// Which runs their backend did not know, or knew as ended, at the last look. Whoever leads keeps it.
#[derive(Debug, Default)]
pub struct Strays(HashSet<RunId>);

impl Fleet {
    /// The same fleet, which is connected to these backends.
    #[must_use]
    pub fn with_roster(self, roster: Roster) -> Self {
        Self { roster, ..self }
    }

    /// The backends that it is connected to.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Makes every known workflow known to a backend, after finding out whether it can run those.
    ///
    /// # Errors
    /// [`Error::Unfit`] when it is not connected or lacks what one of them asks for; the backend's own error.
    pub async fn prepare(&self, name: Name, only: Option<&str>) -> Result<(), Error> {
        let workflows = self.ledger.workflows().await?;
        for workflow in workflows.iter().filter(|workflow| only.is_none_or(|only| workflow.name == only)) {
            self.introduce(name, workflow).await?;
        }
        // Also when there is no workflow yet.
        self.roster.capabilities(name).map_err(Unfit::from)?;
        Ok(())
    }

    /// Makes one workflow known to a backend, if it can run it. One that is away hears of it when its first run starts.
    pub(super) async fn introduce(&self, name: Name, workflow: &Workflow) -> Result<(), Error> {
        self.roster.fits(name, workflow)?;
        let Some(backend) = self.roster.get(name) else { return Ok(()) };
        match backend.register(workflow).await {
            Err(error @ port::Error::Unavailable { .. }) => {
                tracing::warn!(workflow = %workflow.name, error = %error, "a backend does not know of a workflow yet");
                Ok(())
            }
            registered => Ok(registered?),
        }
    }

    /// The backends besides our own that runs of a workflow may go to, by the choice as it is.
    pub(super) async fn destinations(&self, workflow: &Workflow) -> Result<BTreeSet<Name>, Error> {
        let choice = self.choice().await?;
        let meant = choice.named().filter(|(name, _)| name.is_none_or(|name| name == workflow.name));
        let celery = workflow.tasks.iter().any(|task| task.celery.is_some()).then_some(Name::Celery);
        Ok(meant.map(|(_, backend)| backend).filter(|backend| *backend != self.roster.own()).chain(celery).collect())
    }

    /// Takes jobs of other backends there; returns how many have left the outbox. One that is away keeps its own work waiting
    /// and nobody else's.
    pub(super) async fn hand_over(&self, jobs: Vec<Job>, occasion: Occasion) -> Result<usize, Error> {
        let mut by_carrier: BTreeMap<Name, Vec<Job>> = BTreeMap::new();
        for job in jobs {
            by_carrier.entry(self.roster.carrier(&job)).or_default().push(job);
        }
        let mut gone = 0;
        for (name, jobs) in by_carrier {
            match self.offer(name, &jobs, occasion).await {
                Ok(taken) => gone += taken,
                Err(Error::Backend(refusal)) if jobs.len() == 1 => gone += self.give_up(&jobs, &refusal).await?,
                // One of them is refused: the others are not to fail with it.
                Err(Error::Backend(_)) => {
                    for job in &jobs {
                        let one = std::slice::from_ref(job);
                        gone += match self.offer(name, one, occasion).await {
                            Err(Error::Backend(refusal)) => self.give_up(one, &refusal).await?,
                            taken => taken?,
                        };
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Offers jobs to their carrier and marks those that it took; returns how many.
    async fn offer(&self, name: Name, jobs: &[Job], occasion: Occasion) -> Result<usize, Error> {
        let released = name.walks() && occasion == Occasion::Release;
        let launches = if released { self.launches(jobs).await? } else { Vec::new() };
        if !self.roster.hand_over(name, &launches, jobs).await? {
            return Ok(0);
        }
        counter!("flotilla_jobs_handed_over_total", "backend" => name.as_str()).increment(jobs.len() as u64);
        let published = jobs.iter().map(|job| (job.task_run_id, job.attempt));
        self.marks.add(&self.ledger, published).await?;
        Ok(jobs.len())
    }

    /// The runs of these jobs, each once.
    async fn launches(&self, jobs: &[Job]) -> Result<Vec<Launch>, Error> {
        let mut seen = BTreeSet::new();
        let mut launches = Vec::new();
        for job in jobs {
            if !seen.insert(job.run_id) {
                continue;
            }
            if let Some(record) = self.ledger.run(&job.tenant, job.run_id).await? {
                let workflow = Arc::clone(&record.run.workflow);
                launches.push(Launch { run_id: job.run_id, tenant: job.tenant.clone(), workflow });
            }
        }
        Ok(launches)
    }

    /// Fails what a backend refuses: left in the outbox, it would be refused for ever. Returns how many.
    async fn give_up(&self, jobs: &[Job], refusal: &port::Error) -> Result<usize, Error> {
        tracing::error!(error = %refusal, jobs = jobs.len(), "jobs cannot be handed over");
        let lost = |job: &Job| {
            let error = TaskError::permanent("backend_refused", format!("Task {:?} cannot run: {refusal}.", job.task));
            (job.run_id, Event::Lost { task_run: job.task_run_id, attempt: job.attempt, error })
        };
        let applied = self.ledger.apply(jobs.iter().map(lost).collect(), Timestamp::now()).await?;
        Box::pin(self.carry_out(applied)).await?;
        Ok(jobs.len())
    }

    /// Tells Celery's workers which attempts nobody waits for. Beside everything else: a broker that is away holds up nobody.
    pub(super) fn call_off(&self, run: RunId, aborted: Vec<(TaskRunId, u32)>) {
        let Some(celery) = self.roster.get(Name::Celery).filter(|_| !aborted.is_empty()).map(Arc::clone) else {
            return;
        };
        let attempt = |(task_run_id, attempt)| Attempt { run_id: run, task_run_id, attempt };
        let attempts: Vec<Attempt> = aborted.into_iter().map(attempt).collect();
        tokio::spawn(async move {
            if let Err(error) = celery.abort(&attempts).await {
                tracing::warn!(run.id = %run, error = %error, "Celery workers could not be told to stop");
            }
        });
    }

    /// Tells a backend that a run ended on record before it came to its end there; beside everything else, too.
    pub(super) fn stop_elsewhere(&self, run: RunId, backend: Name, state: RunState) {
        let wanted = state != RunState::Succeeded;
        let Some(backend) = self.roster.get(backend).filter(|_| wanted).map(Arc::clone) else { return };
        tokio::spawn(async move {
            if let Err(error) = backend.stop(run, &format!("the run is {state}")).await {
                // Its tasks find out one by one: the desk has nothing for them to do.
                tracing::warn!(run.id = %run, error = %error, "a backend could not be told that a run has ended");
            }
        });
    }

    /// Looks whether other backends still have the runs that are under way there. A run that its backend does not know, or
    /// ended by itself, at two looks in a row fails, or is cancelled if it was cancelled there. Returns how many.
    ///
    /// # Errors
    /// When the ledger is away. A backend that is away says nothing about its runs.
    pub async fn look_elsewhere(&self, strays: &mut Strays, now: Timestamp) -> Result<usize, Error> {
        let walkers: Vec<Name> = self.roster.others().map(|one| one.name()).filter(|name| name.walks()).collect();
        if walkers.is_empty() {
            return Ok(0);
        }
        let before = std::mem::take(&mut strays.0);
        let (mut after, mut ended) = (None, 0);
        loop {
            let page = self.ledger.under_way(&walkers, now - SETTLED, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.run_id);
            for one in &page {
                let Some(backend) = self.roster.get(one.backend) else { continue };
                let sight = match backend.look(one.run_id).await {
                    Ok(Sight::UnderWay) => continue,
                    Ok(sight) => sight,
                    Err(error) => {
                        tracing::debug!(run.id = %one.run_id, error = %error, "a run could not be looked at");
                        continue;
                    }
                };
                if before.contains(&one.run_id) {
                    ended += usize::from(self.end_stray(&one.tenant, one.run_id, one.backend, sight, now).await?);
                } else {
                    strays.0.insert(one.run_id);
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(ended)
    }

    async fn end_stray(
        &self,
        tenant: &protocol::TenantId,
        run: RunId,
        backend: Name,
        sight: Sight,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Some(record) = self.ledger.run(tenant, run).await?.filter(|record| !record.run.state.is_final()) else {
            return Ok(false);
        };
        let events: Vec<(RunId, Event)> = if sight == Sight::Ended(RunState::Cancelled) {
            vec![(run, Event::Cancel { reason: format!("it was cancelled in {backend}") })]
        } else {
            let open = record.run.tasks.iter().filter(|task| {
                task.attempt > 0 && matches!(task.state, TaskState::Queued | TaskState::Running | TaskState::Waiting)
            });
            let lost = |task: &engine::TaskRun| {
                let what = if sight == Sight::Unknown { "does not know the run any more" } else { "has ended the run" };
                let error = TaskError::permanent("backend_lost_run", format!("{backend} {what}; start it again."));
                (run, Event::Lost { task_run: task.id, attempt: task.attempt, error })
            };
            open.map(lost).collect()
        };
        if events.is_empty() {
            return Ok(false);
        }
        tracing::warn!(run.id = %run, backend = backend.as_str(), ?sight, "a run has no future where it is");
        let applied = self.ledger.apply(events, now).await?;
        self.carry_out(applied).await?;
        Ok(true)
    }

    /// Sends a named signal to a run, if that tenant has it and it has not ended; says whether it was sent.
    ///
    /// # Errors
    /// [`Error::Backend`] when its backend is away or knows no signals, as our own engine; [`Error::Unfit`] when this process
    /// is not connected to it.
    pub async fn signal(
        &self,
        tenant: &protocol::TenantId,
        run: RunId,
        name: &str,
        payload: &serde_json::Value,
    ) -> Result<bool, Error> {
        let Some(record) = self.ledger.run(tenant, run).await?.filter(|record| !record.run.state.is_final()) else {
            return Ok(false);
        };
        let backend = record.run.backend;
        if let Support::Missing(why) = self.roster.capabilities(backend).map_err(Unfit::from)?.of(Ability::Signals) {
            return Err(port::Error::Refused { backend, reason: format!("it takes no signals: {why}") }.into());
        }
        if let Some(backend) = self.roster.get(backend) {
            backend.signal(run, name, payload).await?;
        }
        Ok(true)
    }
}

/// How long a walker waits for something that has no time of its own: a parent that is not on record yet.
pub(super) const SOON: Duration = Duration::from_millis(250);
