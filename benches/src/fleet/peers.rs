//! The peers: Celery, Dramatiq and the Rust crate `celery`, each as it comes, but for acknowledging after the task.
//!
//! Their programs are in `benches/fleet/peers/`; `make bench-fleet` installs and builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection, ConnectionProperties};
use specs::Berth;
use sqlx::{AssertSqlSafe, PgPool};

use super::probe;
use super::subject::{Results, Subject};
use super::tasks::Kind;

/// Their keys, for `--subjects`.
pub const KEYS: [&str; 5] = ["celery-postgres", "celery-redis", "celery", "dramatiq", "rusty-celery"];

/// Where their programs are.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The folder with `produce.py`.
    pub sources: PathBuf,
    /// The folder with `bin/python` that has Celery and Dramatiq.
    pub venv: PathBuf,
    /// The program built of `rusty-celery/`.
    pub rusty_celery: PathBuf,
}

/// How a peer is set up.
struct Peer {
    key: &'static str,
    name: &'static str,
    lacks: &'static str,
    share: f64,
    kinds: &'static [Kind],
}

const CELERY_POSTGRES: Peer = Peer {
    key: "celery-postgres",
    name: "Celery, results in Postgres",
    lacks: "publishes without confirms",
    share: 0.03,
    kinds: &[Kind::Task, Kind::Chain, Kind::Chord],
};

const CELERY_REDIS: Peer = Peer {
    key: "celery-redis",
    name: "Celery, results in Redis",
    lacks: "publishes without confirms; results are gone with Redis",
    share: 0.05,
    kinds: &[Kind::Task, Kind::Chain, Kind::Chord],
};

const CELERY: Peer = Peer {
    key: "celery",
    name: "Celery, no results",
    lacks: "publishes without confirms; stores nothing",
    share: 0.1,
    kinds: &[Kind::Task, Kind::Chain],
};

const DRAMATIQ: Peer = Peer {
    key: "dramatiq",
    name: "Dramatiq, no results",
    lacks: "publishes without confirms; stores nothing",
    share: 0.25,
    kinds: &[Kind::Task],
};

const RUSTY_CELERY: Peer = Peer {
    key: "rusty-celery",
    name: "rusty-celery, no results",
    lacks: "publishes without confirms; stores nothing; runs no chains",
    share: 1.0,
    kinds: &[Kind::Task],
};

impl Installed {
    /// The peer of that key, in that berth.
    ///
    /// # Errors
    /// When it is not installed, or its place at the servers cannot be made.
    pub async fn peer(&self, key: &str, berth: &Berth, pool: &PgPool, probe: &Path) -> anyhow::Result<Subject> {
        let servers = berth.servers();
        let place = |name: &str| format!("{}{name}", servers.queue_prefix);
        match key {
            "celery-postgres" => {
                let schema = &berth.database().postgres_schema;
                let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
                sqlx::query(create).execute(pool).await?;
                let url = celery_database(&berth.database().postgres_url, schema).context("not a Postgres URL")?;
                let table = Results::CeleryTable(schema.clone());
                self.python(&CELERY_POSTGRES, berth, &place(key), probe, &url, table)
            }
            "celery-redis" => self.python(&CELERY_REDIS, berth, &place(key), probe, &servers.redis_url, Results::Redis),
            "celery" => self.python(&CELERY, berth, &place(key), probe, "", Results::None),
            "dramatiq" => self.python(&DRAMATIQ, berth, &place(key), probe, "", Results::None),
            "rusty-celery" => self.rust(berth, &place(key), probe),
            other => anyhow::bail!("there is no peer {other:?}; there are {}", KEYS.join(", ")),
        }
    }

