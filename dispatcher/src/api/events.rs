//! `/api/v1/runs/{id}/events`: what was told about a run, page by page, with waiting for what comes.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::{SignedDuration, Timestamp};
use ledger::RunEvents;
use protocol::{Lifecycle, LifecycleEvent, RunEvent, RunId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::auth::{Caller, Read};
use super::runs::{Id, missing, run_id};
use super::{Api, Problem};

/// Most events of an answer, unless the call says otherwise, and at all.
const LIMIT: usize = 500;
const MOST: usize = 5_000;

/// The longest wait for something to come.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often the record is looked at in case an announcement was missed.
const LOOK: Duration = Duration::from_secs(1);

/// How long after its end events of a run may still come in.
const STRAGGLERS: SignedDuration = SignedDuration::from_secs(2);

/// Readers that wait for events.
const WAITING: &str = "flotilla_event_readers_waiting";

/// Tells that the server is about to stop: nobody waits any longer then.
#[derive(Clone)]
pub(super) struct Stopping(pub(super) CancellationToken);

/// Query of the events of a run.
#[derive(Deserialize)]
pub(super) struct EventsQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    /// In seconds.
    #[serde(default)]
    wait: u64,
}

/// A page of events.
#[derive(Serialize)]
struct Page {
    events: Vec<RunEvent>,
    /// Pass it as `after` for what follows.
    next: u64,
    /// Whether the run has ended and nothing follows.
    ended: bool,
}

/// `GET /api/v1/runs/{id}/events`
pub(super) async fn events(
    State(api): State<Api>,
    caller: Caller<Read>,
    stopping: Option<Extension<Stopping>>,
    id: Id,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let run = run_id(id)?;
    let Query(EventsQuery { after, limit, wait }) = query?;
    let limit = limit.unwrap_or(LIMIT).clamp(1, MOST);
    let stopping = stopping.map_or_else(CancellationToken::new, |Extension(Stopping(token))| token);
    let give_up = Instant::now() + Duration::from_secs(wait).min(LONGEST_WAIT);
    // Listen before looking, so that nothing falls in between.
    let mut news = (wait > 0).then(|| (api.fleet.watch(), Waiting::new()));
    loop {
        let found = api.fleet.events(&caller.tenant, run, after, limit).await?;
        let found = found.ok_or_else(|| missing(&run.to_string()))?;
        let ended = has_ended(&found, limit, Timestamp::now());
        let waiting = news.as_mut().filter(|_| found.events.is_empty() && !ended && !stopping.is_cancelled());
        let Some(waiting) = waiting.filter(|_| Instant::now() < give_up) else {
            let next = found.events.last().map_or(after, |last| last.seq);
            return Ok(Json(Page { events: found.events, next, ended }).into_response());
        };
        tokio::select! {
            () = told(&mut waiting.0, run) => {}
            () = stopping.cancelled() => {}
            () = tokio::time::sleep_until(give_up.min(Instant::now() + LOOK)) => {}
        }
    }
}

/// A reader who waits, as the metrics see it.
struct Waiting;

impl Waiting {
    fn new() -> Self {
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
fn has_ended(found: &RunEvents, limit: usize, now: Timestamp) -> bool {
    let told = found.events.iter().any(|event| matches!(event.what, LifecycleEvent::RunEnded { .. }));
    let age = found.ended_at.map(|ended_at| ended_at.duration_until(now));
    let settled = age.is_none_or(|age| age > STRAGGLERS);
    found.state.is_final() && found.events.len() < limit && (told || settled)
}

/// Returns when something is announced about the run, or announcements were missed. Never when there are none.
async fn told(news: &mut Receiver<Lifecycle>, run: RunId) {
    loop {
        match news.recv().await {
            Ok(event) if event.run_id == run => break,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
    // One look at the record answers all of them.
    while news.try_recv().is_ok() {}
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
