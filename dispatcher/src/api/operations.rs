//! What operators see of the fleet: `/api/v1/workers`, `/api/v1/queues`, `/api/v1/tasks`. Of all tenants together.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use backends::fleet::Error;
use backends::port;
use jiff::Timestamp;
use ledger::Wait;
use protocol::TenantId;
use protocol::operations::{
    ActiveTask, ActiveTasks, Queue, Queues, ScheduledTask, ScheduledTasks, TaskPlace, Waiting, Workers,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::{Caller, Operate};
use super::codes::Code;
use super::{Api, Problem};

/// How many entries a list has unless it is asked for another number.
pub(super) const USUAL: usize = 100;

/// How many entries a list has at most.
pub(super) const MOST: usize = 1000;

/// Every living process of the fleet.
#[utoipa::path(get, path = "/api/v1/workers", tag = "operations", responses((status = 200, body = Value), (status = 503, body = Problem)))]
pub(super) async fn workers(State(api): State<Api>, _caller: Caller<Operate>) -> Result<Json<Workers>, Problem> {
    let workers = api.fleet.processes().await.map_err(|error| away(&error))?;
    Ok(Json(Workers { workers }))
}

/// How full the queues are.
#[utoipa::path(get, path = "/api/v1/queues", tag = "operations", responses((status = 200, body = Value), (status = 503, body = Problem)))]
pub(super) async fn queues(State(api): State<Api>, _caller: Caller<Operate>) -> Result<Json<Queues>, Problem> {
    let now = Timestamp::now();
    let found = api.fleet.queues().await.map_err(|error| away(&error))?;
    let queues = found.into_iter().map(|queue| Queue {
        name: queue.name,
        ready: queue.ready,
        unacked: queue.unacked,
        consumers: queue.consumers,
        running: queue.running,
        oldest_age_seconds: queue.oldest.map(|oldest| oldest.duration_until(now).as_secs_f64().max(0.0)),
    });
    Ok(Json(Queues { queues: queues.collect() }))
}

/// Query of a list of tasks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TasksQuery {
    /// `active`: on the broker or with a worker; `scheduled`: waiting for a timer.
    #[param(value_type = String, pattern = "^(active|scheduled)$")]
    state: Listed,
    /// Of this tenant.
    #[param(value_type = Option<String>, pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    tenant: Option<TenantId>,
    /// At most so many; 1000 is the most there is.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Listed {
    /// On the broker or with a worker.
    Active,
    /// Waiting for a timer.
    Scheduled,
}

/// Tasks of all tenants that are in hand, or wait for a timer.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "operations", params(TasksQuery), responses((status = 200, body = Value)))]
pub(super) async fn tasks(
    State(api): State<Api>,
    _caller: Caller<Operate>,
    query: Result<Query<TasksQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(TasksQuery { state, tenant, limit }) = query?;
    let limit = limit.unwrap_or(USUAL).clamp(1, MOST);
    match state {
        Listed::Active => {
            let found = api.fleet.active(tenant.as_ref(), limit).await?;
            Ok(Json(ActiveTasks { tasks: found.into_iter().map(active).collect() }).into_response())
        }
        Listed::Scheduled => {
            let found = api.fleet.scheduled(tenant.as_ref(), limit).await?;
            Ok(Json(ScheduledTasks { tasks: found.into_iter().map(scheduled).collect() }).into_response())
        }
    }
}

fn active(task: ledger::ActiveTask) -> ActiveTask {
    ActiveTask {
        place: place(task.place),
        state: task.state,
        queued_at: task.queued_at,
        started_at: task.started_at,
        worker: task.worker,
    }
}

fn scheduled(task: ledger::ScheduledTask) -> ScheduledTask {
    let (reason, error) = match task.reason {
        Wait::Retry(error) => (Waiting::Retry, Some(error)),
        Wait::Snooze => (Waiting::Snooze, None),
    };
    ScheduledTask { place: place(task.place), due_at: task.due_at, reason, failures: task.failures, error }
}

fn place(place: ledger::TaskPlace) -> TaskPlace {
    TaskPlace {
        run_id: place.run_id,
        task_run_id: place.task_run_id,
        tenant: place.tenant,
        workflow: place.workflow,
        task: place.task,
        index: place.index,
        queue: place.queue,
        attempt: place.attempt,
    }
}

/// A server that the answer depends on is away: that is worth more to an operator than "internal error".
pub(super) fn away(error: &Error) -> Problem {
    match error {
        Error::Broker(error) => Problem::new(Code::BrokerUnavailable, error.to_string()),
        Error::Coordination(error) => Problem::new(Code::CoordinationUnavailable, error.to_string()),
        Error::Unfit(error) => Problem::new(Code::BackendUnfit, error.to_string()),
        Error::Backend(error @ port::Error::Unavailable { .. }) => {
            Problem::new(Code::BackendUnavailable, error.to_string())
        }
        Error::Backend(error @ port::Error::Refused { .. }) => Problem::new(Code::BackendUnfit, error.to_string()),
        Error::Ledger(_) | Error::TooLong { .. } | Error::Workflow(_) => Problem::internal(error),
    }
}
