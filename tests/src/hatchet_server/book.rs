//! What the server knows: workflows, runs, workers, and which task goes where next.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tonic::Status;

use super::TENANT;
use super::proto::v1::{CreateWorkflowVersionRequest, RunStatus};
use super::proto::{ActionType, AssignedAction, StepActionEvent, StepActionEventType};

type Stream = mpsc::UnboundedSender<Result<AssignedAction, Status>>;

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) definitions: HashMap<String, CreateWorkflowVersionRequest>,
    pub(super) runs: BTreeMap<String, Run>,
    pub(super) workers: BTreeMap<String, Worker>,
    pub(super) told: Vec<Told>,
    pub(super) logs: Vec<String>,
    pub(super) pushed: Vec<(String, String)>,
    /// Runs whose end was announced.
    announced: HashSet<String>,
}

/// Something that a worker told of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub(super) run: String,
    pub(super) task: String,
    /// `STARTED`, `COMPLETED`, `FAILED`, `CANCELLED`.
    pub kind: String,
    /// The output, or the error.
    pub payload: String,
    /// Of which try.
    pub retry_count: i32,
    /// Whether it must not be tried again.
    pub should_not_retry: bool,
    /// When it wants to be tried again, in milliseconds.
    pub retry_after_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) workflow: String,
    pub(super) input: Value,
    pub(super) metadata: Value,
    pub(super) tasks: Vec<Task>,
    /// What its workflow calls the same run.
    key: Option<String>,
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) action: String,
    parents: Vec<String>,
    retries: i32,
    backoff: Duration,
    pub(super) retry_count: i32,
    pub(super) status: RunStatus,
    pub(super) output: Option<Value>,
    pub(super) error: Option<String>,
    worker: Option<String>,
    ready_at: Instant,
    holds_slot: bool,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) actions: HashSet<String>,
    pub(super) slots: usize,
    pub(super) stream: Option<Stream>,
    pub(super) heartbeats: usize,
    /// It takes no more tasks.
    pub(super) leaving: bool,
}

/// A worker as specs see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// What it takes, in order.
    pub actions: Vec<String>,
    /// How many tasks at a time.
    pub slots: usize,
    /// How often it was heard of.
    pub heartbeats: usize,
}

impl WorkerView {
    pub(super) fn of(worker: &Worker) -> Self {
        let mut actions: Vec<String> = worker.actions.iter().cloned().collect();
        actions.sort();
        Self { name: worker.name.clone(), actions, slots: worker.slots, heartbeats: worker.heartbeats }
    }
}

impl Worker {
    pub(super) fn listens_for(&self, action: &str) -> bool {
        self.stream.is_some() && !self.leaving && self.actions.contains(action)
    }
}

impl Run {
    pub(super) fn is_done(&self) -> bool {
        self.tasks.iter().all(Task::is_done)
    }

    pub(super) fn status(&self) -> RunStatus {
        let any = |status| self.tasks.iter().any(|task| task.status == status);
        match () {
            () if !self.is_done() && self.tasks.iter().all(|task| task.status == RunStatus::Queued) => {
                RunStatus::Queued
            }
            () if !self.is_done() => RunStatus::Running,
            () if any(RunStatus::Failed) => RunStatus::Failed,
            () if any(RunStatus::Cancelled) => RunStatus::Cancelled,
            () => RunStatus::Completed,
        }
    }
}

impl Task {
    pub(super) fn is_done(&self) -> bool {
        matches!(self.status, RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled)
    }
}

impl Book {
    /// Starts a run.
    pub(super) fn trigger(&mut self, workflow: &str, input: &str, metadata: &str) -> Result<String, Status> {
        let unknown = || Status::not_found(format!("workflow {workflow} not found"));
        let definition = self.definitions.get(workflow).ok_or_else(unknown)?;
        let input: Value = serde_json::from_str(input).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let metadata = serde_json::from_str(metadata).unwrap_or_else(|_| json!({}));
        // Of expressions it knows the form `input.name`.
        let key = definition.idempotency.as_ref().and_then(|config| config.expression.strip_prefix("input."));
        let key = key.and_then(|name| input[name].as_str()).map(str::to_owned);
        if key.is_some() && self.runs.values().any(|run| run.workflow == workflow && run.key == key) {
            return Err(Status::already_exists("idempotency key collision"));
        }
        let tasks = definition.tasks.iter().map(|spec| Task {
            id: uuid::Uuid::now_v7().to_string(),
            name: spec.readable_id.clone(),
            action: spec.action.to_lowercase(),
            parents: spec.parents.clone(),
            retries: spec.retries,
            backoff: Duration::from_millis(if spec.backoff_factor.is_some() { 200 } else { 0 }),
            retry_count: 0,
            status: RunStatus::Queued,
            output: None,
            error: None,
            worker: None,
            ready_at: Instant::now(),
            holds_slot: false,
        });
        let run = Run { workflow: workflow.to_owned(), input, metadata, tasks: tasks.collect(), key };
        let id = uuid::Uuid::now_v7().to_string();
        self.runs.insert(id.clone(), run);
        Ok(id)
    }

