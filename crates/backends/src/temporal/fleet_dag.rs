//! The one workflow that Temporal knows of us: it walks any DAG.
//!
//! A history under way is replayed with whatever code runs then. So a change of what is scheduled, and in which order, needs
//! `ctx.patched(..)`; the specs replay histories that were recorded from a real server and find what was forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use protocol::{RunState, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::error::{ActivityExecutionError, ApplicationFailure};
use temporalio_sdk::workflows::{join_all, select};
use temporalio_sdk::{
    ActivityCancellationType, ActivityOptions, ContinueAsNewOptions, SyncWorkflowContext, TimerOptions,
    WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
    WorkflowTermination,
};

use super::plan::{Mark, Plan, turns_queue};
use super::progress::Walk;
use super::turns::{self, Turns};
use crate::desk::Turn;

/// How long the turns under way have to end before the walk goes on in a fresh history without them. They lose nothing: it
/// asks for them again, and the ledger still has the same attempts in hand.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many signals a walk remembers.
const SIGNALS: usize = 100;

/// Walks the DAG of a run.
#[workflow]
pub struct FleetDag {
    walk: Walk,
    signals: Vec<Signal>,
}

/// A named signal to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What comes with it.
    pub payload: Value,
}

/// What a walk leaves behind in Temporal; results are in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    /// How the run ended.
    pub run: RunState,
    /// How its tasks ended, by name.
    pub tasks: BTreeMap<String, TaskState>,
}

#[workflow_methods]
impl FleetDag {
    #[init]
    fn new(_ctx: &WorkflowContextView, plan: Plan) -> Self {
        Self { walk: Walk::new(plan), signals: Vec::new() }
    }

    /// Walks.
    ///
    /// # Errors
    /// How the run ended, when that is not well; or the request for a fresh history.
    #[run(name = "FleetDag")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Walked> {
        let ctx = &*ctx;
        let tasks = ctx.state(|dag| dag.walk.plan.tasks.len());
        let ended = {
            let mut walks = join_all((0..tasks).map(|at| Box::pin(walk(ctx, at)))).fuse();
            // Being cancelled ends the turns under way, and they say how the run stands.
            let mut over = ctx.wait_condition_with_options(|dag| dag.walk.is_over(), regardless());
            let mut rolled = Box::pin(roll(ctx).fuse());
            select! {
                ends = walks => ends.into_iter().collect(),
                waited = over => waited.map_err(WorkflowTermination::from),
                () = rolled => Ok(()),
            }
        };
        if !ctx.state(|dag| dag.walk.is_over()) {
            ended?;
        }
        if ctx.state(|dag| dag.walk.is_rolling()) {
            let plan = ctx.state(|dag| dag.walk.next_leg());
            ctx.continue_as_new(plan, ContinueAsNewOptions::default())?;
        }
        ctx.state(|dag| dag.walked())
    }

    /// Takes note of a signal.
    #[signal(name = "signal")]
    pub fn signal(&mut self, _ctx: &mut SyncWorkflowContext<Self>, signal: Signal) {
        if self.signals.len() == SIGNALS {
            self.signals.remove(0);
        }
        self.signals.push(signal);
    }

    /// How the tasks stand that have ended.
    #[query(name = "tasks")]
    pub fn tasks(&self, _ctx: &WorkflowContextView) -> BTreeMap<String, TaskState> {
        self.standings()
    }

    /// The latest signals, in the order of their arrival.
    #[query(name = "signals")]
    pub fn signals(&self, _ctx: &WorkflowContextView) -> Vec<Signal> {
        self.signals.clone()
    }
}

impl FleetDag {
    fn standings(&self) -> BTreeMap<String, TaskState> {
        self.walk.standings().map(|(name, state)| (name.to_owned(), state)).collect()
    }

