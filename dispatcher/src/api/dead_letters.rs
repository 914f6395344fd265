//! `/api/v1/dead-letters`: look, replay, drop.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use broker::{Buried, Selection};
use protocol::operations::{DeadLetter, DeadLetterSelection, DeadLetters, Dropped, Replayed};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Operate};
use super::codes::Code;
use super::operations::{MOST, USUAL, away};
use super::{Api, Problem, body};

/// Query of a page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// At most so many; 1000 is the most there is.
    limit: Option<usize>,
    /// How many to leave out: the `next` of an earlier page.
    #[serde(default)]
    skip: usize,
}

/// Which dead letters: exactly one of the three.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body of another crate's type")]
pub(super) struct Selected {
    /// These.
    ids: Option<Vec<String>>,
    /// Those that came from this queue.
    queue: Option<String>,
    /// All of them.
    all: Option<bool>,
}

/// Messages that nobody could handle, with the reason; they stay where they are.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "operations", params(PageQuery),
    responses((status = 200, body = Value), (status = 503, body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    _caller: Caller<Operate>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<DeadLetters>, Problem> {
    let Query(PageQuery { limit, skip }) = query?;
    let limit = limit.unwrap_or(USUAL).clamp(1, MOST);
    // One more than wanted tells whether there is a next page.
    let mut found = api.fleet.dead_letters(skip, limit + 1).await.map_err(|error| away(&error))?;
    let next = (found.len() > limit).then(|| skip.saturating_add(limit));
    found.truncate(limit);
    Ok(Json(DeadLetters { dead_letters: found.into_iter().map(shown).collect(), next }))
}

/// Sends dead letters to the queues that they came from.
#[utoipa::path(post, path = "/api/v1/dead-letters/replay", tag = "operations", request_body = Selected,
    responses((status = 200, body = Value), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn replay(
    State(api): State<Api>,
    caller: Caller<Operate>,
    request: Request,
) -> Result<Json<Replayed>, Problem> {
    let asked: DeadLetterSelection = body::of(request, body::SMALL).await?;
    let details = serde_json::to_value(&asked).unwrap_or_default();
    let selection = selection(asked)?;
    api.access.audit.note(&caller, "dead_letters.replayed", "dead_letter", details).await?;
    let done = api.fleet.replay_dead_letters(&selection).await.map_err(|error| away(&error))?;
    Ok(Json(Replayed { replayed: done.replayed, kept: done.kept }))
}

/// Drops dead letters for good.
#[utoipa::path(post, path = "/api/v1/dead-letters/drop", tag = "operations", request_body = Selected,
    responses((status = 200, body = Value), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn forget(
    State(api): State<Api>,
    caller: Caller<Operate>,
    request: Request,
) -> Result<Json<Dropped>, Problem> {
    let asked: DeadLetterSelection = body::of(request, body::SMALL).await?;
    let details = serde_json::to_value(&asked).unwrap_or_default();
    let selection = selection(asked)?;
    api.access.audit.note(&caller, "dead_letters.dropped", "dead_letter", details).await?;
    let dropped = api.fleet.drop_dead_letters(&selection).await.map_err(|error| away(&error))?;
    Ok(Json(Dropped { dropped }))
}

/// Exactly one kind of selection: a slip must not reach more than was meant.
fn selection(asked: DeadLetterSelection) -> Result<Selection, Problem> {
    match asked {
        DeadLetterSelection { ids: Some(ids), queue: None, all: None } => Ok(Selection::ids(ids)),
        DeadLetterSelection { ids: None, queue: Some(queue), all: None } => Ok(Selection::Queue(queue)),
        DeadLetterSelection { ids: None, queue: None, all: Some(true) } => Ok(Selection::All),
        _ => Err(Problem::new(
            Code::SelectionInvalid,
            "say which dead letters with exactly one of \"ids\": [..], \"queue\": \"..\", \"all\": true",
        )),
    }
}

fn shown(buried: Buried) -> DeadLetter {
    let Buried { message, death } = buried;
    let body = match serde_json::from_slice(&message.body) {
        Ok(json) => json,
        Err(_) => Value::String(String::from_utf8_lossy(&message.body).into_owned()),
    };
    let (queue, reason, deliveries, died_at) = match death {
        Some(death) => (Some(death.queue), Some(death.reason), Some(death.deliveries), death.died_at),
        None => (None, None, None, None),
    };
    DeadLetter { id: message.id, queue, reason, deliveries, died_at, headers: message.headers, body }
}
