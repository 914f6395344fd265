//! `/extract`, `/extract/async`, `/extract/status/{id}`: the text of a document, and how any run gets on.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::RunRecord;
use protocol::RunState;
use serde_json::{Value, json};

use super::super::Api;
use super::super::auth::{Caller, Read};
use super::super::runs::{Id, missing, run_id};
use super::Refusal;
use super::answers::{self, Answer};
use super::described::{ExtractPayload, Extracted, Progress};
use super::envelope::Failure;
use super::intake::{Call, Payload, Received};
use super::order::{Order, Route};
use super::process::Accepted;

/// Fields that stand at the top of this payload and elsewhere in a request.
const EXTRACTION: [(&str, &str); 5] = [
    ("x2text_instance_id", "x2text_instance_id"),
    ("enable_highlight", "enable_highlight"),
    ("tags", "tags"),
    ("tool_execution_metadata", "tool_execution_metadata"),
    ("enable_word_confidence", "enable_word_confidence"),
];

/// The text of a document, waited for. Deprecated: `/extract/async` does not hold a connection.
#[utoipa::path(post, path = "/extract", tag = "compatibility", operation_id = "extract_text",
    request_body = ExtractPayload,
    responses((status = 200, body = Extracted), (status = 422, body = Refusal), (status = 504, body = Refusal)))]
#[deprecated = "POST /extract/async"]
pub(in super::super) async fn extract(call: Call, request: Request) -> Result<Response, Failure> {
    let order = read(call.receive(request).await?)?;
    call.answer(order).await
}

/// The text of a document, started and not waited for.
#[utoipa::path(post, path = "/extract/async", tag = "compatibility", operation_id = "start_extraction",
    request_body = ExtractPayload,
    responses((status = 202, body = Accepted), (status = 422, body = Refusal)))]
pub(in super::super) async fn start(call: Call, request: Request) -> Result<Response, Failure> {
    let order = read(call.receive(request).await?)?;
    let submitted = call.start(order).await?;
    Ok(Accepted::of(&submitted, "the text is being extracted; its state is at status_url").into_response())
}

fn read(received: Received) -> Result<Order, super::super::Problem> {
    let Received { mut payload, file } = received;
    settings(&mut payload);
    Order::about_document(Route::Extract, Received { payload, file })
}

/// Puts settings where a request has them.
pub(super) fn settings(payload: &mut Payload) {
    payload.nest("extraction_settings", &EXTRACTION);
}

/// How a run gets on: 202 while it is under way, 200 when it has ended, as often as anybody asks.
#[utoipa::path(get, path = "/extract/status/{id}", tag = "compatibility", operation_id = "extraction_status",
    params(("id" = String, Path, description = "The run.", pattern = r"^[0-9a-f-]{1,64}$")),
    responses((status = 200, body = Progress), (status = 202, body = Progress), (status = 404, body = Refusal)))]
pub(in super::super) async fn status(
    State(api): State<Api>,
    caller: Caller<Read>,
    id: Id,
) -> Result<Response, Failure> {
    let run = run_id(id)?;
    let record = api.fleet.status(&caller.tenant, run).await?.ok_or_else(|| missing(&api, run))?;
    let task_id = run.to_string();
    let body = match record.run.state {
        RunState::Queued => {
            let message = "the run waits for its turn";
            return Ok(under_way(json!({ "task_id": task_id, "status": "pending", "message": message })));
        }
        RunState::Running => {
            let (current, total) = progress(&record);
            let body = json!({ "task_id": task_id, "status": "processing", "current": current, "total": total });
            return Ok(under_way(body));
        }
        RunState::Succeeded | RunState::Failed | RunState::Cancelled => {
            match answers::of(&record, api.objects.as_ref()).await? {
                Answer::Given(result) => json!({ "task_id": task_id, "status": "completed", "result": result }),
                Answer::Refused(refusal) => {
                    let (error, payload) = refusal.into_parts();
                    json!({ "task_id": task_id, "status": "failed", "error": error, "payload": payload })
                }
            }
        }
    };
    Ok(Json(body).into_response())
}

fn under_way(body: Value) -> Response {
    (StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")], Json(body)).into_response()
}

/// How many stages have ended, and how many there are.
fn progress(record: &RunRecord) -> (usize, usize) {
    let ended = record.run.tasks.iter().filter(|task_run| task_run.state.is_final());
    (ended.count(), record.run.tasks.len())
}

impl Call {
    /// Starts a run, waits for its end and gives its answer.
    pub(super) async fn answer(&self, order: Order) -> Result<Response, Failure> {
        let submitted = self.start(order).await?;
        let record = self.end_of(submitted.id).await?;
        match answers::of(&record, self.api.objects.as_ref()).await? {
            Answer::Given(answer) => Ok(Json(answer).into_response()),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    }
}
