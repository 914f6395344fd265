//! `POST /api/v1/runs/{id}/signals/{name}`: tells a run under way something.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use protocol::RunId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Write};
use super::codes::Code;
use super::{Api, Problem, body, runs};

/// Largest payload, in bytes: engines keep what they are told in the history of a run.
const LARGEST: usize = 64 * 1024;

/// A signal in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct SignalAddress {
    /// Id of a run.
    #[param(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    id: String,
    /// Name of the signal.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    name: String,
}

/// A signal that was sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Signalled {
    #[schema(value_type = String)]
    run_id: RunId,
    /// Its name.
    signal: String,
}

/// Sends a named signal to a run under way, with any JSON as its payload; none is null. The backend of the run passes it on:
/// whether anything there waits for it is not known here.
#[utoipa::path(post, path = "/api/v1/runs/{id}/signals/{name}", tag = "runs", params(SignalAddress), request_body = Option<Value>,
    responses((status = 202, body = Signalled), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn signal(
    State(api): State<Api>,
    caller: Caller<Write>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<(StatusCode, Json<Signalled>), Problem> {
    let Path((id, name)) = path?;
    let record = runs::find(&api, &caller.tenant, Ok(Path(id))).await?;
    if !protocol::workflow::is_name(&name) {
        let message = "is not 1 to 64 of a-z, A-Z, 0-9, '-' and '_'";
        return Err(body::problem_at(Code::RequestInvalid, "name", message));
    }
    let payload = body::any(request, LARGEST).await?;
    let run = record.run.id;
    let ended = || Problem::new(Code::RunEnded, format!("run {run} has ended and takes no signals any more"));
    if record.run.state.is_final() {
        return Err(ended());
    }
    // It may end meanwhile.
    if !api.fleet.signal(&caller.tenant, run, &name, &payload).await? {
        return Err(ended());
    }
    Ok((StatusCode::ACCEPTED, Json(Signalled { run_id: run, signal: name })))
}
