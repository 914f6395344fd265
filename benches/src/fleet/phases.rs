//! What a subject is taken through: backlog, low rate, flood, chains and chords.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use sqlx::PgPool;

use super::probe::Readings;
use super::process::{Running, produce};
use super::procfs::{self, Seconds};
use super::produced::Produced;
use super::servers::ServerProcesses;
use super::subject::Subject;
use super::tasks::Kind;

/// How long one phase may take before the run gives up.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a fleet is left alone before its memory is taken.
const REST: Duration = Duration::from_secs(2);

/// How often memory is taken under load.
const SAMPLE: Duration = Duration::from_millis(500);

/// How many tasks a second count as a low rate.
const LOW_RATE: f64 = 50.0;

/// The same for chains and chords.
const LOW_CANVAS_RATE: f64 = 4.0;

/// How long the low rates are kept up.
const LOW_SECONDS: f64 = 8.0;

/// How much, and what, is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tasks of the fastest subject in backlog and flood.
    pub tasks: u32,
    /// Goals whose rows are wanted, `p1` and so on; empty: all.
    pub only: Vec<String>,
}

/// What came out; in microseconds, milliseconds, MiB and per second, as the names say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// The subject's key.
    pub key: String,
    /// The subject's name.
    pub name: String,
    /// Where it stores results.
    pub results: String,
    /// What it does not guarantee.
    pub lacks: String,
    /// Handing in while no worker runs.
    pub submit_per_s: Option<f64>,
    /// Median time to hand a thousand tasks in.
    pub thousand_ms: Option<f64>,
    /// From starting the worker's program to the start of the first task.
    pub exec_to_first_ms: Option<f64>,
    /// Tasks of a backlog a second, results stored where there are any.
    pub drained_per_s: Option<f64>,
    /// From handing in to start at a low rate.
    pub start_ms: Option<Spread>,
    /// Tasks a second, handed in and worked off at the same time.
    pub flood_per_s: Option<f64>,
    /// Processor time per task in the flood, by process.
    pub cpu_us: BTreeMap<&'static str, f64>,
    /// Memory at rest, by process.
    pub idle_mib: BTreeMap<&'static str, f64>,
    /// Highest memory in the flood, all of its processes together.
    pub peak_mib: Option<f64>,
    /// Chains of six.
    pub chain: Option<Canvas>,
    /// Chords of ten and one.
    pub chord: Option<Canvas>,
}

/// Chains or chords.
#[derive(Clone, Debug, Serialize)]
pub struct Canvas {
    /// Runs a second.
    pub per_s: f64,
    /// From handing one in to the start of its last task, at a low rate.
    pub last_start_ms: Spread,
    /// Processor time of one, everything included.
    pub cpu_us: f64,
}

/// The middle and the end of many times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Half took at most that long.
    pub p50: f64,
    /// 99 of 100 took at most that long.
    pub p99: f64,
    /// How many were measured.
    pub count: usize,
}

impl Spread {
    /// Of times in seconds; `None` of none.
    #[must_use]
    pub fn of(mut seconds: Vec<f64>) -> Option<Self> {
        seconds.sort_by(f64::total_cmp);
        let count = seconds.len();
        // The smallest that so many of a hundred do not exceed.
        let at = |share: usize| seconds.get((count * share).div_ceil(100).saturating_sub(1));
        Some(Self { p50: 1000.0 * at(50)?, p99: 1000.0 * at(99)?, count })
    }
}

impl Plan {
    /// Whether a row is wanted.
    #[must_use]
    pub fn wants(&self, rows: &[&str]) -> bool {
        self.only.is_empty() || rows.iter().any(|row| self.only.iter().any(|only| only == row))
    }
}

/// A subject under measurement.
struct Bench<'a> {
    subject: Subject,
    servers: &'a ServerProcesses,
    readings: &'a Readings,
    pool: &'a PgPool,
    standing: Vec<Running>,
    /// How many hits of the probe there are when all that was handed in has started.
    handed_in: u64,
    /// How many tasks were handed in so far.
    tasks: u64,
}

