//! One run of the benchmark: everybody in turn, and what came out.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use ledger::{Ledger, NewRun};
use protocol::{Payload, RunId, TenantId};
use serde::Serialize;
use specs::Berth;
use sqlx::PgPool;

use super::goals::{self, Judged};
use super::ours::{self, Settings, word};
use super::peers::{Installed, delete_queues};
use super::phases::{Measured, Plan, measure};
use super::probe::Readings;
use super::raw::{self, Ceiling};
use super::servers::ServerProcesses;
use super::subject::Subject;
use super::tasks::{Kind, Parcel, workflow};
use super::{median, plot, report, statements};

/// Who and what is measured.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How much.
    pub plan: Plan,
    /// Our own fleet, once with each of these.
    pub ours: Vec<Settings>,
    /// Keys of peers.
    pub peers: Vec<String>,
    /// Where the peers are.
    pub installed: Installed,
    /// How often everybody is measured.
    pub rounds: u32,
}

/// What came out; of several rounds, the medians.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    /// When it began.
    pub began: String,
    /// The machine, in a few words.
    pub machine: String,
    /// Tasks of the fastest in each phase.
    pub tasks: u32,
    /// How often everybody was measured.
    pub rounds: u32,
    /// How busy the machine was when it began: processes that wanted a processor, on average over a minute.
    pub load: f64,
    /// Everybody, ours first.
    pub measured: Vec<Measured>,
    /// The servers alone.
    pub ceilings: Vec<Ceiling>,
    /// Statements of a submission of a thousand, where Postgres counts.
    pub statements: Option<i64>,
}

impl Session {
    /// Measures everybody in turn, round by round.
    ///
    /// # Errors
    /// When a program fails, a task is lost or a server is away.
    pub async fn run(wanted: &Wanted) -> anyhow::Result<Self> {
        let (mut measured, mut ceilings) = (Vec::new(), Vec::new());
        let (began, load) = (Timestamp::now(), load());
        // At rest they are before anything was asked of them, and not between two subjects.
        let servers = ServerProcesses::find(&Berth::take()).await?;
        let mut counted = None;
        if wanted.plan.wants(&["p5"]) && !wanted.ours.is_empty() {
            counted = statements_of_a_thousand().await?;
        }
        for round in 1..=wanted.rounds {
            for settings in &wanted.ours {
                let place = Place::take(servers.clone()).await?;
                if wanted.plan.wants(&["p3", "p8"]) {
                    say(&format!("round {round}: the servers alone, {} queue", word(settings.queue_type)));
                    let amqp = &place.berth.servers().amqp_url;
                    let queue_type = settings.queue_type;
                    let ceiling = raw::ceiling(amqp, &place.pool, &place.servers, queue_type, wanted.plan.tasks);
                    ceilings.push(ceiling.await?);
                }
                let subject = ours::fleet(&place.berth, *settings, place.readings.path())?;
                measured.push(place.measure(subject, &wanted.plan, round).await?);
            }
            for key in &wanted.peers {
                let place = Place::take(servers.clone()).await?;
                let (berth, pool) = (&place.berth, &place.pool);
                let subject = wanted.installed.peer(key, berth, pool, place.readings.path()).await?;
                measured.push(place.measure(subject, &wanted.plan, round).await?);
            }
        }
        Ok(Self {
            began: began.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine(),
            tasks: wanted.plan.tasks,
            rounds: wanted.rounds,
            load,
            measured: median::measured(measured),
            ceilings: median::ceilings(ceilings),
            statements: counted,
        })
    }

    /// The goals and every number, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for ours in self.measured.iter().filter(|one| one.key.starts_with("flotilla")) {
            let queue_type = ours.key.trim_start_matches("flotilla-");
            let ceiling = self.ceilings.iter().find(|ceiling| ceiling.queue_type == queue_type);
            let judged = Judged { ours, all: &self.measured, ceiling, statements: self.statements };
            text.push_str(&format!("### {}\n\n{}\n", ours.name, goals::table(&goals::rows(judged))));
        }
        text.push_str("### Every number\n\n");
        text.push_str(&report::everything(&self.measured, &self.ceilings));
        text
    }

    /// A page of its own, with the picture beside it.
    #[must_use]
    pub fn page(&self, out: &Path) -> String {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let rounds =
            if self.rounds == 1 { "one round".to_owned() } else { format!("medians of {} rounds", self.rounds) };
        format!(
            "# Fleet overhead\n\n{} · {} · load {:.1} at the start · {} tasks a phase for the fastest, fewer for \
             slower ones · {rounds}. Made by `make bench-fleet`; docs/benchmarks.md says how to read it.\n\n\
             ![{name}]({name}.svg)\n\n{}",
            self.began,
            self.machine,
            self.load,
            self.tasks,
            self.markdown()
        )
    }

    /// The picture.
    #[must_use]
    pub fn picture(&self) -> String {
        plot::svg(&self.measured, &format!("Tasks that do nothing · {} · {}", self.began, self.machine))
    }
}

/// Where one subject is measured.
struct Place {
    pool: PgPool,
    readings: Readings,
    servers: ServerProcesses,
    /// The last to go.
    berth: Berth,
}

impl Place {
    async fn take(servers: ServerProcesses) -> anyhow::Result<Self> {
        let berth = Berth::take();
        let pool = PgPool::connect(&berth.database().postgres_url).await?;
        let readings = Readings::create(berth.folder())?;
        Ok(Self { pool, readings, servers, berth })
    }

    async fn measure(&self, subject: Subject, plan: &Plan, round: u32) -> anyhow::Result<Measured> {
        say(&format!("round {round}: {}", subject.name));
        let (name, queues) = (subject.name.clone(), subject.queues.clone());
        let measured = measure(subject, plan, &self.servers, &self.readings, &self.pool).await;
        delete_queues(&self.berth.servers().amqp_url, &queues).await?;
        measured.with_context(|| format!("{name} could not be measured"))
    }
}

/// How many statements the ledger needs to record and release a thousand runs, if Postgres counts.
async fn statements_of_a_thousand() -> anyhow::Result<Option<i64>> {
    let berth = Berth::take();
    let pool = PgPool::connect(&berth.database().postgres_url).await?;
    ledger::postgres::migrate(&berth.database().config()).await?;
    let ledger = berth.database().connect().await?;
    ledger.register(&workflow(Kind::Task)).await?;
    let thousand = || {
        let run = |_| NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: Kind::Task.as_str().to_owned(),
            input: Payload::Inline(serde_json::json!(Parcel::now())),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        (0..1000).map(run).collect()
    };
    // The first time it also reads the workflow.
    ledger.start(thousand(), &ledger::Window::of(usize::MAX), Timestamp::now()).await?;
    if !statements::reset(&pool).await? {
        return Ok(None);
    }
    ledger.start(thousand(), &ledger::Window::of(usize::MAX), Timestamp::now()).await?;
    Ok(Some(statements::count(&pool).await?))
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let memory = memory.map_or_else(String::new, |kib: f64| format!(", {:.0} GiB", kib / 1024.0 / 1024.0));
    format!("{processors} × {}{memory}", model.map_or("unknown processor", |(_, model)| model.trim()))
}

#[expect(clippy::print_stderr, reason = "says where a long run is")]
fn say(text: &str) {
    eprintln!("{text}");
}
