//! Runs that are done again, and runs that are changed by the many: `POST /api/v1/runs/{id}/retry`,
//! `POST /api/v1/runs/retry`, `POST /api/v1/runs/cancel`.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backends::fleet::Meant;
use ledger::{NotAgain, Refused, Retry, Submitted};
use protocol::RunId;
use protocol::shape::{Field, Problems};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{self, Caller, Write};
use super::codes::Code;
use super::paging::RecordId;
use super::runs::{Accepted, IDEMPOTENCY, Id, idempotency_key, missing, run_id};
use super::selection::{self, Selection};
use super::{Api, Problem, body};

const FIELDS: &[Field] = &[Field::of::<Option<String>>("from", "the name of a task")];

/// Where to begin.
#[derive(Default, Deserialize, ToSchema)]
pub(super) struct WantedRetry {
    /// The task to begin with, even if it succeeded; what comes after it is done again too.
    #[serde(default)]
    from: Option<String>,
}

/// A run that does another one again.
#[derive(Serialize, ToSchema)]
pub(super) struct AcceptedRetry {
    #[serde(flatten)]
    accepted: Accepted,
    /// The run that it does again.
    #[schema(value_type = String)]
    retry_of: RunId,
}

/// What became of many retries.
#[derive(Serialize, ToSchema)]
pub(super) struct Retried {
    /// How many runs of this page are meant.
    matched: usize,
    /// How many of them are done again; 0 in a dry run.
    retried: usize,
    /// The new runs, those that were there already by their key too.
    runs: Vec<AcceptedRetry>,
    /// Those that are not done again, and why.
    refused: Vec<RefusedRetry>,
    /// Pass it as `cursor` for those that are left; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
    dry_run: bool,
}

/// A run that is not done again.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusedRetry {
    #[schema(value_type = String)]
    run_id: RunId,
    problem: Problem,
}

/// What became of many cancellations.
#[derive(Serialize, ToSchema)]
pub(super) struct Cancelled {
    /// How many runs of this page are meant.
    matched: usize,
    /// How many of them were ended; the others had ended meanwhile. 0 in a dry run.
    cancelled: usize,
    /// Pass it as `cursor` for those that are left; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
    dry_run: bool,
}

/// Does a run again from where it went wrong: a new run with the same input, in which what succeeded is not done again.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs", params(RecordId), request_body = Option<WantedRetry>,
    responses((status = 202, body = AcceptedRetry), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn retry(
    State(api): State<Api>,
    caller: Caller<Write>,
    id: Id,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let of = run_id(id)?;
    let idempotency_key = idempotency_key(&headers)?;
    let mut value = body::optional(request, body::SMALL).await?;
    let mut problems = Problems::default();
    problems.check(&mut value, "$", FIELDS);
    let WantedRetry { from } = match WantedRetry::deserialize(value) {
        Ok(wanted) if problems.is_empty() => wanted,
        _ => return Err(selection::invalid(problems)),
    };
    auth::count_runs(&api, &caller.tenant, 1).await?;
    let order = Retry { id: RunId::new(), of, from, idempotency_key, notify: false };
    let answers = api.fleet.retry(&caller.tenant, vec![order]).await?;
    let submitted =
        answers.into_iter().next().unwrap_or(Err(Refused::NoSuchRun(of))).map_err(|refused| refusal(&api, refused))?;
    let answer = accepted(&submitted, of);
    let location = [(header::LOCATION, answer.accepted.status_url.clone())];
    Ok((StatusCode::ACCEPTED, location, Json(answer)).into_response())
}

/// Does many runs again, those that a filter means; a page a call.
#[utoipa::path(post, path = "/api/v1/runs/retry", tag = "runs", request_body = Selection,
    responses((status = 200, body = Retried), (status = 202, body = Retried), (status = 422, body = Problem)))]
pub(super) async fn retry_many(
    State(api): State<Api>,
    caller: Caller<Write>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let Selection { filter, from, limit, cursor, dry_run, .. } = selection::read(request, selection::RETRY).await?;
    let tenant = &caller.tenant;
    let Meant { runs: found, next } = api.fleet.find_ended(tenant, filter, cursor, limit).await?;
    let mut answer = Retried { matched: found.len(), retried: 0, runs: Vec::new(), refused: Vec::new(), next, dry_run };
    if dry_run {
        return Ok(Json(answer).into_response());
    }
    auth::count_runs(&api, tenant, found.len()).await?;
    // One key for each run: a repeated call does none of them twice.
    let order = |of: RunId| Retry {
        id: RunId::new(),
        of,
        from: from.clone(),
        idempotency_key: key.as_ref().map(|key| format!("{key}/{of}")),
        notify: false,
    };
    let orders = found.iter().map(|run| order(run.id)).collect();
    for (of, outcome) in found.iter().map(|run| run.id).zip(api.fleet.retry(tenant, orders).await?) {
        match outcome {
            Ok(submitted) => answer.runs.push(accepted(&submitted, of)),
            Err(refused) => answer.refused.push(RefusedRetry { run_id: of, problem: refusal(&api, refused) }),
        }
    }
    answer.retried = answer.runs.len();
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// Cancels many runs, those that a filter means and that have not ended; a page a call.
#[utoipa::path(post, path = "/api/v1/runs/cancel", tag = "runs", request_body = Selection,
    responses((status = 200, body = Cancelled), (status = 422, body = Problem)))]
pub(super) async fn cancel_many(
    State(api): State<Api>,
    caller: Caller<Write>,
    request: Request,
) -> Result<Json<Cancelled>, Problem> {
    let Selection { filter, reason, limit, cursor, dry_run, .. } = selection::read(request, selection::CANCEL).await?;
    let found = api.fleet.find_open(&caller.tenant, filter, cursor, limit).await?;
    let reason = reason.as_deref().unwrap_or("cancelled over HTTP");
    let cancelled = if dry_run { 0 } else { api.fleet.cancel_found(&found, reason).await?.len() };
    Ok(Json(Cancelled { matched: found.runs.len(), cancelled, next: found.next, dry_run }))
}

fn accepted(submitted: &Submitted, retry_of: RunId) -> AcceptedRetry {
    AcceptedRetry { accepted: Accepted::of(submitted), retry_of }
}

/// Why one run was not recorded, as its client reads it.
pub(super) fn refusal(api: &Api, refused: Refused) -> Problem {
    match refused {
        Refused::IdempotencyConflict(key) => {
            let key = key.strip_prefix(IDEMPOTENCY).unwrap_or(&key);
            let detail =
                format!("idempotency key {key:?} was used before for another run; use a new one for a new run");
            Problem::new(Code::IdempotencyConflict, detail)
        }
        Refused::NoSuchRun(run) => missing(api, run),
        Refused::NotAgain(NotAgain::NotEnded(state)) => {
            Problem::new(Code::RunNotEnded, format!("the run is still {state}; wait for its end, or cancel it first"))
        }
        Refused::NotAgain(NotAgain::NothingLeft) => {
            let detail =
                "everything in the run succeeded; name the task to begin with as \"from\" to do it again all the same";
            Problem::new(Code::NothingToRetry, detail)
        }
        Refused::NotAgain(NotAgain::UnknownTask(task)) => {
            let detail = format!("the run has no task {task:?}; GET /api/v1/runs/RUN lists its stages");
            Problem::new(Code::NoSuchTask, detail)
        }
        Refused::Unreadable(_) => {
            Problem::new(Code::RunUnreadable, "the record of this run cannot be read; submit it anew")
        }
    }
}
