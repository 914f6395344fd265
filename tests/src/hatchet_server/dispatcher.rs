//! What workers say, and what they are told; events and logs.

use std::pin::Pin;
use std::sync::PoisonError;
use std::time::SystemTime;

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::book::Worker;
use super::proto::dispatcher_server::Dispatcher;
use super::proto::events_service_server::EventsService;
use super::proto::{
    ActionEventResponse, AssignedAction, Event, GetVersionRequest, GetVersionResponse, HeartbeatRequest,
    HeartbeatResponse, PushEventRequest, PutLogRequest, PutLogResponse, RefreshTimeoutRequest, RefreshTimeoutResponse,
    ReleaseSlotRequest, ReleaseSlotResponse, StepActionEvent, StepRunResult, SubscribeToWorkflowRunsRequest,
    UpsertWorkerLabelsRequest, UpsertWorkerLabelsResponse, WorkerListenRequest, WorkerRegisterRequest,
    WorkerRegisterResponse, WorkerUnsubscribeRequest, WorkerUnsubscribeResponse, WorkflowRunEvent,
};
use super::{HatchetServer, TENANT};

/// The version that it says it is: the first that knows when a failed task wants to be tried again.
const VERSION: &str = "v0.111.0";

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatcher for HatchetServer {
    type ListenV2Stream = Boxed<AssignedAction>;
    type SubscribeToWorkflowRunsStream = Boxed<WorkflowRunEvent>;

    async fn register(
        &self,
        request: Request<WorkerRegisterRequest>,
    ) -> Result<Response<WorkerRegisterResponse>, Status> {
        let request = self.admit(request)?;
        let slots = request.slot_config.get("default").copied().or(request.slots).unwrap_or(100);
        let worker = Worker {
            name: request.worker_name.clone(),
            actions: request.actions.iter().map(|action| action.to_lowercase()).collect(),
            slots: usize::try_from(slots).unwrap_or_default(),
            stream: None,
            heartbeats: 0,
            leaving: false,
        };
        let worker_id = uuid::Uuid::now_v7().to_string();
        self.lock().workers.insert(worker_id.clone(), worker);
        let tenant_id = TENANT.to_owned();
        Ok(Response::new(WorkerRegisterResponse { tenant_id, worker_id, worker_name: request.worker_name }))
    }

    async fn listen_v2(&self, request: Request<WorkerListenRequest>) -> Result<Response<Self::ListenV2Stream>, Status> {
        let request = self.admit(request)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        {
            let mut book = self.lock();
            let worker = book.workers.get_mut(&request.worker_id);
            worker.ok_or_else(|| Status::not_found("worker not found"))?.stream = Some(sender);
        }
        self.schedule();
        let actions = stream::unfold(receiver, |mut receiver| async move {
            let action = receiver.recv().await?;
            Some((action, receiver))
        });
        Ok(Response::new(actions.boxed()))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let request = self.admit(request)?;
        let mut book = self.lock();
        let worker = book.workers.get_mut(&request.worker_id);
        worker.ok_or_else(|| Status::not_found("worker not found"))?.heartbeats += 1;
        Ok(Response::new(HeartbeatResponse {}))
    }

    async fn subscribe_to_workflow_runs(
        &self,
        request: Request<Streaming<SubscribeToWorkflowRunsRequest>>,
    ) -> Result<Response<Self::SubscribeToWorkflowRunsStream>, Status> {
        let mut wanted = self.admit(request)?;
        let (server, mut ended) = (self.clone(), self.ended.subscribe());
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut waiting: Vec<String> = Vec::new();
            let mut open = true;
            loop {
                tokio::select! {
                    asked = wanted.message(), if open => match asked {
                        Ok(Some(asked)) => waiting.push(asked.workflow_run_id),
                        Ok(None) | Err(_) => open = false,
                    },
                    told = ended.recv() => {
                        if told.is_err() {
                            return;
                        }
                    }
                }
                let done = waiting.iter().filter_map(|run| server.finished(run)).collect::<Vec<_>>();
                waiting.retain(|run| !done.iter().any(|event| event.workflow_run_id == *run));
                for event in done {
                    if sender.send(Ok(event)).is_err() {
                        return;
                    }
                }
            }
        });
        let events = stream::unfold(receiver, |mut receiver| async move {
            let event = receiver.recv().await?;
            Some((event, receiver))
        });
        Ok(Response::new(events.boxed()))
    }

    async fn send_step_action_event(
        &self,
        request: Request<StepActionEvent>,
    ) -> Result<Response<ActionEventResponse>, Status> {
        let event = self.admit(request)?;
        let later = self.lock().take(&event);
        self.settle();
        if let Some(later) = later {
            self.schedule_in(later);
        }
        Ok(Response::new(ActionEventResponse { tenant_id: TENANT.to_owned(), worker_id: event.worker_id }))
    }

    async fn unsubscribe(
        &self,
        request: Request<WorkerUnsubscribeRequest>,
    ) -> Result<Response<WorkerUnsubscribeResponse>, Status> {
        let request = self.admit(request)?;
        if let Some(worker) = self.lock().workers.get_mut(&request.worker_id) {
            worker.leaving = true;
        }
        Ok(Response::new(WorkerUnsubscribeResponse { tenant_id: TENANT.to_owned(), worker_id: request.worker_id }))
    }

    async fn refresh_timeout(
        &self,
        request: Request<RefreshTimeoutRequest>,
    ) -> Result<Response<RefreshTimeoutResponse>, Status> {
        self.admit(request)?;
        Ok(Response::new(RefreshTimeoutResponse { timeout_at: Some(SystemTime::now().into()) }))
    }

    async fn release_slot(
        &self,
        request: Request<ReleaseSlotRequest>,
    ) -> Result<Response<ReleaseSlotResponse>, Status> {
        let request = self.admit(request)?;
        self.lock().release_slot(&request.task_run_external_id);
        self.schedule();
        Ok(Response::new(ReleaseSlotResponse {}))
    }

    async fn upsert_worker_labels(
        &self,
        request: Request<UpsertWorkerLabelsRequest>,
    ) -> Result<Response<UpsertWorkerLabelsResponse>, Status> {
        let request = self.admit(request)?;
        let tenant_id = TENANT.to_owned();
        Ok(Response::new(UpsertWorkerLabelsResponse { tenant_id, worker_id: request.worker_id }))
    }

    async fn get_version(&self, request: Request<GetVersionRequest>) -> Result<Response<GetVersionResponse>, Status> {
        self.admit(request)?;
        Ok(Response::new(GetVersionResponse { version: VERSION.to_owned() }))
    }
}

