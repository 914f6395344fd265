//! `GET /api/v1/runs`: runs that have something in common, a page at a time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use ledger::{RunFilter, RunSummary};
use protocol::{Backend, RunId, RunState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Read};
use super::codes::Code;
use super::{Api, Problem};

/// Query of a list. What it does not know is refused: a slip must not mean more runs than was intended.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// In one of these states, separated by commas: `queued`, `running`, `succeeded`, `failed`, `cancelled`.
    #[param(
        example = "failed,cancelled",
        pattern = r"^((queued|running|succeeded|failed|cancelled)(,(queued|running|succeeded|failed|cancelled))*)?$"
    )]
    state: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
    /// Submitted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Submitted earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
    /// On this backend.
    #[param(value_type = Option<String>, pattern = "^(fleet|embedded|celery|hatchet|temporal|inngest)$")]
    backend: Option<Backend>,
    /// Also runs that repeat another one on another backend, to be compared.
    #[serde(default)]
    shadows: bool,
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    cursor: Option<RunId>,
    /// Older than this run: another name for `cursor`, in place of it.
    #[param(value_type = Option<String>, pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    before: Option<RunId>,
    /// At most so many; 50 unless said otherwise, and 500 is the most there is.
    limit: Option<usize>,
}

/// One run of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedRun {
    #[schema(value_type = String)]
    run_id: RunId,
    workflow: String,
    /// Who executes it.
    #[schema(value_type = String)]
    backend: Backend,
    #[schema(value_type = String)]
    status: RunState,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// The run that it does again.
    #[schema(value_type = Option<String>)]
    retry_of: Option<RunId>,
    /// The run that it repeats on another backend, to be compared.
    #[schema(value_type = Option<String>)]
    shadow_of: Option<RunId>,
}

/// A page of runs, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct RunList {
    runs: Vec<ListedRun>,
    /// Pass it as `cursor` for the next page; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
}

impl From<RunSummary> for ListedRun {
    fn from(run: RunSummary) -> Self {
        Self {
            run_id: run.id,
            workflow: run.workflow,
            backend: run.backend,
            status: run.state,
            created_at: run.created_at,
            ended_at: run.ended_at,
            retry_of: run.retry_of,
            shadow_of: run.shadow_of,
        }
    }
}

/// The runs of the tenant, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(ListQuery),
    responses((status = 200, body = RunList), (status = 400, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RunList>, Problem> {
    let Query(query) = query?;
    let filter = RunFilter {
        states: states(query.state.as_deref().unwrap_or_default())?,
        workflow: query.workflow,
        created_after: query.created_after,
        created_before: query.created_before,
        backend: query.backend,
        shadows: query.shadows,
        ..RunFilter::all()
    };
    if query.cursor.is_some() && query.before.is_some() {
        let detail = "give \"cursor\" or \"before\", not both: they mean the same";
        return Err(Problem::new(Code::QueryInvalid, detail));
    }
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let found = api.fleet.find(&caller.tenant, &filter, query.cursor.or(query.before), limit).await?;
    Ok(Json(RunList { runs: found.runs.into_iter().map(ListedRun::from).collect(), next: found.next }))
}

/// The states that a list of words names.
fn states(words: &str) -> Result<Vec<RunState>, Problem> {
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let state = |word: &str| {
        RunState::parse(word).ok_or_else(|| {
            let detail = format!(
                "\"state\": {word:?} is no state; use queued, running, succeeded, failed or cancelled, separated by commas"
            );
            Problem::new(Code::QueryInvalid, detail)
        })
    };
    words.map(state).collect()
}
