//! `/api/v1/workflows`: other people's workflows, as data.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backends::fleet::Error::Ledger;
use protocol::Workflow;
use protocol::stages;
use protocol::webhooks::DELIVERY;
use serde::Serialize;

use super::auth::{Caller, Operate, Read};
use super::codes::Code;
use super::{Api, Problem, body, conditional};

/// Every workflow in its latest version.
#[derive(Serialize)]
struct Listed {
    workflows: Vec<Workflow>,
}

/// `POST /api/v1/workflows`: 201 when it is new, 200 when exactly this was known.
pub(super) async fn register(
    State(api): State<Api>,
    _caller: Caller<Operate>,
    request: Request,
) -> Result<Response, Problem> {
    let workflow = Workflow::read(body::json(request, body::SMALL).await?).map_err(|problems| {
        Problem::invalid(Code::WorkflowInvalid, "the workflow cannot be used as it is", problems)
    })?;
    let name = &workflow.name;
    if stages::is_builtin(name) || name == DELIVERY {
        let detail = format!("{name:?} is a workflow of the fleet itself; give yours another name");
        return Err(Problem::new(Code::WorkflowReserved, detail));
    }
    let known = api.fleet.workflow(&workflow.name).await?;
    match api.fleet.register(&workflow).await {
        Ok(()) => {}
        Err(Ledger(error @ ledger::Error::WorkflowChanged { .. })) => {
            return Err(Problem::new(Code::WorkflowChanged, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    let status = match known {
        Some(known) if known.version >= workflow.version => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    let location = format!("/api/v1/workflows/{}", workflow.name);
    Ok((status, [(header::LOCATION, location)], Json(workflow)).into_response())
}

/// `GET /api/v1/workflows`
pub(super) async fn list(State(api): State<Api>, _caller: Caller<Read>) -> Result<Response, Problem> {
    let workflows = api.fleet.workflows().await?.iter().map(|workflow| Workflow::clone(workflow)).collect();
    Ok(Json(Listed { workflows }).into_response())
}

/// `GET /api/v1/workflows/{name}`
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

/// The workflow of that name in its latest version.
pub(super) async fn find(api: &Api, name: &str) -> Result<Option<Workflow>, Problem> {
    // No database takes a NUL, and no workflow is called so.
    if name.contains('\0') {
        return Ok(None);
    }
    Ok(api.fleet.workflow(name).await?.map(|workflow| Workflow::clone(&workflow)))
}
