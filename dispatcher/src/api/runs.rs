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
use protocol::{RunId, RunState, TenantId};
use serde::{Deserialize, Serialize};

use super::auth::{self, Caller, Read, Write};
use super::codes::Code;
use super::events::Stopping;
use super::news::News;
use super::orders::Taken;
use super::prefer::Waiting;
use super::{Api, Problem, conditional, orders, upload};
use crate::documents::{self, DocumentError};
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
        return match orders::submit(&api, &caller.tenant, request, idempotency_key).await? {
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

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(format!("{IDEMPOTENCY}{key}"))),
        _ => {
            Err(Problem::new(Code::IdempotencyKeyInvalid, "Idempotency-Key takes 1 to 255 printable ASCII characters"))
        }
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
pub(super) async fn status(
    State(api): State<Api>,
    caller: Caller<Read>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = find(&api, &caller.tenant, id).await?;
    conditional::json(&headers, &Status::of(&record))
}

/// `GET /api/v1/runs/{id}/result`: readable any number of times; 202 with the status while the run is under way.
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

/// `POST /api/v1/runs/{id}/cancel`, `DELETE /api/v1/runs/{id}`
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

async fn find(api: &Api, tenant: &TenantId, id: Id) -> Result<RunRecord, Problem> {
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
