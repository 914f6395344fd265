//! The worker's side: registers for tasks, listens for them, and keeps the engine patient.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use protocol::Backend as Name;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::definition;
use super::listening::{self, Parting};
use super::performing::Performance;
use super::proto::{ActionType, AssignedAction};
use crate::desk::Away;
use crate::host::{Host, Intake, Serving};
use crate::port::Error;

/// How long before the next try after the first failure, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Hatchet's tasks, taken.
#[derive(Clone)]
pub struct HatchetHost {
    pub(super) client: Client,
}

/// A worker of ours, over all of its registrations.
pub(super) struct Station {
    pub(super) client: Client,
    pub(super) serving: Serving,
    pub(super) intake: Intake,
    pub(super) stop: CancellationToken,
    /// The tasks in hand.
    pub(super) tasks: TaskTracker,
    /// What stops each of them.
    cancels: Mutex<HashMap<String, CancellationToken>>,
}

#[async_trait]
impl Host for HatchetHost {
    fn name(&self) -> Name {
        Name::Hatchet
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let station = Arc::new(Station {
            client: self.client.clone(),
            serving: serving.clone(),
            intake,
            stop: stop.clone(),
            tasks: TaskTracker::new(),
            cancels: Mutex::default(),
        });
        let mut pause = Pause::default();
        while !stop.is_cancelled() {
            match station.actions().await {
                Ok(actions) if actions.is_empty() => tracing::debug!("there is no workflow to listen for yet"),
                Ok(actions) => match listening::listen(&station, &actions).await {
                    Ok(Parting::Renewed) => {
                        pause = Pause::default();
                        continue;
                    }
                    Ok(Parting::Stopped) => break,
                    Err(error @ Error::Refused { .. }) => return Err(error),
                    Err(error) => tracing::warn!(%error, "Hatchet cannot be listened to"),
                },
                Err(away) => tracing::warn!(error = %away, "nobody says what to listen for"),
            }
            stop.run_until_cancelled(tokio::time::sleep(pause.next())).await;
        }
        station.tasks.close();
        station.tasks.wait().await;
        Ok(())
    }
}

impl Station {
    /// The names of the tasks that are taken here, in order.
    pub(super) async fn actions(&self) -> Result<Vec<String>, Away> {
        let workflows = self.intake.desk().workflows().await?;
        let namespace = self.client.namespace();
        let ours = workflows.iter().flat_map(|workflow| {
            let tasks = workflow.tasks.iter().filter(|task| self.serving.queues.contains(&task.queue));
            tasks.map(|task| definition::action(namespace, &workflow.name, &task.name))
        });
        let mut actions: Vec<String> = ours.collect();
        actions.sort();
        actions.dedup();
        Ok(actions)
    }

    /// Takes what the engine hands out.
    pub(super) fn take(self: &Arc<Self>, worker: &str, action: AssignedAction) {
        let id = action.task_run_external_id.clone();
        match action.action_type() {
            ActionType::StartStepRun => {
                let cancel = CancellationToken::new();
                self.cancels().insert(id, cancel.clone());
                let performance = Performance::of(Arc::clone(self), worker.to_owned(), action, cancel);
                self.tasks.spawn(performance.perform());
            }
            ActionType::CancelStepRun => {
                if let Some(cancel) = self.cancels().get(&id) {
                    cancel.cancel();
                }
            }
            other => tracing::warn!(kind = other.as_str_name(), "Hatchet hands out what was not asked for"),
        }
    }

    /// Forgets a task that is no longer in hand.
    pub(super) fn put_down(&self, task: &str) {
        self.cancels().remove(task);
    }

    fn cancels(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pauses that grow.
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pause {
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSES.1);
        pause
    }
}
