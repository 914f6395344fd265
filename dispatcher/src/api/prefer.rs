//! `Prefer: wait=N` (RFC 7240): the client would rather wait for the end of a run than ask again.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use ledger::RunRecord;
use protocol::{RunId, TenantId};
use tokio::time::Instant;

use super::events::Stopping;
use super::news::News;
use super::{Api, Problem};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait that is granted, in seconds.
const LONGEST: u64 = 60;

/// A wait that is granted.
pub(super) struct Waiting<'a> {
    patience: Patience,
    news: &'a News,
    stopping: &'a Stopping,
}

/// How long a client is willing to wait, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience(u64);

impl Patience {
    /// What the client asks for, at most [`LONGEST`]. What it asks for in another way is ignored, as that is what
    /// preferences are.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut waits = preferences.flat_map(|list| list.split([',', ';'])).filter_map(|one| {
            let (name, value) = one.split_once('=')?;
            let seconds = value.trim().trim_matches('"').parse().ok()?;
            name.trim().eq_ignore_ascii_case("wait").then_some(Self(u64::min(seconds, LONGEST)))
        });
        waits.next()
    }
}

impl<'a> Waiting<'a> {
    /// The wait that the client asks for, if it does.
    pub(super) fn asked(headers: &HeaderMap, news: &'a News, stopping: &'a Stopping) -> Option<Self> {
        Some(Self { patience: Patience::of(headers)?, news, stopping })
    }

    /// Says in the answer that it was granted.
    pub(super) fn applied(&self, mut response: Response) -> Response {
        if let Ok(value) = HeaderValue::from_str(&format!("wait={}", self.patience.0)) {
            response.headers_mut().insert(APPLIED, value);
        }
        response
    }

    /// The run when it has ended, or `None` when it has not in that time, or the server stops. Costs one look at the record
    /// at the beginning and the end, and few in between. A client that goes away ends it.
    pub(super) async fn end_of(&self, api: &Api, tenant: &TenantId, run: RunId) -> Result<Option<RunRecord>, Problem> {
        let give_up = Instant::now() + Duration::from_secs(self.patience.0);
        let mut listener = self.news.of(run);
        loop {
            // No event has that number: only the state is wanted.
            let found = api.fleet.events(tenant, run, u64::MAX, 1).await?;
            if found.is_some_and(|found| found.state.is_final()) {
                return Ok(api.fleet.status(tenant, run).await?);
            }
            if Instant::now() >= give_up || self.stopping.0.is_cancelled() {
                return Ok(None);
            }
            tokio::select! {
                () = listener.ended() => {}
                () = self.stopping.0.cancelled() => {}
                () = tokio::time::sleep_until(give_up) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_among_other_preferences_and_bounded() {
        let of = |value: &'static str| {
            Patience::of(&HeaderMap::from_iter([(PREFER, HeaderValue::from_static(value))])).map(|wait| wait.0)
        };
        assert_eq!(of("wait=10"), Some(10));
        assert_eq!(of("respond-async, WAIT = 7"), Some(7));
        assert_eq!(of("wait=\"5\"; foo"), Some(5));
        assert_eq!(of("wait=100000"), Some(LONGEST));
        for ignored in ["", "wait", "wait=", "wait=-1", "wait=soon", "return=minimal"] {
            assert_eq!(of(ignored), None, "{ignored}");
        }
    }
}