    fn walked(&self) -> WorkflowResult<Walked> {
        match self.walk.outcome() {
            RunState::Cancelled => Err(WorkflowTermination::cancelled()),
            RunState::Failed => {
                let failed = self.walk.failed().join(", ");
                let words = if failed.is_empty() { "the run failed".to_owned() } else { format!("failed: {failed}") };
                Err(ApplicationFailure::non_retryable(words).into())
            }
            run => Ok(Walked { run, tasks: self.standings() }),
        }
    }
}

/// Walks one task: waits for its parents, has its children worked on if it is mapped, and then itself.
async fn walk(ctx: &WorkflowContext<FleetDag>, at: usize) -> Result<(), WorkflowTermination> {
    if ctx.state(|dag| dag.walk.has_ended(at)) {
        return Ok(());
    }
    ctx.wait_condition(|dag| dag.walk.is_ready(at) || dag.walk.is_closing()).await?;
    let lanes = ctx.state(|dag| dag.walk.lanes(at));
    let ends = join_all((0..lanes).map(|_| Box::pin(walk_children(ctx, at)))).await;
    ends.into_iter().collect::<Result<(), WorkflowTermination>>()?;
    if is_closing(ctx) {
        return Ok(());
    }
    let mark = turn(ctx, at, None).await?;
    ctx.state_mut(|dag| dag.walk.ended(at, mark));
    Ok(())
}

/// Walks children of a mapped task one after the other, until none is left.
async fn walk_children(ctx: &WorkflowContext<FleetDag>, at: usize) -> Result<(), WorkflowTermination> {
    while !is_closing(ctx) {
        let Some(child) = ctx.state_mut(|dag| dag.walk.next_child(at)) else { break };
        let mark = turn(ctx, at, Some(child)).await?;
        ctx.state_mut(|dag| dag.walk.child_ended(at, child, &mark));
    }
    Ok(())
}

/// Has a worker do one turn of a task, however often it takes.
async fn turn(ctx: &WorkflowContext<FleetDag>, at: usize, index: Option<u32>) -> Result<Mark, WorkflowTermination> {
    let (turn, options) = ctx.state(|dag| {
        let (plan, step) = (&dag.walk.plan, &dag.walk.plan.tasks[at]);
        let shown = index.map_or_else(|| step.name.clone(), |index| format!("{}[{index}]", step.name));
        let options = ActivityOptions::with_start_to_close_timeout(step.limit)
            .activity_id(shown.clone())
            .summary(shown)
            .task_queue(turns_queue(&plan.prefix, &step.queue))
            .heartbeat_timeout(turns::LOST_AFTER)
            .retry_policy(turns::retry_policy())
            .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
            .build();
        (Turn { run_id: plan.run_id, tenant: plan.tenant.clone(), task: step.name.clone(), index }, options)
    });
    match ctx.execute_activity(Turns::turn, turn, options).await {
        Ok(mark) => Ok(mark),
        Err(ActivityExecutionError::Cancelled(_)) => Err(WorkflowTermination::cancelled()),
        Err(error) => turns::mark_of(&error).ok_or_else(|| error.into()),
    }
}

/// Waits until the history is long and the turns under way have had their time to end.
async fn roll(ctx: &WorkflowContext<FleetDag>) {
    if ctx.wait_condition_with_options(|dag| dag.walk.is_rolling(), regardless()).await.is_ok() {
        let patience = TimerOptions::builder(PATIENCE).cancellation_token(WorkflowCancellationToken::new());
        ctx.timer(patience.build()).await;
    }
}

/// Waits on although the walk is cancelled.
fn regardless() -> WaitConditionOptions {
    WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build()
}

fn is_closing(ctx: &WorkflowContext<FleetDag>) -> bool {
    let events = ctx.history_length();
    if ctx.state(|dag| !dag.walk.is_closing() && events >= dag.walk.plan.history_events) {
        ctx.state_mut(|dag| dag.walk.measure(events));
    }
    ctx.state(|dag| dag.walk.is_closing())
}
