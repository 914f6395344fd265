//! What an admission costs while more and more runs wait.
//!
//! A ledger with one connection, so that everything Postgres does for it is done by one backend, whose processor time
//! is read from `/proc`. Before each measurement the tables are vacuumed and analyzed: the rest of filling them is not
//! the price of their size.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use ledger::postgres::PostgresLedger;
use ledger::{Ledger, NewRun, Window};
use protocol::{Payload, RunId, TenantId};
use serde::Serialize;
use specs::Berth;
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::fleet::tasks::{Kind, Parcel, workflow};
use crate::fleet::{median, procfs, statements};

/// Runs of one admission.
const BATCH: usize = 10;

/// Runs of one submission while the queue is filled.
const FILL: u32 = 5_000;

/// Tasks that may be handed out at a time.
const WINDOW: Window = Window::of(1_000);

/// Admissions before the clock starts, at each size.
const WARM_UP: u32 = 20;

/// What admitting ten runs costs at one length of the queue; medians.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Runs that wait.
    pub queued: u32,
    /// From call to return, in milliseconds.
    pub wall_ms: f64,
    /// Processor time of the backend, in microseconds.
    pub postgres_us: f64,
    /// Processor time of this process, in microseconds.
    pub own_us: f64,
    /// Statements of one admission, `BEGIN` and `COMMIT` left out; `None` where Postgres does not count.
    pub statements: Option<i64>,
    /// The statements of an admission with what one execution of each takes, the dearest first.
    pub by_statement: Vec<Statement>,
}

/// One statement at one length of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// Its beginning.
    pub text: String,
    /// How long Postgres executes it, in microseconds.
    pub us: f64,
    /// Pages it looks at.
    pub pages: f64,
}

/// One admission.
struct Sample {
    wall_ms: f64,
    postgres_us: f64,
    own_us: f64,
}

/// Measures queues of these lengths in turns, admission by admission: whatever else the machine does is shared out
/// among them.
///
/// # Errors
/// When Postgres fails.
pub async fn measure(queues: &mut [Growing], admissions: u32) -> anyhow::Result<Vec<Cost>> {
    for queue in queues.iter_mut() {
        queue.settle().await?;
        for _ in 0..WARM_UP {
            queue.sample().await?;
        }
    }
    let mut samples: Vec<Vec<Sample>> = queues.iter().map(|_| Vec::new()).collect();
    for _ in 0..admissions {
        for (queue, samples) in queues.iter_mut().zip(&mut samples) {
            samples.push(queue.sample().await?);
        }
    }
    let mut costs = Vec::new();
    for (queue, samples) in queues.iter_mut().zip(samples) {
        let (statements, by_statement) = queue.statements().await?;
        let middle = |value: fn(&Sample) -> f64| median::of(samples.iter().map(value)).context("no admission");
        costs.push(Cost {
            queued: queue.queued,
            wall_ms: middle(|sample| sample.wall_ms)?,
            postgres_us: middle(|sample| sample.postgres_us)?,
            own_us: middle(|sample| sample.own_us)?,
            statements,
            by_statement,
        });
    }
    Ok(costs)
}

/// A queue that grows, and who pays for taking from it.
pub struct Growing {
    ledger: PostgresLedger,
    pool: PgPool,
    backend: u32,
    schema: String,
    tenants: u32,
    queued: u32,
    submitted: u32,
    _berth: Berth,
}

impl Growing {
    /// An empty queue of runs of that many tenants.
    ///
    /// # Errors
    /// When Postgres refuses, or is not on this machine.
    pub async fn prepare(tenants: u32) -> anyhow::Result<Self> {
        let berth = Berth::take();
        let pool = PgPool::connect(&berth.database().postgres_url).await?;
        ledger::postgres::migrate(&berth.database().config()).await?;
        let mut config = berth.database().config();
        config.max_connections = 1;
        let ledger = PostgresLedger::connect(config).await?;
        ledger.register(&workflow(Kind::Task)).await?;
        let backend = backend(&pool).await?;
        let schema = berth.database().postgres_schema.clone();
        Ok(Self { ledger, pool, backend, schema, tenants, queued: 0, submitted: 0, _berth: berth })
    }