    /// Hands out what is ready, to workers with room for it.
    pub(super) fn schedule(&mut self) {
        let now = Instant::now();
        let mut busy: HashMap<String, usize> = HashMap::new();
        for task in self.runs.values().flat_map(|run| &run.tasks).filter(|task| task.holds_slot) {
            *busy.entry(task.worker.clone().unwrap_or_default()).or_default() += 1;
        }
        for (run_id, run) in &mut self.runs {
            cancel_behind_failures(run);
            for at in 0..run.tasks.len() {
                if !run.is_ready(at, now) {
                    continue;
                }
                let action = assigned(run_id, run, &run.tasks[at], ActionType::StartStepRun);
                let free = self.workers.iter_mut().find(|(id, worker)| {
                    let in_hand = busy.get(*id).copied().unwrap_or(0);
                    worker.listens_for(&action.action_id) && in_hand < worker.slots
                });
                let Some((worker_id, worker)) = free else { continue };
                if worker.stream.as_ref().is_none_or(|stream| stream.send(Ok(action)).is_err()) {
                    worker.stream = None;
                    continue;
                }
                *busy.entry(worker_id.clone()).or_default() += 1;
                let task = &mut run.tasks[at];
                task.status = RunStatus::Running;
                task.worker = Some(worker_id.clone());
                task.holds_slot = true;
            }
        }
    }

    /// Takes what a worker tells. Returns when something is ready that is not ready now.
    pub(super) fn take(&mut self, event: &StepActionEvent) -> Option<Duration> {
        let id = &event.task_run_external_id;
        let (run_id, run) = self.runs.iter_mut().find(|(_, run)| run.tasks.iter().any(|task| task.id == *id))?;
        let task = run.tasks.iter_mut().find(|task| task.id == *id)?;
        self.told.push(Told {
            run: run_id.clone(),
            task: task.name.clone(),
            kind: event.event_type().as_str_name().trim_start_matches("STEP_EVENT_TYPE_").to_owned(),
            payload: event.event_payload.clone(),
            retry_count: event.retry_count.unwrap_or_default(),
            should_not_retry: event.should_not_retry.unwrap_or_default(),
            retry_after_ms: event.retry_after_ms,
        });
        // What is told of an earlier try, or of a task that has ended, changes nothing.
        if task.is_done() || event.retry_count.is_some_and(|told| told != task.retry_count) {
            return None;
        }
        match event.event_type() {
            StepActionEventType::StepEventTypeCompleted => match output(&event.event_payload) {
                Ok(output) => task.end(RunStatus::Completed, Some(output), None),
                Err(error) => task.end(RunStatus::Failed, None, Some(error)),
            },
            StepActionEventType::StepEventTypeFailed => {
                let error = Some(event.event_payload.clone());
                if event.should_not_retry() || task.retry_count >= task.retries {
                    task.end(RunStatus::Failed, None, error);
                } else {
                    let after = event.retry_after_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
                    let after = after.unwrap_or(task.backoff);
                    task.error = error;
                    task.again(after);
                    return Some(after);
                }
            }
            StepActionEventType::StepEventTypeCancelled => task.end(RunStatus::Cancelled, None, None),
            _ => {}
        }
        None
    }

    /// Cancels what is left of a run, and tells workers that have some of it in hand.
    pub(super) fn cancel(&mut self, run_id: &str) -> Vec<String> {
        let Some(run) = self.runs.get_mut(run_id) else { return Vec::new() };
        let mut cancelled = Vec::new();
        for at in 0..run.tasks.len() {
            if run.tasks[at].is_done() {
                continue;
            }
            let action = assigned(run_id, run, &run.tasks[at], ActionType::CancelStepRun);
            let task = &mut run.tasks[at];
            let worker = task.worker.as_ref().and_then(|worker| self.workers.get(worker));
            if task.status == RunStatus::Running
                && let Some(stream) = worker.and_then(|worker| worker.stream.as_ref())
            {
                // A worker that has gone need not be told.
                let _told = stream.send(Ok(action));
            }
            task.end(RunStatus::Cancelled, None, None);
            cancelled.push(task.id.clone());
        }
        cancelled
    }

