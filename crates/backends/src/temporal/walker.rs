//! Runs as workflows of Temporal.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use protocol::{Backend as Name, Job, RunId, RunState, Workflow};
use serde_json::Value;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{
    Client, WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowHandle,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions, WorkflowStartOptions,
    WorkflowTerminateOptions,
};
use temporalio_common::MemoValues;
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;
use temporalio_common::search_attributes::{SearchAttributeKey, SearchAttributes};
use tokio::sync::OnceCell;

use super::connection::{Server, refused};
use super::fleet_dag::{FleetDag, Signal};
use super::plan::{Plan, walk_id, walks_queue};
use crate::port::{Ability, Backend, Capabilities, Error, Launch, Sight};

/// What walks can be searched by, where the namespace has these attributes.
const TENANT: SearchAttributeKey<String> = SearchAttributeKey::keyword("FlotillaTenant");
const WORKFLOW: SearchAttributeKey<String> = SearchAttributeKey::keyword("FlotillaWorkflow");
const RUN: SearchAttributeKey<String> = SearchAttributeKey::keyword("FlotillaRun");

/// How many walks are started at a time.
const STARTS: usize = 32;

/// More tasks than a walk may have open at a time, were they all ready at once.
const MOST_TASKS: usize = 900;

/// How much longer than its run a walk may live, should nobody stop it.
const SLACK: Duration = Duration::from_secs(3600);

/// Workflows walked by a Temporal server.
#[derive(Debug)]
pub struct Temporal {
    server: Server,
    prefix: String,
    history_events: u32,
    client: OnceCell<Client>,
    searchable: OnceCell<bool>,
}

