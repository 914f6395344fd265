//! Something that is measured: programs, and how they are spoken to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::{AssertSqlSafe, PgPool};

use super::tasks::Kind;

/// How often results are counted. Only after every task has started, so counting costs next to nothing.
const LOOK: Duration = Duration::from_millis(5);

/// How long no job is released before the dispatcher counts as done with it: several of its turns.
const QUIET: Duration = Duration::from_secs(1);

/// A fleet, ours or a peer.
pub struct Subject {
    /// Its name on the command line.
    pub key: String,
    /// Its name in tables.
    pub name: String,
    /// What it keeps of a task's result.
    pub results: Results,
    /// What it does not guarantee, in a few words; empty: nothing is missing.
    pub lacks: &'static str,
    /// Its share of the tasks that the fastest gets: slow peers get fewer, so that a run ends in time.
    pub share: f64,
    /// What is submitted to it.
    pub kinds: Vec<Kind>,
    /// Programs that run all the time, with the address where they say that they are ready.
    pub standing: Vec<(&'static str, Command, SocketAddr)>,
    /// Programs that are started to see how much memory they take at rest, and ended again.
    pub at_rest: Vec<(&'static str, Command, SocketAddr)>,
    /// The worker.
    pub worker: Box<dyn Fn() -> Command>,
    /// What hands tasks in: a kind, how many, and how many a second, 0 for as fast as it goes.
    pub producer: Box<dyn Fn(Kind, u32, f64) -> Command>,
    /// Where logs go.
    pub folder: PathBuf,
    /// The broker's queues, to be deleted afterwards.
    pub queues: Vec<String>,
}

/// Where results are found, and with them the end of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Results {
    /// Nowhere: a task is over when it has started.
    None,
    /// In Redis; a task is over when it has started, and its result is stored a moment later.
    Redis,
    /// In our ledger, in that schema.
    Ledger(String),
    /// In Celery's table, in that schema.
    CeleryTable(String),
}

impl Results {
    /// For tables.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Redis => "Redis",
            Self::Ledger(_) | Self::CeleryTable(_) => "Postgres",
        }
    }

    /// Waits until as much of what was handed in is with the broker as will be while no worker runs: until the number of
    /// jobs that were released does not grow any more.
    ///
    /// # Errors
    /// When that takes longer than the limit.
    pub async fn published(&self, pool: &PgPool, limit: Duration) -> anyhow::Result<()> {
        let Self::Ledger(schema) = self else { return Ok(()) };
        let released = format!("SELECT count(*) FROM {schema}.task_runs WHERE state = 'queued'");
        let started = Instant::now();
        let (mut known, mut since) = (0, Instant::now());
        while known == 0 || since.elapsed() < QUIET {
            ensure!(started.elapsed() < limit, "jobs are still being released after {limit:?}");
            let now: i64 = sqlx::query_scalar(AssertSqlSafe(released.clone())).fetch_one(pool).await?;
            if now != known {
                (known, since) = (now, Instant::now());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until the results of that many tasks are stored, all there ever were, and says when it saw that.
    ///
    /// # Errors
    /// When that takes longer than the limit.
    pub async fn complete(&self, pool: &PgPool, tasks: u64, limit: Duration) -> anyhow::Result<Instant> {
        match self {
            Self::None | Self::Redis => Ok(Instant::now()),
            // One row says how many runs have not ended, however many there were.
            Self::Ledger(schema) => {
                let open = format!("SELECT coalesce(sum(taken + held), 0)::bigint FROM {schema}.tenants");
                until(pool, &open, "runs have not ended", limit, |left| left == 0).await
            }
            Self::CeleryTable(schema) => {
                let rows = format!("SELECT count(*) FROM {schema}.celery_taskmeta WHERE status = 'SUCCESS'");
                until(pool, &rows, "results are stored", limit, |stored| stored.unsigned_abs() >= tasks).await
            }
        }
    }

    /// Checks that every run on record succeeded.
    ///
    /// # Errors
    /// When one did not.
    pub async fn check(&self, pool: &PgPool) -> anyhow::Result<()> {
        let Self::Ledger(schema) = self else { return Ok(()) };
        let failed = format!("SELECT count(*) FROM {schema}.runs WHERE state <> 'succeeded'");
        let failed: i64 = sqlx::query_scalar(AssertSqlSafe(failed)).fetch_one(pool).await?;
        ensure!(failed == 0, "{failed} runs did not succeed");
        Ok(())
    }
}

async fn until(
    pool: &PgPool,
    number: &str,
    what: &str,
    limit: Duration,
    enough: impl Fn(i64) -> bool,
) -> anyhow::Result<Instant> {
    let started = Instant::now();
    loop {
        let there: i64 = sqlx::query_scalar(AssertSqlSafe(number.to_owned())).fetch_one(pool).await?;
        if enough(there) {
            return Ok(Instant::now());
        }
        ensure!(started.elapsed() < limit, "{there} {what} after {limit:?}");
        tokio::time::sleep(LOOK).await;
    }
}
