//! One task that the engine handed out: served as a turn, and its end told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::{TaskError, TaskState};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::client::asking;
use super::host::{Pause, Station};
use super::order::{Handed, Left};
use super::proto::{AssignedAction, PutLogRequest, ReleaseSlotRequest, StepActionEvent, StepActionEventType as Kind};
use crate::desk::{Standing, Turn};
use crate::host::Ending;
use crate::turns;

/// How long a task without an error is held here before it is asked for again, instead of being handed back.
const HOLD: Duration = Duration::from_secs(10 * 60);

/// The same for one whose attempt failed: only what is left because clocks differ, so that every failure is shown as one.
const HOLD_FAILED: Duration = Duration::from_millis(100);

/// From which wait on a held task gives its slot back.
const RELEASE: Duration = Duration::from_secs(2);

/// How long the end of a task is told again and again to an engine that is away.
const INSISTENCE: Duration = Duration::from_secs(10 * 60);

/// A task in hand.
pub(super) struct Performance {
    station: Arc<Station>,
    worker: String,
    action: AssignedAction,
    cancel: CancellationToken,
}

/// An event to be told.
struct Told {
    kind: Kind,
    payload: String,
    /// When to hand it out again; never, if there is none and it failed.
    again: Option<Duration>,
}

impl Performance {
    pub(super) fn of(station: Arc<Station>, worker: String, action: AssignedAction, cancel: CancellationToken) -> Self {
        Self { station, worker, action, cancel }
    }

    /// Has the task done, and tells the engine.
    pub(super) async fn perform(self) {
        let told = match serde_json::from_str::<Handed>(&self.action.action_payload) {
            Ok(handed) => {
                self.tell(Told { kind: Kind::StepEventTypeStarted, payload: String::new(), again: None }).await;
                self.serve(&handed).await
            }
            Err(error) => Told::failed(format!("this is no run of Flotilla's: {error}"), None),
        };
        self.tell(told).await;
        self.station.put_down(&self.action.task_run_external_id);
    }

    async fn serve(&self, handed: &Handed) -> Told {
        loop {
            let ending = tokio::select! {
                () = self.cancel.cancelled() => return Told::cancelled(),
                ending = self.turn(handed) => ending,
            };
            let (after, error) = match ending {
                Ending::Ended(standing) => return self.ended(handed, &standing).await,
                Ending::Again { after, error } => (after, error),
            };
            if self.station.stop.is_cancelled() {
                return Told::failed("the worker shuts down".to_owned(), Some(Duration::ZERO));
            }
            match error {
                Some(error) if after > HOLD_FAILED => return Told::failed(error.to_string(), Some(after)),
                None if after > HOLD => return Told::failed("it waits for something outside".to_owned(), Some(after)),
                _ => {}
            }
            if after > RELEASE {
                self.release().await;
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Told::cancelled(),
                () = self.station.stop.cancelled() => {
                    return Told::failed("the worker shuts down".to_owned(), Some(after));
                }
                () = sleep(after) => {}
            }
        }
    }

    /// The children of a mapped task, side by side; then the task itself.
    async fn turn(&self, handed: &Handed) -> Ending {
        let task = self.task();
        let order = &handed.input;
        let turn = |index| Turn { run_id: order.run_id, tenant: order.tenant.clone(), task: task.to_owned(), index };
        let children = (0..handed.children(task)).map(|index| turn(Some(index))).collect();
        // Twice as many as the worker runs, so that none of its slots waits for the next.
        let at_once = self.station.serving.concurrency.saturating_mul(2);
        match turns::serve(&self.station.intake, children, at_once).await {
            Some(again @ Ending::Again { .. }) => again,
            Some(Ending::Ended(_)) | None => self.station.intake.serve(&turn(None)).await,
        }
    }

    /// The name of the task in its workflow.
    fn task(&self) -> &str {
        let action = &self.action;
        let from_action = || action.action_id.rsplit(':').next().unwrap_or_default();
        if action.task_name.is_empty() { from_action() } else { &action.task_name }
    }

    async fn ended(&self, handed: &Handed, standing: &Standing) -> Told {
        let left = json!(Left::of(standing)).to_string();
        match standing.task {
            TaskState::Failed => {
                let unknown = || TaskError::permanent("failed", "It failed; its record says why.");
                let error = standing.error.clone().unwrap_or_else(unknown);
                if !handed.input.tolerant.iter().any(|task| task == self.task()) {
                    return Told::failed(error.to_string(), None);
                }
                self.log(&format!("Failed, which the workflow tolerates: {error}")).await;
                Told { kind: Kind::StepEventTypeCompleted, payload: left, again: None }
            }
            TaskState::Cancelled => Told::cancelled(),
            _ => Told { kind: Kind::StepEventTypeCompleted, payload: left, again: None },
        }
    }

    /// Tells an event until the engine has it.
    async fn tell(&self, told: Told) {
        let until = Instant::now() + INSISTENCE;
        let mut pause = Pause::default();
        loop {
            let event = self.event(&told);
            let Err(status) = self.station.client.dispatcher().send_step_action_event(asking(event)).await else {
                return;
            };
            let error = self.station.client.failed("it hears no end of a task", &status);
            let is_refused = matches!(status.code(), Code::NotFound | Code::InvalidArgument | Code::Unauthenticated);
            if is_refused || Instant::now() > until {
                // The engine gives the task to another worker, which finds its end on record.
                tracing::warn!(%error, kind = told.kind.as_str_name(), "Hatchet does not know how a task stands");
                return;
            }
            tracing::debug!(%error, "telling Hatchet again");
            sleep(pause.next()).await;
        }
    }

    fn event(&self, told: &Told) -> StepActionEvent {
        let action = self.action.clone();
        let failed = told.kind == Kind::StepEventTypeFailed;
        StepActionEvent {
            worker_id: self.worker.clone(),
            job_id: action.job_id,
            job_run_id: action.job_run_id,
            task_id: action.task_id,
            task_run_external_id: action.task_run_external_id,
            action_id: action.action_id,
            event_timestamp: Some(SystemTime::now().into()),
            event_type: told.kind.into(),
            event_payload: told.payload.clone(),
            retry_count: Some(action.retry_count),
            should_not_retry: failed.then_some(told.again.is_none()),
            retry_after_ms: told.again.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// A line in the task's log at Hatchet; losing one is no harm.
    async fn log(&self, message: &str) {
        let line = PutLogRequest {
            task_run_external_id: self.action.task_run_external_id.clone(),
            created_at: Some(SystemTime::now().into()),
            message: message.to_owned(),
            level: Some("WARN".to_owned()),
            metadata: "{}".to_owned(),
            task_retry_count: Some(self.action.retry_count),
        };
        if let Err(error) = self.station.client.events().put_log(asking(line)).await {
            tracing::debug!(%error, "a line of a log is lost");
        }
    }

    /// Lets the engine hand out something else while this task waits.
    async fn release(&self) {
        let request = ReleaseSlotRequest { task_run_external_id: self.action.task_run_external_id.clone() };
        if let Err(error) = self.station.client.dispatcher().release_slot(asking(request)).await {
            tracing::debug!(%error, "a waiting task keeps its slot");
        }
    }
}

impl Told {
    /// Failed: to be handed out again after that time, or for good.
    fn failed(payload: String, again: Option<Duration>) -> Self {
        Self { kind: Kind::StepEventTypeFailed, payload, again }
    }

    fn cancelled() -> Self {
        Self { kind: Kind::StepEventTypeCancelled, payload: String::new(), again: None }
    }
}
