//! Who leads: one process at a time holds an advisory lock, on a connection that does nothing else.
//!
//! When a leader dies, Postgres sees its connection close and frees the lock at once; when its machine or the network
//! does, keepalives tell Postgres within four seconds. The leader itself asks every second and gives up when no answer
//! came within two: before the lock can be anybody else's.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a leader asks whether its connection is alive.
const ASK: Duration = Duration::from_secs(1);

/// How long it waits for the answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The lead under some name, until it is dropped or lost.
#[derive(Debug)]
pub struct Leadership {
    held: watch::Receiver<bool>,
    /// Owns the connection: aborting it closes the connection and gives the lock back.
    keeper: JoinHandle<()>,
}

impl Leadership {
    /// Whether the lead is still ours, as of about a second ago.
    #[must_use]
    pub fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    /// Returns when the lead is lost: the connection died, so somebody else may lead in a moment.
    pub async fn lost(&self) {
        let mut held = self.held.clone();
        // The keeper is gone too when its end of the channel is.
        let _gone = held.wait_for(|held| !held).await;
    }

    /// Watches over a connection that holds the lock.
    fn over(mut connection: PgConnection) -> Self {
        let (still_held, held) = watch::channel(true);
        let keeper = tokio::spawn(async move {
            let mut ticks = interval(ASK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if !matches!(timeout(ANSWER, connection.ping()).await, Ok(Ok(()))) {
                    still_held.send_replace(false);
                    return;
                }
            }
        });
        Self { held, keeper }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Takes the lead if nobody has it. The name is told apart from the same name in other schemas.
pub(super) async fn try_lead(mut connection: PgConnection, name: &str) -> Result<Option<Leadership>, sqlx::Error> {
    let locked: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/' || $1, 0))")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
    if locked {
        return Ok(Some(Leadership::over(connection)));
    }
    connection.close().await?;
    Ok(None)
}
