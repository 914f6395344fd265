//! `/api/v1/runs`: submit, list, status, result, cancel.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use ledger::{RunRecord, Submitted};
use protocol::result::StageSummary;
use protocol::stages::PIPELINE;
use protocol::{Backend, RunId, RunState, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{self, Caller, Read, Write};
use super::codes::Code;
use super::events::Stopping;
use super::news::News;
use super::orders::Taken;
use super::paging::{IfNoneMatch, RunAddress};
use super::prefer::Waiting;
use super::{Api, Problem, conditional, orders, upload};
use crate::documents::{self, DocumentError};
use crate::results;
use crate::submission::Submission;

/// Sets keys that came over HTTP apart from those of other ways in.
pub(super) const IDEMPOTENCY: &str = "http:";

/// What an address names, or why it cannot be read.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// Query of a submission.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SubmitQuery {
    /// What a bare document is called.
    name: Option<String>,
    /// How urgent the run of a document is; 0 is usual.
    #[serde(default)]
    priority: i16,
}

/// A document with its questions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form, which is read field by field")]
pub(super) struct RunForm {
    /// The document: PDF, Office, e-mail, HTML, a picture, text.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The questions, as JSON. Without them, the usual ones for the kind of document are asked.
    request: Option<String>,
}

/// Answer to a submission.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedRun)]
pub(super) struct Accepted {
    #[schema(value_type = String)]
    run_id: RunId,
    /// False when the idempotency key had started this run before.
    created: bool,
    pub(super) status_url: String,
    result_url: String,
}

impl Accepted {
    pub(super) fn of(submitted: &Submitted) -> Self {
        let status_url = format!("/api/v1/runs/{}", submitted.id);
        let result_url = format!("{status_url}/result");
        Self { run_id: submitted.id, created: submitted.created, status_url, result_url }
    }
}

/// Starts a run: of the document workflow for a form or a bare document, of any other workflow for JSON, or up to 1,000
/// of them. `Prefer: wait=N` waits for the result.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs",
    params(SubmitQuery,
        ("Idempotency-Key" = Option<String>, Header, description = "Within the tenant, a key starts one run", pattern = "^[!-~]{1,255}$"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: how many seconds to wait for the result")),
    request_body(content((RunForm = "multipart/form-data"), (orders::Wanted = "application/json"), (upload::Bare = "application/octet-stream"))),
    responses((status = 200, description = "The result, for whoever waited", body = Value), (status = 202, body = orders::Answer),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 424, body = Problem)))]
pub(super) async fn submit(
    State(api): State<Api>,
    caller: Caller<Write>,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let idempotency_key = idempotency_key(&headers)?;
    let waiting = Waiting::asked(&headers, &news, &stopping);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if orders::is_json(kind) {
        return match orders::submit(&api, &caller, request, idempotency_key).await? {
            Taken::One(submitted) => accepted(&api, &caller.tenant, waiting, &submitted).await,
            Taken::Many(response) => Ok(response),
        };
    }
    auth::count_runs(&api, &caller.tenant, 1).await?;
    let upload = upload::receive(api.desk.incoming(), api.max_upload, request, query.name).await?;
    // An archive would only fail later. What is empty or of another kind does so with a result that says why.
    if let Err(error @ DocumentError::Unsupported(_)) = documents::look_at(upload.file.path(), &upload.name) {
        return Err(error.into());
    }
    let submission = Submission {
        tenant: caller.tenant.clone(),
        file: upload.file.path().to_path_buf(),
        file_name: upload.name,
        request: upload.request.unwrap_or_default(),
        idempotency_key,
        priority: query.priority,
    };
    let submitted = api.desk.submit(submission).await?;
    accepted(&api, &caller.tenant, waiting, &submitted).await
}

/// 202 with where to look, or the result itself when it comes while the client is willing to wait.
async fn accepted(
    api: &Api,
    tenant: &TenantId,
    waiting: Option<Waiting<'_>>,
    submitted: &Submitted,
) -> Result<Response, Problem> {
    let accepted = Accepted::of(submitted);
    let location = [(header::LOCATION, accepted.status_url.clone())];
    let Some(waiting) = waiting else {
        return Ok((StatusCode::ACCEPTED, location, Json(accepted)).into_response());
    };
    let response = match waiting.end_of(api, tenant, submitted.id).await? {
        Some(record) => {
            let where_it_is = [(header::CONTENT_LOCATION, accepted.result_url.clone())];
            (location, where_it_is, finished(api, &HeaderMap::new(), &record).await?).into_response()
        }
        None => (StatusCode::ACCEPTED, location, [(header::RETRY_AFTER, "1")], Json(accepted)).into_response(),
    };
    Ok(waiting.applied(response))
}

/// The key of the header, apart from those of other ways in.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(format!("{IDEMPOTENCY}{key}"))),
        _ => {
            Err(Problem::new(Code::IdempotencyKeyInvalid, "Idempotency-Key takes 1 to 255 printable ASCII characters"))
        }
    }
}

/// Where a run stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    #[schema(value_type = String)]
    run_id: RunId,
    workflow: String,
    /// Who executes it.
    #[schema(value_type = String)]
    backend: Backend,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    status: RunState,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The run that it does again.
    #[schema(value_type = Option<String>)]
    retry_of: Option<RunId>,
    /// The run that it repeats on another backend, to be compared.
    #[schema(value_type = Option<String>)]
    shadow_of: Option<RunId>,
    /// How each task went: `name`, `state`, `attempts`, `ms`.
    #[schema(value_type = Vec<Object>)]
    stages: Vec<StageSummary>,
}