    fn python(
        &self,
        peer: &Peer,
        berth: &Berth,
        queue: &str,
        probe: &Path,
        results: &str,
        stored: Results,
    ) -> anyhow::Result<Subject> {
        let program = self.venv.join("bin/python");
        ensure!(program.is_file(), "{} is missing; make bench-fleet installs it", program.display());
        let mut environment = environment(berth, queue, probe);
        environment.push(("BENCH_RESULTS", results.to_owned()));
        environment.push(("BENCH_PREFIX", berth.servers().queue_prefix.clone()));
        environment.push(("PYTHONPATH", self.sources.to_string_lossy().into_owned()));
        environment.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
        let celery = peer.key.starts_with("celery");
        let worker: &[&str] = if celery {
            &["-m", "celery", "-A", "celery_app", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR"]
        } else {
            &["-m", "dramatiq", "dramatiq_app", "-p", "2", "-t", "8"]
        };
        let (name, script) = (if celery { "celery" } else { "dramatiq" }, self.sources.join("produce.py"));
        let run = {
            let folder = berth.folder().to_owned();
            move || {
                let mut command = Command::new(&program);
                command.envs(environment.clone()).current_dir(&folder);
                command
            }
        };
        let produce = run.clone();
        Ok(Subject {
            worker: Box::new(move || {
                let mut command = run();
                command.args(worker);
                command
            }),
            producer: Box::new(move |kind, runs, rate| {
                let mut command = produce();
                command.arg(&script).args([name, kind.as_str(), &runs.to_string(), &rate.to_string()]);
                command
            }),
            ..subject(peer, berth, queue, stored)
        })
    }

    fn rust(&self, berth: &Berth, queue: &str, probe: &Path) -> anyhow::Result<Subject> {
        let program = self.rusty_celery.clone();
        ensure!(program.is_file(), "{} is missing; make bench-fleet builds it", program.display());
        let environment = environment(berth, queue, probe);
        let run = move || {
            let mut command = Command::new(&program);
            command.envs(environment.clone());
            command
        };
        let produce = run.clone();
        Ok(Subject {
            worker: Box::new(move || {
                let mut command = run();
                command.arg("work");
                command
            }),
            producer: Box::new(move |_, runs, rate| {
                let mut command = produce();
                command.args(["produce", &runs.to_string(), &rate.to_string()]);
                command
            }),
            ..subject(&RUSTY_CELERY, berth, queue, Results::None)
        })
    }
}

/// Deletes what peers leave at the broker.
///
/// # Errors
/// When the broker is away.
pub async fn delete_queues(amqp: &str, queues: &[String]) -> anyhow::Result<()> {
    if queues.is_empty() {
        return Ok(());
    }
    let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in queues {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
        // Celery's has the queue's name; deleting what is not there is fine.
        channel.exchange_delete(queue.as_str().into(), ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, "bye".into()).await?;
    Ok(())
}

fn subject(peer: &Peer, berth: &Berth, queue: &str, results: Results) -> Subject {
    Subject {
        key: peer.key.to_owned(),
        name: peer.name.to_owned(),
        results,
        lacks: peer.lacks,
        share: peer.share,
        kinds: peer.kinds.to_vec(),
        standing: Vec::new(),
        at_rest: Vec::new(),
        worker: Box::new(|| Command::new("false")),
        producer: Box::new(|_, _, _| Command::new("false")),
        folder: berth.folder().to_owned(),
        queues: ["", ".warm", ".DQ", ".XQ"].map(|end| format!("{queue}{end}")).to_vec(),
    }
}

fn environment(berth: &Berth, queue: &str, probe: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("BENCH_AMQP", berth.servers().amqp_url.clone()),
        ("BENCH_QUEUE", queue.to_owned()),
        (probe::VARIABLE, probe.to_string_lossy().into_owned()),
    ]
}

/// The URL by which Celery's result backend finds the same database and that schema.
fn celery_database(url: &str, schema: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let mark = if rest.contains('?') { '&' } else { '?' };
    Some(format!("db+postgresql+psycopg2://{rest}{mark}options=-csearch_path%3D{schema}"))
}

#[cfg(test)]
mod tests {
    use super::celery_database;

    #[test]
    fn celery_gets_the_same_database_with_a_schema_of_its_own() {
        let url = celery_database("postgres://me:secret@host:5433/db", "bench");
        let expected = "db+postgresql+psycopg2://me:secret@host:5433/db?options=-csearch_path%3Dbench";
        assert_eq!(url.as_deref(), Some(expected));
    }
}
