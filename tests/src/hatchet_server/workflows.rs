//! Workflows and their runs.

use std::collections::HashMap;

use tonic::{Request, Response, Status};

use super::HatchetServer;
use super::proto::v1::admin_service_server::AdminService;
use super::proto::v1::{
    CancelTasksRequest, CancelTasksResponse, CreateWorkflowVersionRequest, CreateWorkflowVersionResponse,
    GetRunDetailsRequest, GetRunDetailsResponse, TaskRunDetail, TriggerWorkflowRequest, TriggerWorkflowRunRequest,
    TriggerWorkflowRunResponse,
};
use super::proto::workflow_service_server::WorkflowService;
use super::proto::{BulkTriggerWorkflowRequest, BulkTriggerWorkflowResponse, TriggerWorkflowResponse};

/// Most runs of one call.
const MOST_RUNS: usize = 1_000;

#[tonic::async_trait]
impl WorkflowService for HatchetServer {
    async fn trigger_workflow(
        &self,
        request: Request<TriggerWorkflowRequest>,
    ) -> Result<Response<TriggerWorkflowResponse>, Status> {
        let request = self.admit(request)?;
        let workflow_run_id = self.lock().trigger(&request.name, &request.input, request.additional_metadata())?;
        self.schedule();
        Ok(Response::new(TriggerWorkflowResponse { workflow_run_id }))
    }

    async fn bulk_trigger_workflow(
        &self,
        request: Request<BulkTriggerWorkflowRequest>,
    ) -> Result<Response<BulkTriggerWorkflowResponse>, Status> {
        let request = self.admit(request)?;
        if request.workflows.len() > MOST_RUNS {
            return Err(Status::invalid_argument("maximum number of workflows is 1000"));
        }
        let triggered: Vec<Result<String, Status>> = {
            let mut book = self.lock();
            let trigger = |one: &TriggerWorkflowRequest| book.trigger(&one.name, &one.input, one.additional_metadata());
            request.workflows.iter().map(trigger).collect()
        };
        self.schedule();
        let workflow_run_ids = triggered.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Response::new(BulkTriggerWorkflowResponse { workflow_run_ids }))
    }
}

#[tonic::async_trait]
impl AdminService for HatchetServer {
    async fn put_workflow(
        &self,
        request: Request<CreateWorkflowVersionRequest>,
    ) -> Result<Response<CreateWorkflowVersionResponse>, Status> {
        let definition = self.admit(request)?;
        for task in &definition.tasks {
            let known = |parent: &String| definition.tasks.iter().any(|other| other.readable_id == *parent);
            if let Some(parent) = task.parents.iter().find(|parent| !known(parent)) {
                return Err(Status::invalid_argument(format!("unknown parent {parent} of {}", task.readable_id)));
            }
            if !task.action.contains(':') {
                return Err(Status::invalid_argument(format!("invalid action {}", task.action)));
            }
        }
        let workflow_id = definition.name.clone();
        self.lock().definitions.insert(definition.name.clone(), definition);
        let id = uuid::Uuid::now_v7().to_string();
        Ok(Response::new(CreateWorkflowVersionResponse { id, workflow_id }))
    }

    async fn cancel_tasks(
        &self,
        request: Request<CancelTasksRequest>,
    ) -> Result<Response<CancelTasksResponse>, Status> {
        let request = self.admit(request)?;
        let cancelled_tasks = {
            let mut book = self.lock();
            let filter = request.filter.unwrap_or_default();
            let mut runs: Vec<String> =
                filter.additional_metadata.iter().flat_map(|wanted| book.with_metadata(wanted)).collect();
            runs.extend(request.external_ids);
            runs.iter().flat_map(|run| book.cancel(run)).collect()
        };
        self.settle();
        Ok(Response::new(CancelTasksResponse { cancelled_tasks }))
    }

    async fn trigger_workflow_run(
        &self,
        request: Request<TriggerWorkflowRunRequest>,
    ) -> Result<Response<TriggerWorkflowRunResponse>, Status> {
        let request = self.admit(request)?;
        let (input, metadata) =
            (String::from_utf8_lossy(&request.input), String::from_utf8_lossy(&request.additional_metadata));
        let external_id = self.lock().trigger(&request.workflow_name, &input, &metadata)?;
        self.schedule();
        Ok(Response::new(TriggerWorkflowRunResponse { external_id }))
    }

    async fn get_run_details(
        &self,
        request: Request<GetRunDetailsRequest>,
    ) -> Result<Response<GetRunDetailsResponse>, Status> {
        let request = self.admit(request)?;
        let book = self.lock();
        let run = book.runs.get(&request.external_id).ok_or_else(|| Status::not_found("run not found"))?;
        let task_runs: HashMap<String, TaskRunDetail> = run
            .tasks
            .iter()
            .map(|task| {
                let detail = TaskRunDetail {
                    external_id: task.id.clone(),
                    status: task.status.into(),
                    error: task.error.clone(),
                    output: task.output.as_ref().map(|output| output.to_string().into_bytes()),
                    readable_id: task.name.clone(),
                    is_evicted: false,
                };
                (task.name.clone(), detail)
            })
            .collect();
        Ok(Response::new(GetRunDetailsResponse {
            input: run.input.to_string().into_bytes(),
            status: run.status().into(),
            task_runs,
            done: run.is_done(),
            additional_metadata: run.metadata.to_string().into_bytes(),
            is_evicted: false,
        }))
    }
}