impl Temporal {
    pub(super) fn new(server: Server, prefix: String, history_events: u32) -> Self {
        Self { server, prefix, history_events, client: OnceCell::new(), searchable: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Error> {
        let name = format!("{}-dispatcher", self.prefix);
        self.client.get_or_try_init(|| self.server.connect(&name)).await
    }

    async fn walk(&self, run: RunId) -> Result<WorkflowHandle<Client, FleetDag>, Error> {
        Ok(self.client().await?.get_workflow_handle::<FleetDag>(walk_id(&self.prefix, run)))
    }

    async fn start_one(&self, launch: &Launch) -> Result<(), Error> {
        let client = self.client().await?;
        let mut memo = MemoValues::new();
        memo.insert("tenant", launch.tenant.to_string());
        memo.insert("workflow", launch.workflow.name.clone());
        let searched = self.is_searchable(client).await.then(|| {
            SearchAttributes::new([
                TENANT.value_set(launch.tenant.to_string()),
                WORKFLOW.value_set(launch.workflow.name.clone()),
                RUN.value_set(launch.run_id.to_string()),
            ])
        });
        let summary = format!("{} v{}, tenant {}", launch.workflow.name, launch.workflow.version, launch.tenant);
        let options = WorkflowStartOptions::new(walks_queue(&self.prefix), walk_id(&self.prefix, launch.run_id))
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .maybe_execution_timeout(launch.workflow.timeout.map(|timeout| timeout.saturating_add(SLACK)))
            .maybe_search_attributes(searched)
            .memo(memo)
            .static_summary(summary)
            .build();
        let plan = Plan::new(launch, &self.prefix, self.history_events);
        match client.start_workflow(FleetDag::run, plan, options).await {
            Ok(_) => Ok(()),
            Err(error) => self.server.not_started(error),
        }
    }

    /// Whether the namespace knows our search attributes. Asked once; without them the memo says the same, unsearchable.
    async fn is_searchable(&self, client: &Client) -> bool {
        let known = || async {
            let request = ListSearchAttributesRequest { namespace: self.server.namespace.clone() };
            let mut operator = client.connection().operator_service();
            let listed = match operator.list_search_attributes(request.into_request()).await {
                Ok(listed) => listed.into_inner().custom_attributes,
                Err(status) => {
                    tracing::info!(error = status.message(), "temporal does not tell its search attributes");
                    return false;
                }
            };
            let is_keyword = |name| listed.get(name) == Some(&(IndexedValueType::Keyword as i32));
            [TENANT, WORKFLOW, RUN].iter().all(|key| is_keyword(key.name()))
        };
        *self.searchable.get_or_init(known).await
    }
}

#[async_trait]
impl Backend for Temporal {
    fn name(&self) -> Name {
        Name::Temporal
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .emulated(
                Ability::Sticky,
                "any worker takes the next task; files come from the object store, not from the worker before",
            )
            .emulated(Ability::Priority, "runs are admitted by priority; tasks of admitted runs take turns")
            .emulated(
                Ability::QueueWait,
                "the ledger lets the job expire; the walk hears of it when a worker takes the turn",
            )
            .emulated(Ability::BulkStart, "workflows are started one by one, 32 at a time")
            .emulated(Ability::Signals, "the walk keeps the latest hundred, for queries; tasks do not see them")
    }

    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        // One workflow walks every DAG, so there is nothing to tell.
        if workflow.tasks.len() > MOST_TASKS {
            let tasks = workflow.tasks.len();
            return Err(refused(format!(
                "workflow {:?} has {tasks} tasks, and at most {MOST_TASKS} can be open there at a time; map over a list \
                 instead, or run it on another backend",
                workflow.name
            )));
        }
        Ok(())
    }

    async fn start(&self, runs: &[Launch]) -> Result<(), Error> {
        let starts: Vec<_> = runs.iter().map(|launch| self.start_one(launch)).collect();
        let started = futures::stream::iter(starts).buffer_unordered(STARTS);
        // All are tried, whatever becomes of the others.
        started.collect::<Vec<Result<(), Error>>>().await.into_iter().collect()
    }

    async fn hand_out(&self, _jobs: &[Job]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(&self, run: RunId, reason: &str) -> Result<(), Error> {
        let walk = self.walk(run).await?;
        let heard = |answer: Result<(), WorkflowInteractionError>| match answer {
            Ok(()) => Ok(()),
            Err(error) => self.server.unheard(error).map_or(Ok(()), Err),
        };
        let described = match walk.describe(WorkflowDescribeOptions::default()).await {
            Ok(described) => described,
            Err(error) => return heard(Err(error)),
        };
        if described.status() != WorkflowExecutionStatus::Running {
            return Ok(());
        }
        let asked = described.raw().workflow_extended_info.as_ref().is_some_and(|info| info.cancel_requested);
        if asked {
            // It did not follow the first time.
            return heard(walk.terminate(WorkflowTerminateOptions::builder().reason(reason).build()).await);
        }
        heard(walk.cancel(WorkflowCancelOptions::builder().reason(reason).build()).await)
    }

    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error> {
        let signal = Signal { name: name.to_owned(), payload: payload.clone() };
        let sent = self.walk(run).await?.signal(FleetDag::signal, signal, WorkflowSignalOptions::default()).await;
        sent.map_err(|error| {
            self.server.unheard(error).unwrap_or_else(|| refused(format!("run {run} is not under way there")))
        })
    }

    async fn look(&self, run: RunId) -> Result<Sight, Error> {
        use WorkflowExecutionStatus as Status;
        match self.walk(run).await?.describe(WorkflowDescribeOptions::default()).await {
            Ok(described) => Ok(match described.status() {
                Status::Completed => Sight::Ended(RunState::Succeeded),
                Status::Failed | Status::TimedOut => Sight::Ended(RunState::Failed),
                Status::Canceled | Status::Terminated => Sight::Ended(RunState::Cancelled),
                _ => Sight::UnderWay,
            }),
            Err(error) => self.server.unheard(error).map_or(Ok(Sight::Unknown), Err),
        }
    }

    async fn health(&self) -> Result<(), String> {
        let client = self.client().await.map_err(|error| error.to_string())?;
        let request = DescribeNamespaceRequest { namespace: self.server.namespace.clone(), ..Default::default() };
        let mut service = client.connection().workflow_service();
        match service.describe_namespace(request.into_request()).await {
            Ok(_) => Ok(()),
            Err(status) => Err(self.server.error(&status).to_string()),
        }
    }
}
