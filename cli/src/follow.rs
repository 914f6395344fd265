//! A run, followed through what is told about it.

use std::time::{Duration, Instant};

use protocol::{RunEvent, RunId};

use crate::answers::Events;
use crate::client::{Client, Error};
use crate::run::say;

/// How long one call waits for news, in seconds.
const WAIT: u64 = 30;

/// How long a fleet may be away before nobody follows any longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before an attempt to reach it again.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads what is told about one run, each event once.
pub(crate) struct Follower<'a> {
    client: &'a Client,
    run: RunId,
    after: u64,
    ended: bool,
}

impl<'a> Follower<'a> {
    /// From the beginning of the run.
    pub(crate) fn new(client: &'a Client, run: RunId) -> Self {
        Self { client, run, after: 0, ended: false }
    }

    /// The next events; `None` when the run has ended and nothing follows. Waits for them, also while the fleet is away
    /// for a moment.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RunEvent>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let mut away: Option<Instant> = None;
        loop {
            match self.page(WAIT).await {
                Ok(events) => return Ok(Some(events)),
                Err(error) if is_passing(&error) => {
                    let since = *away.get_or_insert_with(|| {
                        say("the fleet does not answer; trying again …");
                        Instant::now()
                    });
                    if since.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What was told since the last time, without waiting; empty when that is nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn what_is_there(&mut self) -> Result<Vec<RunEvent>, Error> {
        self.page(0).await
    }

    async fn page(&mut self, wait: u64) -> Result<Vec<RunEvent>, Error> {
        let path = format!("/api/v1/runs/{}/events?after={}&wait={wait}", self.run, self.after);
        let page: Events = self.client.get(&path).await?;
        (self.after, self.ended) = (page.next, page.ended);
        Ok(page.events)
    }
}

/// Whether the fleet may answer in a moment: it restarts, or a server that it needs does.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::BrokenOff { .. } => true,
        Error::Refused(problem) => problem.status >= 500,
        Error::BadUrl { .. } | Error::Strange { .. } | Error::Unwritable(_) => false,
    }
}
