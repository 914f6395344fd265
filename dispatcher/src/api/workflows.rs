//! `/api/v1/workflows`: other people's workflows, as data.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backends::fleet::Error::{Ledger, TooLong};
use protocol::shape::Problems;
use protocol::stages;
use protocol::webhooks::{DELIVERY, DeliverWebhook};
use protocol::{Task as _, Workflow};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Caller, Operate, Read};
use super::codes::Code;
use super::paging::{IfNoneMatch, Named};
use super::{Api, Problem, body, conditional};

/// Every workflow in its latest version.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowList)]
pub(super) struct Listed {
    #[schema(value_type = Vec<WantedWorkflow>)]
    workflows: Vec<Workflow>,
}

/// A workflow, as data: `docs/adding-a-task.md` explains every field.
#[derive(ToSchema)]
#[schema(as = Workflow)]
#[expect(dead_code, reason = "describes a body, which is read with every problem told by its path")]
pub(super) struct WantedWorkflow {
    /// Unique in the fleet.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// Raised with every change.
    version: Option<u32>,
    /// Whether the tasks of a run prefer the worker that has its files.
    sticky: Option<bool>,
    /// How long a run may take.
    timeout_ms: Option<u64>,
    /// `name`, `queue`, `parents`, `map_over`, `on_failure`, `retry`, `timeouts` of each.
    #[schema(value_type = Vec<Object>)]
    tasks: Vec<serde_json::Value>,
}

/// Makes a workflow known: 201 when it is new, 200 when exactly this was known.
#[utoipa::path(post, path = "/api/v1/workflows", tag = "workflows", request_body = WantedWorkflow,
    responses((status = 200, body = WantedWorkflow), (status = 201, body = WantedWorkflow), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn register(
    State(api): State<Api>,
    _caller: Caller<Operate>,
    request: Request,
) -> Result<Response, Problem> {
    let workflow = Workflow::read(body::json(request, body::SMALL).await?).map_err(|problems| {
        Problem::invalid(Code::WorkflowInvalid, "the workflow cannot be used as it is", problems)
    })?;
    let name = &workflow.name;
    if stages::is_builtin(name) || is_internal(name) {
        let detail = format!("{name:?} is a workflow of the fleet itself; give yours another name");
        return Err(Problem::new(Code::WorkflowReserved, detail));
    }
    if let Some(place) = workflow.tasks.iter().position(|task| task.name == DeliverWebhook::NAME) {
        let mut problems = Problems::default();
        let fix = "give yours another name";
        problems.report(format!("$.tasks[{place}].name"), "is a task of the fleet itself", fix);
        let detail = "the workflow cannot be used as it is";
        return Err(Problem::invalid(Code::WorkflowInvalid, detail, problems.into_list()));
    }
    let known = api.fleet.workflow(&workflow.name).await?;
    match api.fleet.register(&workflow).await {
        Ok(()) => {}
        Err(Ledger(error @ ledger::Error::WorkflowChanged { .. })) => {
            return Err(Problem::new(Code::WorkflowChanged, error.to_string()));
        }
        Err(error @ TooLong { .. }) => return Err(Problem::new(Code::WorkflowInvalid, error.to_string())),
        Err(error) => return Err(error.into()),
    }
    let status = match known {
        Some(known) if known.version >= workflow.version => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    let location = format!("/api/v1/workflows/{}", workflow.name);
    Ok((status, [(header::LOCATION, location)], Json(workflow)).into_response())
}

/// Every workflow in its latest version, by name.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows", responses((status = 200, body = Listed)))]
pub(super) async fn list(State(api): State<Api>, _caller: Caller<Read>) -> Result<Response, Problem> {
    let workflows = api.fleet.workflows().await?.iter().map(|workflow| Workflow::clone(workflow)).collect();
    Ok(Json(Listed { workflows }).into_response())
}

/// A workflow in its latest version, with its graph.
#[utoipa::path(get, path = "/api/v1/workflows/{name}", tag = "workflows", params(Named, IfNoneMatch),
    responses((status = 200, body = WantedWorkflow), (status = 304, description = "It is as the client has it"),
        (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    _caller: Caller<Read>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    match find(&api, &name).await? {
        Some(workflow) => conditional::json(&headers, &workflow),
        None => {
            let detail = format!("there is no workflow {name:?}; GET /api/v1/workflows lists them");
            Err(Problem::new(Code::NoSuchWorkflow, detail))
        }
    }
}

/// Whether the fleet alone starts runs of that workflow: what it sends is signed as its own word.
pub(super) fn is_internal(name: &str) -> bool {
    name == DELIVERY
}

/// The workflow of that name in its latest version.
pub(super) async fn find(api: &Api, name: &str) -> Result<Option<Workflow>, Problem> {
    // No database takes a NUL, and no workflow is called so.
    if name.contains('\0') {
        return Ok(None);
    }
    Ok(api.fleet.workflow(name).await?.map(|workflow| Workflow::clone(&workflow)))
}