    /// The runs whose metadata say this.
    pub(super) fn with_metadata(&self, wanted: &str) -> Vec<String> {
        let Some((key, value)) = wanted.split_once(':') else { return Vec::new() };
        let fits = |run: &&Run| run.metadata[key] == value;
        self.runs.iter().filter(|(_, run)| fits(run)).map(|(id, _)| id.clone()).collect()
    }

    /// Lets a worker have another task while one of its own waits.
    pub(super) fn release_slot(&mut self, id: &str) {
        for task in self.runs.values_mut().flat_map(|run| &mut run.tasks).filter(|task| task.id == id) {
            task.holds_slot = false;
        }
    }

    pub(super) fn forget_workers(&mut self) {
        self.workers.clear();
        let in_hand = |task: &&mut Task| task.status == RunStatus::Running;
        for task in self.runs.values_mut().flat_map(|run| &mut run.tasks).filter(in_hand) {
            task.again(Duration::ZERO);
        }
    }

    /// The runs that ended since this was asked last.
    pub(super) fn newly_ended(&mut self) -> Vec<String> {
        let ended = self.runs.iter().filter(|(id, run)| run.is_done() && !self.announced.contains(*id));
        let ended: Vec<String> = ended.map(|(id, _)| id.clone()).collect();
        self.announced.extend(ended.iter().cloned());
        ended
    }
}

impl Run {
    fn is_ready(&self, at: usize, now: Instant) -> bool {
        let task = &self.tasks[at];
        let is_done =
            |name: &String| self.tasks.iter().any(|task| task.name == *name && task.status == RunStatus::Completed);
        task.status == RunStatus::Queued && task.ready_at <= now && task.parents.iter().all(is_done)
    }
}

impl Task {
    fn end(&mut self, status: RunStatus, output: Option<Value>, error: Option<String>) {
        self.status = status;
        self.output = output;
        self.error = error;
        self.holds_slot = false;
    }

    fn again(&mut self, after: Duration) {
        self.status = RunStatus::Queued;
        self.retry_count += 1;
        self.ready_at = Instant::now() + after;
        self.worker = None;
        self.holds_slot = false;
    }
}

/// What comes behind a task that failed or was cancelled is cancelled.
fn cancel_behind_failures(run: &mut Run) {
    loop {
        let lost: Vec<String> = run
            .tasks
            .iter()
            .filter(|task| matches!(task.status, RunStatus::Failed | RunStatus::Cancelled))
            .map(|task| task.name.clone())
            .collect();
        let behind = run
            .tasks
            .iter_mut()
            .find(|task| task.status == RunStatus::Queued && task.parents.iter().any(|parent| lost.contains(parent)));
        match behind {
            Some(task) => task.end(RunStatus::Cancelled, None, None),
            None => return,
        }
    }
}

/// An output, as the engine takes it: an object without NUL.
fn output(payload: &str) -> Result<Value, String> {
    match serde_json::from_str::<Value>(payload) {
        Ok(output @ Value::Object(_)) if !payload.contains("\\u0000") => Ok(output),
        _ => Err(format!("invalid output: {payload}")),
    }
}

fn assigned(run_id: &str, run: &Run, task: &Task, kind: ActionType) -> AssignedAction {
    let parents = run.tasks.iter().filter(|parent| task.parents.contains(&parent.name));
    let parents: Map<String, Value> =
        parents.map(|parent| (parent.name.clone(), parent.output.clone().unwrap_or_default())).collect();
    let payload = json!({
        "input": run.input,
        "parents": parents,
        "overrides": {},
        "user_data": {},
        "step_run_errors": {},
        "triggered_by": "manual",
        "triggers": {},
    });
    AssignedAction {
        tenant_id: TENANT.to_owned(),
        workflow_run_id: run_id.to_owned(),
        job_id: "job".to_owned(),
        job_name: run.workflow.clone(),
        job_run_id: run_id.to_owned(),
        task_id: task.id.clone(),
        task_run_external_id: task.id.clone(),
        action_id: task.action.clone(),
        action_type: kind.into(),
        action_payload: payload.to_string(),
        task_name: task.name.clone(),
        retry_count: task.retry_count,
        additional_metadata: Some(run.metadata.to_string()),
        priority: 1,
        ..AssignedAction::default()
    }
}