    /// Fills the queue up to that length.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn fill(&mut self, queued: u32) -> anyhow::Result<()> {
        while self.queued < queued {
            self.submit(FILL.min(queued - self.queued)).await?;
        }
        Ok(())
    }

    /// Admits ten and takes the time; then the queue is as long as before.
    async fn sample(&mut self) -> anyhow::Result<Sample> {
        let (own, postgres, started) = (procfs::own_seconds(), self.backend_us()?, Instant::now());
        self.admit().await?;
        let sample = Sample {
            wall_ms: started.elapsed().as_secs_f64() * 1e3,
            postgres_us: self.backend_us()? - postgres,
            own_us: (procfs::own_seconds() - own) * 1e6,
        };
        self.submit(u32::try_from(BATCH)?).await?;
        Ok(sample)
    }

    /// As a dispatcher does it: is there somebody in line and room, then who is next.
    async fn admit(&mut self) -> anyhow::Result<()> {
        ensure!(self.ledger.line(&WINDOW).await?.waiting, "nobody waits");
        let jobs = self.ledger.admit(BATCH, Timestamp::now()).await?;
        ensure!(jobs.len() == BATCH, "{} runs were admitted instead of {BATCH}", jobs.len());
        self.queued -= u32::try_from(jobs.len())?;
        Ok(())
    }

    async fn submit(&mut self, count: u32) -> anyhow::Result<()> {
        let runs = (self.submitted..self.submitted + count).map(|number| {
            Ok(NewRun {
                id: RunId::new(),
                tenant: TenantId::try_from(format!("tenant-{}", number % self.tenants))?,
                workflow: Kind::Task.as_str().to_owned(),
                input: Payload::Inline(serde_json::json!(Parcel::now())),
                idempotency_key: None,
                priority: 0,
                notify: false,
                backend: None,
                shadow_of: None,
            })
        });
        self.ledger.submit(runs.collect::<anyhow::Result<_>>()?, Timestamp::now()).await?;
        self.queued += count;
        self.submitted += count;
        Ok(())
    }

    /// Leaves nothing to do that filling the tables left behind.
    async fn settle(&self) -> anyhow::Result<()> {
        for table in ["runs", "task_runs", "tenants", "admission_clocks", "workflows"] {
            let vacuum = AssertSqlSafe(format!("VACUUM (ANALYZE) {}.{table}", self.schema));
            sqlx::query(vacuum).execute(&self.pool).await?;
        }
        // Only some may order one. Without it a measurement may fall into one, and the median passes over it.
        let _ = sqlx::query("CHECKPOINT").execute(&self.pool).await;
        Ok(())
    }

    /// Counts, over ten admissions by themselves.
    async fn statements(&mut self) -> anyhow::Result<(Option<i64>, Vec<Statement>)> {
        const COUNTED: u32 = 10;
        if !statements::reset(&self.pool).await? {
            return Ok((None, Vec::new()));
        }
        for _ in 0..COUNTED {
            self.admit().await?;
        }
        let count = statements::count(&self.pool).await? / i64::from(COUNTED);
        let rows = sqlx::query(
            "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 60) AS text, total_exec_time * 1000 / calls AS us, \
             (shared_blks_hit + shared_blks_read)::float8 / calls AS pages FROM pg_stat_statements \
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND query NOT LIKE '%pg_stat_statements%' ORDER BY us DESC",
        )
        .fetch_all(&self.pool)
        .await?;
        let by_statement = rows.iter().map(|row| {
            Ok(Statement { text: row.try_get("text")?, us: row.try_get("us")?, pages: row.try_get("pages")? })
        });
        let by_statement = by_statement.collect::<sqlx::Result<_>>()?;
        for _ in 0..COUNTED {
            self.submit(u32::try_from(BATCH)?).await?;
        }
        Ok((Some(count), by_statement))
    }

    /// Processor time of the backend so far: it is one thread, so its scheduler statistics say it to the nanosecond.
    fn backend_us(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.backend))?;
        let nanos: f64 = text.split_whitespace().next().context("no number")?.parse()?;
        Ok(nanos / 1e3)
    }
}

/// The backend of the ledger that this process has connected last: its client's port is ours, and it goes by the
/// ledger's name.
async fn backend(pool: &PgPool) -> anyhow::Result<u32> {
    let ports: Vec<i32> = procfs::local_ports().into_iter().map(i32::from).collect();
    let backend: Option<i32> = sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'flotilla' AND client_port = ANY($1) \
         ORDER BY backend_start DESC LIMIT 1",
    )
    .bind(ports)
    .fetch_optional(pool)
    .await?;
    Ok(u32::try_from(backend.context("the ledger's backend is not to be found")?)?)
}
