//! `text/event-stream` of what is told about a run: server-sent events, as the HTML standard has them.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backends::fleet::Fleet;
use jiff::Timestamp;
use protocol::{RunEvent, RunId, RunState, TenantId};
use serde_json::Value;
use tokio::time::Instant;

use super::auth;
use super::codes::Code;
use super::events::{Stopping, Waiting, has_ended, moment_of_end};
use super::news::{Listener, News};
use super::{Api, Problem};
use crate::access::Keyring;

/// Most events read at once.
const PAGE: usize = 200;

/// How often something is sent though nothing happens, so that nobody on the way takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a key that was looked at is taken for good.
const CHECKED: Duration = Duration::from_secs(2);

/// When a client whose connection broke comes again, in milliseconds.
const RETRY: &str = "retry: 2000\n\n";

/// A comment that says nothing.
const HEART: &[u8] = b":\n\n";

/// The id of the last event of all: who comes again with it has missed nothing and is told to stay away.
const END: &str = "end";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether the client asks for a stream.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// Where a client goes on.
pub(super) enum Resume {
    /// After that number.
    After(u64),
    /// It has seen everything.
    Never,
}

impl Resume {
    /// What the client has seen last, or else `after`.
    pub(super) fn of(headers: &HeaderMap, after: u64) -> Result<Self, Problem> {
        match headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?")) {
            None | Some("") => Ok(Self::After(after)),
            Some(END) => Ok(Self::Never),
            Some(id) => id.parse().map(Self::After).map_err(|_| {
                Problem::new(Code::HeaderInvalid, format!("Last-Event-ID {id:?} is none; send the `id` of an event"))
            }),
        }
    }
}

/// What lets a client listen: a stream must not outlive the key that opened it.
pub(super) struct Pass {
    tenant: TenantId,
    /// The keys, and the one that was shown, where one has to be.
    shown: Option<(Keyring, Box<str>)>,
    checked: Instant,
}

impl Pass {
    /// The pass of a caller who was let in just now.
    pub(super) fn of(api: &Api, tenant: &TenantId, headers: &HeaderMap) -> Self {
        let token = auth::bearer(headers).filter(|_| api.access.required);
        let shown = token.map(|token| (api.access.keys.clone(), token.into()));
        Self { tenant: tenant.clone(), shown, checked: Instant::now() }
    }

    /// Whether the key still lets in. While nobody can tell, it does.
    async fn is_good(&mut self) -> bool {
        let Some((keys, token)) = self.shown.as_ref().filter(|_| self.checked.elapsed() >= CHECKED) else {
            return true;
        };
        let known = keys.identify(token).await;
        self.checked = Instant::now();
        known.map_or(true, |known| known.is_some())
    }
}

/// The stream of a run that the tenant has.
pub(super) fn answer(api: &Api, pass: Pass, news: &News, stopping: Stopping, run: RunId, resume: &Resume) -> Response {
    let Resume::After(after) = *resume else {
        // What tells browsers not to come again.
        return StatusCode::NO_CONTENT.into_response();
    };
    let follower = Follower {
        fleet: api.fleet.clone(),
        pass,
        stopping,
        run,
        after,
        listener: news.of(run),
        stage: Stage::Begins,
        settles: None,
        _waiting: Waiting::new(),
    };
    let stream = futures::stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Nginx and those that learned from it keep answers back otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A client that follows a run: how far it is, and nothing else, so that thousands cost little.
struct Follower {
    fleet: Fleet,
    pass: Pass,
    stopping: Stopping,
    run: RunId,
    after: u64,
    listener: Listener,
    stage: Stage,
    /// When nothing more can come of a run that has ended.
    settles: Option<Instant>,
    _waiting: Waiting,
}

/// What a follower does next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Looks,
    Waits,
    HasEnded,
}

