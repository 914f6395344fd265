//! `/api/v1/runs/{id}/events`: what was told about a run, page by page, with waiting for what comes.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use ledger::RunEvents;
use protocol::{LifecycleEvent, RunEvent};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Read};
use super::news::News;
use super::paging::RunAddress;
use super::runs::{Id, missing, run_id};
use super::{Api, Problem, stream};

/// Most events of an answer, unless the call says otherwise, and at all.
const LIMIT: usize = 500;
const MOST: usize = 5_000;

/// The longest wait for something to come.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long after its end events of a run may still come in.
const STRAGGLERS: SignedDuration = SignedDuration::from_secs(2);

/// A little more, so that it is over for sure.
const SETTLED: Duration = Duration::from_millis(20);

/// Readers that wait for events.
const WAITING: &str = "flotilla_event_readers_waiting";

/// Tells that the server is about to stop: nobody waits any longer then.
#[derive(Clone, Default)]
pub(super) struct Stopping(pub(super) CancellationToken);

/// Query of the events of a run.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Go on behind this event: the `next` of an earlier page.
    #[serde(default)]
    after: u64,
    /// At most so many; 5000 is the most there is.
    limit: Option<usize>,
    /// How many seconds to wait for something to come; 60 is the most there is.
    #[serde(default)]
    #[param(example = 0)]
    wait: u64,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = EventList)]
pub(super) struct Page {
    #[schema(value_type = Vec<Object>)]
    events: Vec<RunEvent>,
    /// Pass it as `after` for what follows.
    next: u64,
    /// Whether the run has ended and nothing follows.
    ended: bool,
}

/// What was told about a run, a page at a time; a stream for `Accept: text/event-stream`.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "runs", params(RunAddress, EventsQuery),
    responses((status = 200, content((Page = "application/json"), (Value = "text/event-stream"))),
        (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn events(
    State(api): State<Api>,
    caller: Caller<Read>,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    id: Id,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if stream::is_wanted(&headers) {
        return follow(State(api), caller, Extension(news), Extension(stopping), id, query, headers).await;
    }
    let run = run_id(id)?;
    let Query(EventsQuery { after, limit, wait }) = query?;
    let limit = limit.unwrap_or(LIMIT).clamp(1, MOST);
    let give_up = Instant::now() + Duration::from_secs(wait).min(LONGEST_WAIT);
    // Listen before looking, so that nothing falls in between.
    let mut waiting = (wait > 0).then(|| (news.of(run), Waiting::new()));
    loop {
        let found = api.fleet.events(&caller.tenant, run, after, limit).await?;
        let found = found.ok_or_else(|| missing(&api, run))?;
        let ended = has_ended(&found, limit, Timestamp::now());
        let waits = found.events.is_empty() && !ended && !stopping.0.is_cancelled() && Instant::now() < give_up;
        let Some((listener, _)) = waiting.as_mut().filter(|_| waits) else {
            let next = found.events.last().map_or(after, |last| last.seq);
            return Ok(Json(Page { events: found.events, next, ended }).into_response());
        };
        let look = moment_of_end(&found).map_or(give_up, |settled| settled.min(give_up));
        tokio::select! {
            () = listener.told() => {}
            () = stopping.0.cancelled() => {}
            () = tokio::time::sleep_until(look) => {}
        }
    }
}

/// What was told about a run and what comes, as server-sent events. `id` is the number of an event, with which a client goes
/// on (`Last-Event-ID`); the last one is called `end`.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events/stream", tag = "runs",
    params(("id" = String, Path, description = "A run"),
        ("after" = Option<u64>, Query, description = "Go on behind this event"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, and it wins")),
    responses((status = 200, body = Value, content_type = "text/event-stream"), (status = 204),
        (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn follow(
    State(api): State<Api>,
    caller: Caller<Read>,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    id: Id,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = run_id(id)?;
    let Query(EventsQuery { after, .. }) = query?;
    let resume = stream::Resume::of(&headers, after)?;
    // No event has that number: only whether there is such a run is asked.
    if api.fleet.events(&caller.tenant, run, u64::MAX, 1).await?.is_none() {
        return Err(missing(&api, run));
    }
    Ok(stream::answer(&api, stream::Pass::of(&api, &caller.tenant, &headers), &news, stopping, run, &resume))
}

/// A reader who waits, as the metrics see it.
pub(super) struct Waiting;

impl Waiting {
    pub(super) fn new() -> Self {
        metrics::gauge!(WAITING).increment(1.0);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!(WAITING).decrement(1.0);
    }
}

/// Whether this page is the last one. The end of a run is its last event; where that was lost, or overtook another
/// one, the run itself tells after a moment.
pub(super) fn has_ended(found: &RunEvents, limit: usize, now: Timestamp) -> bool {
    let told = found.events.iter().any(|event| matches!(event.what, LifecycleEvent::RunEnded { .. }));
    let age = found.ended_at.map(|ended_at| ended_at.duration_until(now));
    let settled = age.is_none_or(|age| age > STRAGGLERS);
    found.state.is_final() && found.events.len() < limit && (told || settled)
}

/// When nothing more is expected of a run that has ended, so that it is looked at then.
pub(super) fn moment_of_end(found: &RunEvents) -> Option<Instant> {
    let age = found.ended_at?.duration_until(Timestamp::now());
    let left = Duration::try_from(STRAGGLERS.saturating_sub(age)).unwrap_or_default();
    Some(Instant::now() + left.min(LONGEST_WAIT) + SETTLED)
}

#[cfg(test)]
mod tests {
    use protocol::RunState;

    use super::*;

    fn found(state: RunState, ended_at: Option<&str>, events: &[LifecycleEvent]) -> RunEvents {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let event = |(seq, what): (usize, &LifecycleEvent)| RunEvent {
            seq: seq as u64,
            at,
            task_run_id: None,
            task: None,
            attempt: None,
            worker: "worker-1".to_owned(),
            what: what.clone(),
        };
        RunEvents {
            state,
            ended_at: ended_at.map(|time| time.parse().unwrap()),
            events: events.iter().enumerate().map(event).collect(),
        }
    }

    #[test]
    fn the_last_page_is_the_one_with_the_end_of_the_run_or_one_long_after_it() {
        let now = "2026-01-01T00:00:10Z".parse().unwrap();
        let (just_now, long_ago) = (Some("2026-01-01T00:00:09.9Z"), Some("2026-01-01T00:00:01Z"));
        let end = LifecycleEvent::RunEnded { state: RunState::Failed };
        let started = LifecycleEvent::Started;
        let cases = [
            (found(RunState::Running, None, &[]), false, "it is under way"),
            (found(RunState::Failed, just_now, std::slice::from_ref(&started)), false, "its end may still come in"),
            (found(RunState::Failed, just_now, &[started.clone(), end.clone()]), true, "its end was told"),
            (found(RunState::Failed, long_ago, &[]), true, "its end was lost, or read before"),
            (found(RunState::Failed, long_ago, &[started.clone(), started, end]), false, "the page is full"),
        ];
        for (found, expected, why) in cases {
            assert_eq!(has_ended(&found, 3, now), expected, "{why}");
        }
    }
}
