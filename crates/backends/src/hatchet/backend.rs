//! What the dispatcher asks of Hatchet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use protocol::{Backend as Name, Job, RunId, RunState, Workflow};
use serde_json::{Value, json};
use tonic::Code;

use super::client::{Client, asking};
use super::definition;
use super::order::Order;
use super::proto::{BulkTriggerWorkflowRequest, GetVersionRequest, PushEventRequest, v1};
use super::settings::refused;
use crate::port::{Ability, Backend, Capabilities, Error, Launch, Sight};

/// Most runs that Hatchet starts in one call.
const MOST_RUNS: usize = 1_000;

/// The metadata that a run is found by.
const RUN_ID: &str = "flotilla_run_id";

/// How many runs are remembered with the ids that Hatchet gave them; others are looked for.
const REMEMBERED: usize = 10_000;

/// How far before its id's time a run is looked for: clocks differ.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Hatchet as a backend.
#[derive(Clone)]
pub struct Hatchet {
    client: Client,
    tenant_runs: Option<i32>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// Versions of workflows that Hatchet was told last, by their names.
    told: HashMap<String, u32>,
    /// Hatchet's ids of runs.
    runs: HashMap<RunId, String>,
}

impl Hatchet {
    pub(super) fn new(client: Client, tenant_runs: Option<i32>) -> Self {
        Self { client, tenant_runs, memory: Arc::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a workflow, unless this version of it was told last: runs are walked as the workflow is when they start.
    async fn tell(&self, workflow: &Workflow) -> Result<(), Error> {
        let is_told = self.memory().told.get(&workflow.name) == Some(&workflow.version);
        if is_told { Ok(()) } else { self.register(workflow).await }
    }

    /// Starts runs of one version of a workflow.
    async fn trigger(&self, runs: &[&Launch]) -> Result<(), Error> {
        let workflows = runs.iter().map(|launch| self.request(launch)).collect();
        let request = asking(BulkTriggerWorkflowRequest { workflows });
        match self.client.workflows().bulk_trigger_workflow(request).await {
            Ok(answer) => {
                let mut memory = self.memory();
                if memory.runs.len() + runs.len() > REMEMBERED {
                    memory.runs.clear();
                }
                let ids = answer.into_inner().workflow_run_ids;
                memory.runs.extend(runs.iter().map(|launch| launch.run_id).zip(ids));
                Ok(())
            }
            // Some had been started before, which is what idempotency is for; the others were started now.
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) => Err(self.client.failed("it starts no run", &status)),
        }
    }

    fn request(&self, launch: &Launch) -> v1::TriggerWorkflowRequest {
        v1::TriggerWorkflowRequest {
            name: definition::name(self.client.namespace(), &launch.workflow.name),
            input: json!(Order::of(launch)).to_string(),
            additional_metadata: Some(json!({RUN_ID: launch.run_id}).to_string()),
            ..v1::TriggerWorkflowRequest::default()
        }
    }
}

#[async_trait]
impl Backend for Hatchet {
    fn name(&self) -> Name {
        Name::Hatchet
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .emulated(Ability::FanOut, "the children of a mapped task share its task there, and so one worker")
            .emulated(Ability::TolerateFailure, "a tolerated failure is shown as completed, with a line in its log")
            .emulated(Ability::Snooze, "the worker holds the task and gives its slot back")
            .emulated(Ability::HardTimeout, "by the worker")
            .emulated(Ability::QueueWait, "by the ledger and the worker")
            .emulated(Ability::RunTimeout, "by the ledger's clock, which stops the run there")
            .emulated(Ability::Priority, "by the order of admission")
            .emulated(Ability::Signals, "an event that workflows of your own can wait for")
    }

    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        let definition = definition::of(workflow, self.client.namespace(), self.tenant_runs).map_err(refused)?;
        let told = self.client.admin().put_workflow(asking(definition)).await;
        told.map_err(|status| self.client.failed(&format!("it does not take workflow {:?}", workflow.name), &status))?;
        self.memory().told.insert(workflow.name.clone(), workflow.version);
        Ok(())
    }

    async fn start(&self, runs: &[Launch]) -> Result<(), Error> {
        let mut rest: Vec<&Launch> = runs.iter().collect();
        while let Some(first) = rest.first().copied() {
            let alike = |launch: &&Launch| {
                launch.workflow.name == first.workflow.name && launch.workflow.version == first.workflow.version
            };
            let (these, others): (Vec<&Launch>, Vec<&Launch>) = rest.into_iter().partition(alike);
            self.tell(&first.workflow).await?;
            for some in these.chunks(MOST_RUNS) {
                self.trigger(some).await?;
            }
            rest = others;
        }
        Ok(())
    }

    async fn hand_out(&self, _jobs: &[Job]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(&self, run: RunId, _reason: &str) -> Result<(), Error> {
        let request = v1::CancelTasksRequest {
            external_ids: Vec::new(),
            filter: Some(v1::TasksFilter {
                since: Some(since(run).into()),
                additional_metadata: vec![format!("{RUN_ID}:{run}")],
                ..v1::TasksFilter::default()
            }),
        };
        match self.client.admin().cancel_tasks(asking(request)).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::NotFound => Ok(()),
            Err(status) => Err(self.client.failed("it cancels no run", &status)),
        }
    }

    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error> {
        let request = PushEventRequest {
            key: format!("{}run:signalled", self.client.namespace()),
            payload: json!({"run_id": run, "signal": name, "payload": payload}).to_string(),
            event_timestamp: Some(SystemTime::now().into()),
            // What waits for it can ask for one run alone.
            scope: Some(run.to_string()),
            ..PushEventRequest::default()
        };
        let pushed = self.client.events().push(asking(request)).await;
        pushed.map(|_| ()).map_err(|status| self.client.failed("it takes no event", &status))
    }

    async fn look(&self, run: RunId) -> Result<Sight, Error> {
        let known = self.memory().runs.get(&run).cloned();
        if let Some(external_id) = known {
            match self.client.admin().get_run_details(asking(v1::GetRunDetailsRequest { external_id })).await {
                Ok(details) => return Ok(sight(details.into_inner().status().as_str_name())),
                // Not shown yet, or no more.
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(self.client.failed("it shows no run", &status)),
            }
        }
        let since = jiff::Timestamp::try_from(since(run)).map_err(|error| refused(error.to_string()))?;
        let status = self.client.status_of(RUN_ID, &run.to_string(), &since.to_string()).await?;
        Ok(status.map_or(Sight::Unknown, |status| sight(&status)))
    }

    async fn health(&self) -> Result<(), String> {
        let answer = self.client.dispatcher().get_version(asking(GetVersionRequest {})).await;
        answer.map(|_| ()).map_err(|status| self.client.failed("it does not say its version", &status).to_string())
    }
}

/// Before when a run cannot have been started: its id says when it was submitted.
fn since(run: RunId) -> SystemTime {
    let millis = run.as_uuid().as_u128() >> 80;
    let at = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    SystemTime::UNIX_EPOCH + at.saturating_sub(MARGIN)
}

fn sight(status: &str) -> Sight {
    match status {
        "COMPLETED" => Sight::Ended(RunState::Succeeded),
        "FAILED" => Sight::Ended(RunState::Failed),
        "CANCELLED" => Sight::Ended(RunState::Cancelled),
        _ => Sight::UnderWay,
    }
}
