//! A dispatcher in memory: the engine without ledger and broker, for specs of what walks workflows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backends::desk::{Away, Begun, Desk, Standing, Turn};
use backends::port::Launch;
use engine::{Event, Run, TaskRun};
use jiff::Timestamp;
use protocol::{Callback, Payload, RunId, TaskState, TenantId, Workflow};

/// When to ask again about a task that waits for others.
const SOON: Duration = Duration::from_millis(100);

/// How long a spec waits for something before it calls it stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs in memory, changed by the engine alone.
#[derive(Default)]
pub struct MemoryDesk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: HashMap<RunId, (Run, Payload)>,
    workflows: Vec<Arc<Workflow>>,
    asked: Vec<Turn>,
}

impl MemoryDesk {
    /// Makes a workflow known.
    pub fn register(&self, workflow: &Workflow) {
        self.lock().workflows.push(Arc::new(workflow.clone()));
    }

    /// Submits and admits a run, for a backend to start.
    ///
    /// # Panics
    /// Never: the name of the tenant is one.
    pub fn submit(&self, workflow: &Workflow, input: serde_json::Value) -> Launch {
        let (run_id, workflow) = (RunId::new(), Arc::new(workflow.clone()));
        let tenant: TenantId = "specs".to_owned().try_into().expect("it is a name");
        let mut run = Run::new(run_id, tenant.clone(), Arc::clone(&workflow), Timestamp::now());
        engine::apply(&mut run, Event::Admitted, Timestamp::now());
        self.lock().runs.insert(run_id, (run, Payload::Inline(input)));
        Launch { run_id, tenant, workflow }
    }

    /// Cancels a run on record.
    pub fn cancel(&self, run: RunId) {
        if let Some((run, _)) = self.lock().runs.get_mut(&run) {
            engine::apply(run, Event::Cancel { reason: "a spec wants it".to_owned() }, Timestamp::now());
        }
    }

    /// A run as it stands.
    ///
    /// # Panics
    /// When there is no such run.
    #[must_use]
    pub fn run(&self, run: RunId) -> Run {
        self.lock().runs.get(&run).map(|(run, _)| run.clone()).expect("the spec submitted it")
    }

    /// Every turn that was asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Turn> {
        self.lock().asked.clone()
    }

    /// Waits until a run satisfies a condition.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn when(&self, run: RunId, condition: impl Fn(&Run) -> bool) -> Run {
        let waiting = async {
            loop {
                let run = self.run(run);
                if condition(&run) {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(run) => run,
            Err(_) => panic!("nothing came of it: {:#?}", self.run(run)),
        }
    }

    /// Waits until a run has ended.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn ended(&self, run: RunId) -> Run {
        self.when(run, |run| run.state.is_final()).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Desk for MemoryDesk {
    async fn begin(&self, turn: &Turn) -> Result<Begun, Away> {
        let mut state = self.lock();
        state.asked.push(turn.clone());
        let known = state.runs.get_mut(&turn.run_id);
        let (run, input) = known.ok_or_else(|| Away(format!("there is no run {}", turn.run_id)))?;
        let now = Timestamp::now();
        let Some(task_run) = find(run, turn) else {
            // A child whose list is not there yet.
            return Ok(Begun::Stands(Standing {
                run: run.state,
                task: TaskState::Blocked,
                again_in: Some(SOON),
                fan_out: None,
                error: None,
            }));
        };
        let (id, attempt) = (task_run.id, task_run.attempt);
        if task_run.state == TaskState::Waiting && task_run.due_at.is_some_and(|due| due <= now) {
            engine::apply(run, Event::TimerDue { task_run: id, attempt }, now);
        }
        if let Some(job) = run.job(id, input) {
            return Ok(Begun::Work { job: Box::new(job) });
        }
        let task_run = run.task_run(id).ok_or_else(|| Away("it is gone".to_owned()))?;
        Ok(Begun::Stands(standing(run, task_run, now)))
    }

    async fn report(&self, callback: Callback) -> Result<Standing, Away> {
        let mut state = self.lock();
        let known = state.runs.get_mut(&callback.run_id);
        let (run, _) = known.ok_or_else(|| Away(format!("there is no run {}", callback.run_id)))?;
        let now = Timestamp::now();
        let event = Event::Finished {
            task_run: callback.task_run_id,
            attempt: callback.attempt,
            outcome: callback.outcome,
            worker: callback.worker,
            started_at: callback.started_at,
        };
        engine::apply(run, event, now);
        let task_run = run.task_run(callback.task_run_id).ok_or_else(|| Away("it is unknown".to_owned()))?;
        Ok(standing(run, task_run, now))
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Away> {
        Ok(self.lock().workflows.clone())
    }
}

fn find<'a>(run: &'a Run, turn: &Turn) -> Option<&'a TaskRun> {
    run.tasks.iter().find(|task_run| task_run.task == turn.task && task_run.index == turn.index)
}

fn standing(run: &Run, task_run: &TaskRun, now: Timestamp) -> Standing {
    let left = |due: Timestamp| Duration::try_from(now.duration_until(due)).unwrap_or_default();
    let again_in = match task_run.state {
        state if state.is_final() => None,
        TaskState::Waiting => task_run.due_at.map(left).or(Some(SOON)),
        _ => Some(SOON),
    };
    Standing {
        run: run.state,
        task: task_run.state,
        again_in,
        fan_out: task_run.fan_out,
        error: task_run.error.clone(),
    }
}