/// Takes a subject through everything that the plan wants of it.
///
/// # Errors
/// When it loses a task, does not end in time, or a program fails.
pub async fn measure(
    subject: Subject,
    plan: &Plan,
    servers: &ServerProcesses,
    readings: &Readings,
    pool: &PgPool,
) -> anyhow::Result<Measured> {
    let mut measured = Measured {
        key: subject.key.clone(),
        name: subject.name.clone(),
        results: subject.results.as_str().to_owned(),
        lacks: subject.lacks.to_owned(),
        ..Measured::default()
    };
    let handed_in = readings.count()?;
    let mut bench = Bench { subject, servers, readings, pool, standing: Vec::new(), handed_in, tasks: 0 };
    bench.stand_up(&mut measured).await?;
    let worker = bench.backlog(plan, &mut measured).await?;
    bench.standing.push(worker);
    if plan.wants(&["p8"]) {
        let (_, waited) = bench.low(Kind::Task, LOW_RATE).await?;
        measured.start_ms = Spread::of(waited);
    }
    if measured.idle_mib.is_empty() && plan.wants(&["p6"]) {
        tokio::time::sleep(REST).await;
        measured.idle_mib = bench.memory();
    }
    if plan.wants(&["p1", "p2", "p6"]) {
        let flood = bench.flood(Kind::Task, bench.share(plan.tasks)).await?;
        measured.flood_per_s = Some(flood.per_s);
        measured.peak_mib = Some(flood.peak_mib);
        measured.cpu_us = flood.cpu_us;
    }
    if plan.wants(&["p4"]) {
        measured.chain = bench.canvas(Kind::Chain, plan.tasks / 10).await?;
        measured.chord = bench.canvas(Kind::Chord, plan.tasks / 20).await?;
    }
    bench.subject.results.check(pool).await?;
    for running in bench.standing.drain(..).rev() {
        running.stop().await?;
    }
    Ok(measured)
}

/// What a flood cost.
struct Flood {
    per_s: f64,
    cpu_us: BTreeMap<&'static str, f64>,
    peak_mib: f64,
}

