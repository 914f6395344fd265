//! Folds events into runs: what every ledger does between loading a run and storing it.

use std::collections::{BTreeSet, HashMap, HashSet};

use engine::{Action, Event, Run};
use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::{Callback, Job, Outcome, Payload, RunId, TaskRunId};

use crate::wide::HasRun;
use crate::{Applied, AttemptRecord, EndedRun};

/// An event for one run, with the attempt that it ends.
pub(crate) struct Step {
    /// The run.
    pub(crate) run_id: RunId,
    /// What happened to it.
    pub(crate) event: Event,
    /// The history entry that a callback brings. Recorded only when the engine accepts the event.
    pub(crate) ended: Option<(TaskRunId, AttemptRecord)>,
}

/// A run with what its jobs need besides its state.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its state.
    pub(crate) run: Run,
    /// What it was submitted with.
    pub(crate) input: Payload,
}

impl HasRun for Loaded {
    fn run(&self) -> &Run {
        &self.run
    }
}

/// What is to be stored and reported after [`fold`].
pub(crate) struct Folded {
    /// The report.
    pub(crate) applied: Applied,
    /// Positions in `run.tasks` to store.
    pub(crate) touched: BTreeSet<usize>,
    /// Whether the run itself has to be stored.
    pub(crate) run_changed: bool,
    /// Attempts to add to the history.
    pub(crate) attempts: Vec<(TaskRunId, AttemptRecord)>,
}

impl Step {
    /// A step without a history entry of its own.
    pub(crate) fn event((run_id, event): (RunId, Event)) -> Self {
        Self { run_id, event, ended: None }
    }

    /// The step that a callback reports.
    pub(crate) fn callback(callback: Callback) -> Self {
        let Callback { run_id, task_run_id: task_run, attempt, worker, outcome, started_at, ended_at, usage, .. } =
            callback;
        let (word, error) = match &outcome {
            Outcome::Done { .. } => ("done", None),
            Outcome::Retry { error, .. } => ("retry", Some(error.clone())),
            Outcome::Fail { error } => ("fail", Some(error.clone())),
            Outcome::Snooze { .. } => ("snooze", None),
        };
        let outcome_word = word.to_owned();
        let record = AttemptRecord {
            attempt,
            worker: worker.clone(),
            outcome: outcome_word,
            error,
            started_at,
            ended_at,
            usage,
        };
        let event = Event::Finished { task_run, attempt, outcome, worker, started_at };
        Self { run_id, event, ended: Some((task_run, record)) }
    }
}

/// The steps of each run, in the order in which the runs first appear.
pub(crate) fn by_run(steps: impl IntoIterator<Item = Step>) -> Vec<(RunId, Vec<Step>)> {
    let mut places: HashMap<RunId, usize> = HashMap::new();
    let mut groups: Vec<(RunId, Vec<Step>)> = Vec::new();
    for step in steps {
        let place = *places.entry(step.run_id).or_insert_with(|| {
            groups.push((step.run_id, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(step);
    }
    groups
}

/// Takes a run through its steps, in order.
pub(crate) fn fold(loaded: &mut Loaded, steps: Vec<Step>, now: Timestamp) -> Folded {
    let run = &mut loaded.run;
    let mut folded = Folded {
        applied: Applied { tenant: Some(run.tenant.clone()), ..Applied::unknown(run.id) },
        touched: BTreeSet::new(),
        run_changed: false,
        attempts: Vec::new(),
    };
    for window in windows(steps) {
        let mut events = Vec::with_capacity(window.len());
        let mut ended = Vec::with_capacity(window.len());
        for Step { event, ended: record, .. } in window {
            ended.extend(record.or_else(|| lost_attempt(run, &event, now)));
            events.push(event);
        }
        let transition = engine::apply_all(run, events, now);
        let ignored: HashSet<TaskRunId> = transition.actions.iter().filter_map(ignored_task_run).collect();
        folded.attempts.extend(ended.into_iter().filter(|(task_run, _)| !ignored.contains(task_run)));
        folded.touched.extend(transition.touched);
        folded.run_changed |= transition.run_changed;
        folded.applied.actions.extend(transition.actions);
    }
    folded.applied.jobs = folded.applied.actions.iter().filter_map(|action| published_job(loaded, action)).collect();
    if folded.applied.actions.iter().any(|action| matches!(action, Action::RunEnded { .. })) {
        folded.applied.ended = Some(ended_run(&loaded.run, now));
    }
    folded
}

fn ended_run(run: &Run, now: Timestamp) -> EndedRun {
    EndedRun {
        workflow: run.workflow.name.clone(),
        backend: run.backend,
        created_at: run.created_at,
        started_at: run.started_at,
        ended_at: run.ended_at.unwrap_or(now),
        error: run.error.as_ref().map(|error| error.code.clone()),
    }
}

/// Cuts the steps so that no part names a task run twice: within a part it is then plain which event the engine
/// ignored. A repeated callback in the same batch is rare, so there is mostly one part.
fn windows(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut windows = Vec::new();
    let mut window = Vec::with_capacity(steps.len());
    let mut named = HashSet::new();
    for step in steps {
        if let Some(task_run) = named_task_run(&step.event)
            && !named.insert(task_run)
        {
            named = HashSet::from([task_run]);
            windows.push(std::mem::take(&mut window));
        }
        window.push(step);
    }
    windows.push(window);
    windows
}

fn named_task_run(event: &Event) -> Option<TaskRunId> {
    match event {
        Event::Started { task_run, .. }
        | Event::Finished { task_run, .. }
        | Event::Lost { task_run, .. }
        | Event::TimerDue { task_run, .. } => Some(*task_run),
        Event::Admitted | Event::Cancel { .. } | Event::DeadlinePassed => None,
    }
}

fn ignored_task_run(action: &Action) -> Option<TaskRunId> {
    match action {
        Action::Ignored { task_run, .. } => *task_run,
        _ => None,
    }
}

/// The job that a `Publish` action asks for, unless a later event of the same batch took it back.
fn published_job(loaded: &Loaded, action: &Action) -> Option<Job> {
    let Action::Publish { task_run, attempt } = action else { return None };
    let current = loaded.run.task_run(*task_run).filter(|current| current.attempt == *attempt)?;
    loaded.run.job_for(current, &loaded.input)
}

/// The history entry of an attempt whose worker can no longer report it.
fn lost_attempt(run: &Run, event: &Event, now: Timestamp) -> Option<(TaskRunId, AttemptRecord)> {
    let Event::Lost { task_run, attempt, error } = event else { return None };
    let lost = run.task_run(*task_run)?;
    let record = AttemptRecord {
        attempt: *attempt,
        worker: lost.worker.clone().unwrap_or_default(),
        outcome: "lost".to_owned(),
        error: Some(error.clone()),
        started_at: lost.started_at.or(lost.queued_at).unwrap_or(now),
        ended_at: now,
        usage: Usage::default(),
    };
    Some((*task_run, record))
}
