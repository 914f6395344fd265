//! The desk that engines come to which walk workflows themselves: the ledger says what there is to do.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coordination::{Bucket, Granted};
use engine::{Event, Run, TaskRun};
use jiff::{SignedDuration, Timestamp};
use ledger::HandedOut;
use protocol::{Callback, RunState, TaskError, TaskRunId, TaskState, Workflow};

use super::elsewhere::SOON;
use super::{Error, Fleet};
use crate::desk::{Away, Begun, Desk, Standing, Turn};

/// A timer that is due within this is taken for due: engines and dispatchers have clocks of their own.
const EARLY: SignedDuration = SignedDuration::from_millis(50);

/// How often an attempt is begun before it counts as poison: whoever has it in hand dies each time.
const BEGINNINGS: NonZeroU32 = NonZeroU32::new(6).expect("it is not 0");

/// How long beginnings are counted.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Desk for Fleet {
    async fn begin(&self, turn: &Turn) -> Result<Begun, Away> {
        self.take_turn(turn).await.map_err(|error| Away(error.to_string()))
    }

    async fn report(&self, callback: Callback) -> Result<Standing, Away> {
        self.take_report(callback).await.map_err(|error| Away(error.to_string()))
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Away> {
        Fleet::workflows(self).await.map_err(|error| Away(error.to_string()))
    }
}

impl Fleet {
    async fn take_turn(&self, turn: &Turn) -> Result<Begun, Error> {
        loop {
            let now = Timestamp::now();
            let Some(record) = self.ledger.run(&turn.tenant, turn.run_id).await? else {
                // Retention has taken it, or it never was: nobody wants it.
                return Ok(Begun::Stands(Standing::gone()));
            };
            let run = record.run;
            let Some(task_run) = find(&run, turn) else {
                let unknown = run.state.is_final() || run.workflow.spec(&turn.task).is_none();
                let standing = if unknown { Standing::gone() } else { Standing::of_run(&run, TaskState::Blocked) };
                return Ok(Begun::Stands(standing));
            };
            let in_hand = matches!(task_run.state, TaskState::Queued | TaskState::Running) && task_run.attempt > 0;
            let due = task_run.state == TaskState::Waiting && task_run.due_at.is_none_or(|due| due <= now + EARLY);
            if run.state.is_final() || !(in_hand || due) {
                return Ok(Begun::Stands(standing(&run, task_run, now)));
            }
            if due {
                let event = Event::TimerDue { task_run: task_run.id, attempt: task_run.attempt };
                self.ledger.apply(vec![(run.id, event)], now).await?;
                continue;
            }
            if self.is_held(task_run).await {
                // Somebody works on it, whatever the engine thinks.
                let standing = standing(&run, task_run, now);
                return Ok(Begun::Stands(Standing { again_in: Some(Duration::from_secs(1)), ..standing }));
            }
            if self.is_poison(task_run).await {
                self.bury(&run, task_run, now).await?;
                continue;
            }
            let queue = run.queue_of(&task_run.task).unwrap_or_default().to_owned();
            let attempt = HandedOut { run_id: run.id, task_run_id: task_run.id, attempt: task_run.attempt, queue };
            if let Some(job) = self.ledger.hand_out_again(&[attempt], now).await?.pop() {
                return Ok(Begun::Work { job: Box::new(job) });
            }
            // It ended, or went on, while it was looked at.
        }
    }

    async fn take_report(&self, callback: Callback) -> Result<Standing, Error> {
        let (run_id, task_run_id) = (callback.run_id, callback.task_run_id);
        let applied = self.record(vec![callback]).await?;
        let tenant = applied.first().and_then(|one| one.tenant.clone());
        self.carry_out(applied).await?;
        let Some(tenant) = tenant else { return Ok(Standing::gone()) };
        let Some(record) = self.ledger.run(&tenant, run_id).await? else { return Ok(Standing::gone()) };
        let task_run = record.run.task_run(task_run_id);
        Ok(task_run.map_or_else(Standing::gone, |task_run| standing(&record.run, task_run, Timestamp::now())))
    }

    async fn is_held(&self, task_run: &TaskRun) -> bool {
        let held = self.coordination.held_leases(&[(task_run.id, task_run.attempt)]).await;
        // Who cannot be asked stops nobody: of an attempt, one end counts.
        held.is_ok_and(|held| held.contains(&true))
    }

    /// Counts a beginning of an attempt; says whether there were too many.
    async fn is_poison(&self, task_run: &TaskRun) -> bool {
        let key = beginnings(task_run.id, task_run.attempt);
        let bucket = Bucket { tokens: BEGINNINGS, refill: REMEMBERED };
        matches!(self.coordination.take_tokens(&key, 1, bucket).await, Ok(Granted::After(_)))
    }

    async fn bury(&self, run: &Run, task_run: &TaskRun, now: Timestamp) -> Result<(), Error> {
        let error = TaskError::permanent(
            "poison",
            format!("The task was begun {BEGINNINGS} times and never finished: whoever works on it dies."),
        );
        tracing::error!(run.id = %run.id, task.name = %task_run.task, "a task is poison");
        let event = Event::Lost { task_run: task_run.id, attempt: task_run.attempt, error };
        let applied = self.ledger.apply(vec![(run.id, event)], now).await?;
        self.carry_out(applied).await
    }
}

fn beginnings(task_run: TaskRunId, attempt: u32) -> String {
    format!("begun:{task_run}:{attempt}")
}

fn find<'run>(run: &'run Run, turn: &Turn) -> Option<&'run TaskRun> {
    run.tasks.iter().find(|task_run| task_run.task == turn.task && task_run.index == turn.index)
}

fn standing(run: &Run, task_run: &TaskRun, now: Timestamp) -> Standing {
    let task = match task_run.state {
        // A run that ended has nothing left to do, whatever its tasks were at.
        state if run.state.is_final() && !state.is_final() => TaskState::Cancelled,
        state => state,
    };
    let until = |due: Timestamp| Duration::try_from(now.duration_until(due)).unwrap_or(Duration::ZERO);
    let again_in = (!task.is_final()).then(|| task_run.due_at.map_or(SOON, until));
    Standing { run: run.state, task, again_in, fan_out: task_run.fan_out, error: task_run.error.clone() }
}

impl Standing {
    /// Of a task that nobody wants.
    const fn gone() -> Self {
        Self { run: RunState::Cancelled, task: TaskState::Cancelled, again_in: None, fan_out: None, error: None }
    }

    fn of_run(run: &Run, task: TaskState) -> Self {
        Self { run: run.state, task, again_in: Some(SOON), fan_out: None, error: None }
    }
}