impl Bench<'_> {
    fn share(&self, tasks: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a small number")]
        let share = (f64::from(tasks) * self.subject.share) as u32;
        share.max(20)
    }

    /// Starts what runs all the time, and takes its memory at rest.
    async fn stand_up(&mut self, measured: &mut Measured) -> anyhow::Result<()> {
        let folder = self.subject.folder.clone();
        let at_rest = std::mem::take(&mut self.subject.at_rest);
        let resting = at_rest.len();
        for (role, command, address) in std::mem::take(&mut self.subject.standing).into_iter().chain(at_rest) {
            let mut running = Running::start(role, command, &folder)?;
            running.ready(address).await?;
            self.standing.push(running);
        }
        if resting > 0 {
            tokio::time::sleep(REST).await;
            measured.idle_mib = self.memory();
            for _ in 0..resting {
                self.standing.pop().context("it was started")?.stop().await?;
            }
        }
        Ok(())
    }

    /// Hands everything in while no worker runs, then starts the worker and lets it work it off.
    async fn backlog(&mut self, plan: &Plan, measured: &mut Measured) -> anyhow::Result<Running> {
        let whole = plan.wants(&["p2", "p5"]);
        let tasks = if whole { self.share(plan.tasks) } else { 1 };
        let known = self.readings.count()?;
        let produced = self.hand_in(Kind::Task, tasks, 0.0).await?;
        self.subject.results.published(self.pool, LIMIT).await?;
        let started = Instant::now();
        let worker = Running::start("worker", (self.subject.worker)(), &self.subject.folder)?;
        let first = self.readings.wait(known + 1, LIMIT).await?;
        let there = self.readings.count()? - known;
        self.readings.wait(self.handed_in, LIMIT).await?;
        let ended = self.recorded().await?;
        measured.exec_to_first_ms = Some((first - started).as_secs_f64() * 1000.0);
        if whole {
            measured.submit_per_s = Some(produced.rate());
            measured.thousand_ms = Some(thousand(&produced));
            #[expect(clippy::cast_precision_loss, reason = "thousands of tasks")]
            let rest = (u64::from(tasks) - there) as f64;
            measured.drained_per_s = Some(rest / (ended - first).as_secs_f64());
        }
        Ok(worker)
    }

    /// Hands in at a low rate; returns how long each run's last task waited for its start, in seconds.
    async fn low(&mut self, kind: Kind, rate: f64) -> anyhow::Result<(Produced, Vec<f64>)> {
        let known = self.readings.count()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
        let produced = self.hand_in(kind, (rate * LOW_SECONDS) as u32, rate).await?;
        self.readings.wait(self.handed_in, LIMIT).await?;
        self.recorded().await?;
        Ok((produced, self.readings.since(known)?))
    }

    /// Hands in as fast as it goes while the worker works, and counts what everybody uses.
    async fn flood(&mut self, kind: Kind, runs: u32) -> anyhow::Result<Flood> {
        let before = self.seconds();
        let started = Instant::now();
        let mut peak_mib: f64 = 0.0;
        let producer = (self.subject.producer)(kind, runs, 0.0);
        self.count_in(kind, runs);
        let work = async {
            let produced = produce(producer).await?;
            self.readings.wait(self.handed_in, LIMIT).await?;
            anyhow::Ok((produced, self.recorded().await?))
        };
        tokio::pin!(work);
        let mut samples = tokio::time::interval(SAMPLE);
        let (produced, ended) = loop {
            tokio::select! {
                done = &mut work => break done?,
                _ = samples.tick() => peak_mib = peak_mib.max(self.memory().values().sum()),
            }
        };
        let time = ended - started;
        let mut used = self.seconds();
        for (role, used) in &mut used {
            *used -= before.get(role).copied().unwrap_or(0.0);
        }
        self.servers.without_rest(&mut used, time);
        used.insert("client", produced.processor_seconds);
        let cpu_us = used.into_iter().map(|(role, used)| (role, used * 1e6 / f64::from(runs))).collect();
        let seconds = super::probe::now() - ended.elapsed().as_secs_f64() - produced.first;
        Ok(Flood { per_s: f64::from(runs) / seconds, cpu_us, peak_mib })
    }

    async fn canvas(&mut self, kind: Kind, runs: u32) -> anyhow::Result<Option<Canvas>> {
        if !self.subject.kinds.contains(&kind) {
            return Ok(None);
        }
        let flood = self.flood(kind, self.share(runs)).await?;
        let (_, waited) = self.low(kind, LOW_CANVAS_RATE).await?;
        let last_start_ms = Spread::of(waited).context("nothing was measured")?;
        Ok(Some(Canvas { per_s: flood.per_s, last_start_ms, cpu_us: flood.cpu_us.values().sum() }))
    }

    async fn hand_in(&mut self, kind: Kind, runs: u32, rate: f64) -> anyhow::Result<Produced> {
        self.count_in(kind, runs);
        produce((self.subject.producer)(kind, runs, rate)).await
    }

    fn count_in(&mut self, kind: Kind, runs: u32) {
        self.handed_in += u64::from(runs);
        self.tasks += u64::from(runs) * u64::from(kind.tasks());
    }

    /// Waits until the record holds what was handed in, and says when it saw that.
    async fn recorded(&self) -> anyhow::Result<Instant> {
        self.subject.results.complete(self.pool, self.tasks, LIMIT).await
    }

    fn seconds(&self) -> Seconds {
        let mut all = self.servers.seconds();
        for running in &self.standing {
            *all.entry(running.role).or_insert(0.0) += procfs::seconds(running.id());
        }
        all
    }

    fn memory(&self) -> BTreeMap<&'static str, f64> {
        self.standing.iter().map(|running| (running.role, procfs::memory(running.id()))).collect()
    }
}

fn thousand(produced: &Produced) -> f64 {
    let mut calls = produced.calls.clone();
    calls.sort_by(f64::total_cmp);
    match calls.get(calls.len() / 2) {
        Some(median) if f64::from(produced.count) >= 1000.0 => median * 1000.0,
        _ => 1e6 / produced.rate(),
    }
}