impl Status {
    fn of(record: &RunRecord) -> Self {
        let run = &record.run;
        Self {
            run_id: run.id,
            workflow: run.workflow.name.clone(),
            backend: run.backend,
            status: run.state,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            retry_of: record.retry_of,
            shadow_of: record.shadow_of,
            stages: results::stages(record),
        }
    }
}

/// Where a run stands.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(RunAddress, IfNoneMatch),
    responses((status = 200, body = Status), (status = 304, description = "It is as the client has it"),
        (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn status(
    State(api): State<Api>,
    caller: Caller<Read>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    conditional::json(&headers, &Status::of(&record))
}

/// The result of a run, any number of times; 202 with its status while it is under way.
#[utoipa::path(get, path = "/api/v1/runs/{id}/result", tag = "runs",
    params(RunAddress, IfNoneMatch,
        ("Prefer" = Option<String>, Header, description = "`wait=N`: how many seconds to wait for it")),
    responses((status = 200, body = Value), (status = 202, body = Status), (status = 304, description = "It is as the client has it"),
        (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn result(
    State(api): State<Api>,
    caller: Caller<Read>,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut record = find(&api, &caller.tenant, id).await?;
    let waiting = Waiting::asked(&headers, &news, &stopping).filter(|_| !record.run.state.is_final());
    if let Some(waiting) = &waiting
        && let Some(ended) = waiting.end_of(&api, &caller.tenant, record.run.id).await?
    {
        record = ended;
    }
    let response = if record.run.state.is_final() {
        finished(&api, &headers, &record).await?
    } else {
        let again = [(header::RETRY_AFTER, "1"), (header::CACHE_CONTROL, "no-store")];
        (StatusCode::ACCEPTED, again, Json(Status::of(&record))).into_response()
    };
    Ok(match waiting {
        Some(waiting) => waiting.applied(response),
        None => response,
    })
}

/// The result of a run that has ended.
async fn finished(api: &Api, headers: &HeaderMap, record: &RunRecord) -> Result<Response, Problem> {
    if record.run.workflow.name == PIPELINE {
        conditional::json(headers, &results::assemble(record, api.objects.as_ref()).await?)
    } else {
        conditional::json(headers, &results::outputs(record, api.objects.as_ref()).await?)
    }
}

/// Cancels a run.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "runs", params(RunAddress),
    responses((status = 200, body = Status), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem)))]
pub(super) async fn remove(state: State<Api>, caller: Caller<Write>, id: Id) -> Result<Response, Problem> {
    cancel(state, caller, id).await
}

/// Cancels a run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs", params(RunAddress),
    responses((status = 200, body = Status), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem)))]
pub(super) async fn cancel(State(api): State<Api>, caller: Caller<Write>, id: Id) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    if record.run.state.is_final() && record.run.state != RunState::Cancelled {
        let detail = format!("the run has already {}", record.run.state);
        return Err(Problem::new(Code::RunEnded, detail));
    }
    let id = record.run.id;
    api.fleet.cancel(&caller.tenant, id, "cancelled over HTTP").await?;
    let record = api.fleet.status(&caller.tenant, id).await?.ok_or_else(|| missing(&api, id))?;
    Ok(Json(Status::of(&record)).into_response())
}

/// The tenant's run that an address names.
pub(super) async fn find(api: &Api, tenant: &TenantId, id: Id) -> Result<RunRecord, Problem> {
    let run = run_id(id)?;
    api.fleet.status(tenant, run).await?.ok_or_else(|| missing(api, run))
}

/// The run that an address names.
pub(super) fn run_id(id: Id) -> Result<RunId, Problem> {
    let Path(id) = id?;
    id.parse().map_err(|_| unknown(&id))
}

/// The problem that there is no such run: not any more, or not at all. Ids carry the time at which they were made.
pub(super) fn missing(api: &Api, run: RunId) -> Problem {
    match api.retention.filter(|kept| is_older(run, *kept, Timestamp::now())) {
        Some(kept) => {
            let days = kept.as_secs() / (24 * 60 * 60);
            Problem::new(Code::RunExpired, format!("runs are kept for {days} days after their end, and {run} is older"))
        }
        None => unknown(&run.to_string()),
    }
}

fn unknown(id: &str) -> Problem {
    Problem::new(Code::NoSuchRun, format!("there is no run {id:?}"))
}

fn is_older(run: RunId, age: Duration, now: Timestamp) -> bool {
    let Some(made) = run.as_uuid().get_timestamp() else { return false };
    let (seconds, _) = made.to_unix();
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    seconds.saturating_add(age.as_secs()) < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_old_as_its_id_says() {
        let run: RunId = "0198f3c2-7d1e-7a30-9a55-0c6fb2a4e001".parse().unwrap();
        let (seconds, _) = run.as_uuid().get_timestamp().unwrap().to_unix();
        let day = Duration::from_secs(24 * 60 * 60);
        let later = |by: u64| Timestamp::from_second(i64::try_from(seconds + by).unwrap()).unwrap();
        assert!(!is_older(run, day, later(day.as_secs() - 1)));
        assert!(is_older(run, day, later(day.as_secs() + 1)));
        let random: RunId = "0198f3c2-7d1e-4a30-9a55-0c6fb2a4e001".parse().unwrap();
        assert!(!is_older(random, day, later(10 * day.as_secs())), "an id of another kind has no age");
    }
}
