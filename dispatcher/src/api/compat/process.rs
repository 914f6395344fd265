//! `/prompt-studio/process`: the document workflow, started and not waited for.

use axum::Json;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::Submitted;
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use super::described::PromptPayload;
use super::envelope::Failure;
use super::intake::Call;
use super::order::{Order, Route};

/// The stages as callers of the replaced system know them.
const STAGES: [&str; 6] = [
    "text_extraction",
    "chunking_embedding",
    "digraph_generation",
    "agentic_extraction",
    "evaluation",
    "result_collation",
];

/// A run was started, or was started before by the same call.
#[derive(Serialize, ToSchema)]
pub(in super::super) struct Accepted {
    /// The run.
    task_id: String,
    /// `accepted`
    status: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stages: Option<[&'static str; 6]>,
    /// In words: nobody knows it beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_completion_time: Option<&'static str>,
    /// False when the same call had started the run before.
    created: bool,
    status_url: String,
    result_url: String,
}

impl Accepted {
    /// The answer for a run.
    pub(super) fn of(submitted: &Submitted, message: &'static str) -> Self {
        let id = submitted.id;
        Self {
            task_id: id.to_string(),
            status: "accepted",
            message,
            stages: None,
            estimated_completion_time: None,
            created: submitted.created,
            status_url: format!("/extract/status/{id}"),
            result_url: format!("/api/v1/runs/{id}/result"),
        }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, [(header::LOCATION, self.status_url.clone())], Json(self)).into_response()
    }
}

/// Starts the document workflow.
#[utoipa::path(post, path = "/prompt-studio/process", tag = "compatibility", operation_id = "process_document",
    request_body = PromptPayload,
    responses((status = 202, body = Accepted), (status = 422, body = Refusal)))]
pub(in super::super) async fn process(call: Call, request: Request) -> Result<Response, Failure> {
    let order = Order::about_document(Route::Process, call.receive(request).await?)?;
    let submitted = call.start(order).await?;
    let accepted = Accepted {
        stages: Some(STAGES),
        estimated_completion_time: Some("seconds to minutes, depending on the document and the model"),
        ..Accepted::of(&submitted, "the document is being processed; its state is at status_url")
    };
    Ok(accepted.into_response())
}