impl Follower {
    /// What to send next; `None` when the client should hear no more from this connection.
    async fn next(&mut self) -> Option<Bytes> {
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            match self.stage {
                Stage::HasEnded => return None,
                Stage::Begins => {
                    self.stage = Stage::Looks;
                    return Some(Bytes::from_static(RETRY.as_bytes()));
                }
                Stage::Looks => {
                    self.stage = Stage::Waits;
                    if let Some(text) = self.look().await {
                        return Some(text);
                    }
                }
                Stage::Waits => {
                    let settles = self.settles;
                    let settled = async {
                        match settles {
                            Some(at) => tokio::time::sleep_until(at).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        // Another dispatcher goes on with it.
                        () = self.stopping.0.cancelled() => return None,
                        () = tokio::time::sleep_until(heartbeat) => return Some(Bytes::from_static(HEART)),
                        () = settled => {}
                        () = self.listener.told() => {}
                    }
                    self.stage = Stage::Looks;
                }
            }
        }
    }

    /// What is on record and was not sent yet.
    async fn look(&mut self) -> Option<Bytes> {
        if !self.pass.is_good().await {
            self.stage = Stage::HasEnded;
            return None;
        }
        let found = match self.fleet.events(&self.pass.tenant, self.run, self.after, PAGE).await {
            Ok(Some(found)) => found,
            // Retention took it away.
            Ok(None) => {
                self.stage = Stage::HasEnded;
                return None;
            }
            // It goes on where it was, as soon as the ledger does.
            Err(error) => {
                tracing::debug!(run.id = %self.run, error = %error, "a stream cannot read its run");
                return None;
            }
        };
        let mut text = String::new();
        for event in &found.events {
            show(&mut text, event);
            self.after = event.seq;
        }
        if has_ended(&found, PAGE, Timestamp::now()) {
            show_end(&mut text, found.state);
            self.stage = Stage::HasEnded;
        } else if !found.events.is_empty() {
            // There may be more.
            self.stage = Stage::Looks;
        }
        self.settles = moment_of_end(&found);
        (!text.is_empty()).then(|| text.into())
    }
}

/// An event: JSON has no line breaks, so one line of data is enough.
fn show(text: &mut String, event: &RunEvent) {
    let Ok(value) = serde_json::to_value(event) else { return };
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or("message");
    let _ = write!(text, "id: {}\nevent: {kind}\ndata: {value}\n\n", event.seq);
}

fn show_end(text: &mut String, state: RunState) {
    let _ = write!(text, "id: {END}\nevent: end\ndata: {{\"status\":\"{state}\"}}\n\n");
}

#[cfg(test)]
mod tests {
    use protocol::LifecycleEvent;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn an_event_is_three_lines_and_its_data_one_whatever_it_says() {
        let event = RunEvent {
            seq: 7,
            at: Timestamp::UNIX_EPOCH,
            task_run_id: None,
            task: Some("first".to_owned()),
            attempt: Some(1),
            worker: "worker-1".to_owned(),
            what: LifecycleEvent::Log { level: "info".to_owned(), message: "two\nlines\r\nevent: end".to_owned() },
        };
        let mut text = String::new();
        show(&mut text, &event);
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!((lines[0], lines[1]), ("id: 7", "event: log"));
        let data: RunEvent = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data, event);
    }

    #[test]
    fn a_client_goes_on_after_what_it_has_seen() {
        let resumed = |value| match Resume::of(&headers(LAST_EVENT_ID, value), 3) {
            Ok(Resume::After(after)) => Some(after),
            Ok(Resume::Never) | Err(_) => None,
        };
        assert_eq!(resumed("17"), Some(17));
        assert_eq!(resumed(""), Some(3));
        assert!(matches!(Resume::of(&HeaderMap::new(), 3), Ok(Resume::After(3))));
        assert!(matches!(Resume::of(&headers(LAST_EVENT_ID, END), 3), Ok(Resume::Never)));
        for bad in ["-1", "1.5", "last"] {
            assert!(Resume::of(&headers(LAST_EVENT_ID, bad), 3).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stream_is_asked_for_by_its_media_type() {
        assert!(is_wanted(&headers(header::ACCEPT, "text/event-stream")));
        assert!(is_wanted(&headers(header::ACCEPT, "application/json;q=0.5, text/event-stream")));
        assert!(!is_wanted(&headers(header::ACCEPT, "*/*")) && !is_wanted(&HeaderMap::new()));
    }
}