impl HatchetServer {
    /// What is told of a run that has ended.
    fn finished(&self, run_id: &str) -> Option<WorkflowRunEvent> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let run = book.runs.get(run_id).filter(|run| run.is_done())?;
        let results = run.tasks.iter().map(|task| StepRunResult {
            task_run_external_id: task.id.clone(),
            task_name: task.name.clone(),
            job_run_id: run_id.to_owned(),
            error: task.error.clone().filter(|_| task.output.is_none()),
            output: task.output.as_ref().map(ToString::to_string),
        });
        Some(WorkflowRunEvent {
            workflow_run_id: run_id.to_owned(),
            event_timestamp: Some(SystemTime::now().into()),
            results: results.collect(),
            ..WorkflowRunEvent::default()
        })
    }
}

#[tonic::async_trait]
impl EventsService for HatchetServer {
    async fn push(&self, request: Request<PushEventRequest>) -> Result<Response<Event>, Status> {
        let event = self.admit(request)?;
        self.lock().pushed.push((event.key.clone(), event.payload.clone()));
        Ok(Response::new(Event {
            tenant_id: TENANT.to_owned(),
            event_id: uuid::Uuid::now_v7().to_string(),
            key: event.key,
            payload: event.payload,
            event_timestamp: event.event_timestamp,
            additional_metadata: event.additional_metadata,
            scope: event.scope,
        }))
    }

    async fn put_log(&self, request: Request<PutLogRequest>) -> Result<Response<PutLogResponse>, Status> {
        let line = self.admit(request)?;
        self.lock().logs.push(line.message);
        Ok(Response::new(PutLogResponse {}))
    }
}
