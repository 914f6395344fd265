//! `/api/v2/workflows/execute`: the address of the migration plan, with its switch between old and new execution.

use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::Backend;
use protocol::stages::PIPELINE;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::Problem;
use super::Refusal;
use super::described::ExecutePayload;
use super::envelope::Failure;
use super::intake::{Call, at_fault};
use super::order::{Order, Route};
use super::process::Accepted;

/// A run was started.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct Execution {
    #[serde(flatten)]
    accepted: Accepted,
    /// What is executed.
    workflow: &'static str,
    /// What executes it, whatever the switch says: it is chosen for all runs, `docs/backends.md`.
    #[schema(value_type = String)]
    backend: Backend,
    /// The switch as it came; null where it did not.
    use_abstraction: Option<bool>,
}

/// Starts the document workflow. `use_abstraction` is accepted and decides nothing: where runs go is chosen for all of them.
#[utoipa::path(post, path = "/api/v2/workflows/execute", tag = "compatibility", operation_id = "execute_workflow",
    request_body = ExecutePayload,
    responses((status = 202, body = Execution), (status = 422, body = Refusal)))]
pub(in super::super) async fn execute(call: Call, request: Request) -> Result<Response, Failure> {
    let mut received = call.receive(request).await?;
    let use_abstraction = match received.payload.take("use_abstraction") {
        None => None,
        Some(Value::Bool(switch)) => Some(switch),
        Some(_) => return Err(at_fault("$.use_abstraction", "must be true or false", "write true or false").into()),
    };
    if let Some(path) = received.payload.take("document_path") {
        received.payload.put("file_path", path);
    }
    let order = Order::about_document(Route::Execute, received)?;
    let submitted = call.start(order).await?;
    let record = call.api.fleet.status(&call.tenant, submitted.id).await.map_err(Problem::from)?;
    let execution = Execution {
        accepted: Accepted::of(&submitted, "the document is being processed; its state is at status_url"),
        workflow: PIPELINE,
        backend: record.map_or_else(|| call.api.fleet.roster().own(), |record| record.run.backend),
        use_abstraction,
    };
    let location = format!("/extract/status/{}", submitted.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(execution)).into_response())
}
