//! `/api/v1/runs`: submit, list, status, result, cancel.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use ledger::{RunRecord, Submitted};
use protocol::result::StageSummary;
use protocol::stages::PIPELINE;
use protocol::{RunId, RunState, TenantId};
use serde::{Deserialize, Serialize};

use super::auth::{self, Caller, Read, Write};
use super::{Api, Problem, orders, upload};
use crate::results;
use crate::submission::Submission;

/// Sets keys that came over HTTP apart from those of other ways in.
pub(super) const IDEMPOTENCY: &str = "http:";

/// What an address names, or why it cannot be read.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// Query of a submission: how urgent it is and, without a form, what the document is called.
#[derive(Deserialize)]
pub(super) struct SubmitQuery {
    name: Option<String>,
    #[serde(default)]
    priority: i16,
}

/// Answer to a submission.
#[derive(Serialize)]
pub(super) struct Accepted {
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

/// `POST /api/v1/runs`: a document for the document workflow, or JSON for any other.
pub(super) async fn submit(
    State(api): State<Api>,
    caller: Caller<Write>,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let idempotency_key = idempotency_key(&headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if orders::is_json(kind) {
        return orders::submit(&api, &caller.tenant, request, idempotency_key).await;
    }
    auth::count_runs(&api, &caller.tenant, 1).await?;
    let upload = upload::receive(api.desk.incoming(), api.max_upload, request, query.name).await?;
    let submission = Submission {
        tenant: caller.tenant.clone(),
        file: upload.file.path().to_path_buf(),
        file_name: upload.name,
        request: upload.request,
        idempotency_key,
        priority: query.priority,
    };
    let submitted = api.desk.submit(submission).await?;
    let accepted = Accepted::of(&submitted);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, accepted.status_url.clone())], Json(accepted)).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(format!("{IDEMPOTENCY}{key}"))),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "idempotency_key_invalid",
            "Idempotency-Key takes 1 to 255 printable ASCII characters",
        )),
    }
}

/// Query of a list.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    before: Option<RunId>,
    limit: Option<usize>,
}

/// One run of a list.
#[derive(Serialize)]
struct Listed {
    run_id: RunId,
    workflow: String,
    status: RunState,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
}

/// A page of runs.
#[derive(Serialize)]
struct Page {
    runs: Vec<Listed>,
    /// Pass it as `before` for the next page; null at the end.
    next: Option<RunId>,
}

/// `GET /api/v1/runs`
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let mut runs = api.fleet.list(&caller.tenant, query.before, limit + 1).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = if more { runs.last().map(|run| run.id) } else { None };
    let runs = runs
        .into_iter()
        .map(|run| Listed {
            run_id: run.id,
            workflow: run.workflow,
            status: run.state,
            created_at: run.created_at,
            ended_at: run.ended_at,
        })
        .collect();
    Ok(Json(Page { runs, next }).into_response())
}

/// Where a run stands.
#[derive(Serialize)]
struct Status {
    run_id: RunId,
    workflow: String,
    status: RunState,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    stages: Vec<StageSummary>,
}

impl Status {
    fn of(record: &RunRecord) -> Self {
        let run = &record.run;
        Self {
            run_id: run.id,
            workflow: run.workflow.name.clone(),
            status: run.state,
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            stages: results::stages(record),
        }
    }
}

/// `GET /api/v1/runs/{id}`
pub(super) async fn status(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    Ok(Json(Status::of(&record)).into_response())
}

/// `GET /api/v1/runs/{id}/result`: readable any number of times; 202 with the status while the run is under way.
pub(super) async fn result(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    if !record.run.state.is_final() {
        let again = [(header::RETRY_AFTER, "1")];
        return Ok((StatusCode::ACCEPTED, again, Json(Status::of(&record))).into_response());
    }
    if record.run.workflow.name != PIPELINE {
        return Ok(Json(results::outputs(&record, api.objects.as_ref()).await?).into_response());
    }
    Ok(Json(results::assemble(&record, api.objects.as_ref()).await?).into_response())
}

/// `POST /api/v1/runs/{id}/cancel`, `DELETE /api/v1/runs/{id}`
pub(super) async fn cancel(State(api): State<Api>, caller: Caller<Write>, id: Id) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    if record.run.state.is_final() && record.run.state != RunState::Cancelled {
        let detail = format!("the run has already {}", record.run.state);
        return Err(Problem::new(StatusCode::CONFLICT, "run_ended", detail));
    }
    let id = record.run.id;
    api.fleet.cancel(&caller.tenant, id, "cancelled over HTTP").await?;
    let record = api.fleet.status(&caller.tenant, id).await?.ok_or_else(|| missing(&id.to_string()))?;
    Ok(Json(Status::of(&record)).into_response())
}

async fn find(api: &Api, tenant: &TenantId, id: Id) -> Result<RunRecord, Problem> {
    let run = run_id(id)?;
    api.fleet.status(tenant, run).await?.ok_or_else(|| missing(&run.to_string()))
}

/// The run that an address names.
pub(super) fn run_id(id: Id) -> Result<RunId, Problem> {
    let Path(id) = id?;
    id.parse().map_err(|_| missing(&id))
}

/// The problem that there is no such run.
pub(super) fn missing(id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_run", format!("there is no run {id:?}"))
}
