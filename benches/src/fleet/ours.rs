//! Our own fleet as a subject: the real programs, with a worker whose tasks do nothing in the place of one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use backends::stack::QueueKind;
use clap::ValueEnum;
use specs::Berth;

use super::probe;
use super::process::free_address;
use super::subject::{Results, Subject};
use super::tasks::Kind;

/// How the worker of the benchmark works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Kind of queues.
    pub queue_type: QueueKind,
    /// How many jobs run at once.
    pub concurrency: u16,
    /// How many jobs may be in hand.
    pub prefetch: u16,
}

/// A fleet in that berth, its schema up to date, no program started yet.
///
/// # Errors
/// When a program is missing or the schema cannot be made.
pub fn fleet(berth: &Berth, settings: Settings, probe: &Path) -> anyhow::Result<Subject> {
    let environment = environment(berth, settings.queue_type, probe);
    let migrated = command("dispatcher", &environment)?.arg("migrate").output()?;
    ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let program = |name: &'static str, flag: &str| -> anyhow::Result<(&'static str, Command, SocketAddr)> {
        let (mut command, address) = (command(name, &environment)?, free_address()?);
        command.args([flag, &address.to_string()]);
        Ok((name, command, address))
    };
    let standing = vec![
        program("dispatcher", "--listen")?,
        program("worker-file-processing", "--metrics-addr")?,
        program("worker-api-processing", "--metrics-addr")?,
        program("worker-callbacks", "--metrics-addr")?,
        program("worker-logging", "--metrics-addr")?,
    ];
    let at_rest = vec![program("worker-default", "--metrics-addr")?];
    let (worker, producer) = (executable("bench-worker")?, executable("bench-client")?);
    let variables = environment.clone();
    let worker = Box::new(move || {
        let mut command = bare(&worker, &variables);
        command.args(["--concurrency", &settings.concurrency.to_string()]);
        command.args(["--prefetch", &settings.prefetch.to_string()]);
        command
    });
    let producer = Box::new(move |kind: Kind, runs: u32, rate: f64| {
        let mut command = bare(&producer, &environment);
        command.args(["--kind", kind.as_str(), "--runs", &runs.to_string(), "--rate", &rate.to_string()]);
        command.args(["--per-call", if rate > 0.0 { "1" } else { "1000" }]);
        command
    });
    Ok(Subject {
        key: format!("flotilla-{}", word(settings.queue_type)),
        name: format!("Flotilla, {} queues", word(settings.queue_type)),
        results: Results::Ledger(berth.database().postgres_schema.clone()),
        lacks: "",
        share: 1.0,
        kinds: vec![Kind::Task, Kind::Chain, Kind::Chord],
        standing,
        at_rest,
        worker,
        producer,
        folder: berth.folder().to_owned(),
        // The berth deletes its own.
        queues: Vec::new(),
    })
}

/// A kind of queues as flags name it.
#[must_use]
pub fn word(queue_type: QueueKind) -> String {
    queue_type.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn environment(berth: &Berth, queue_type: QueueKind, probe: &Path) -> Vec<(String, String)> {
    let own = [
        ("FLOTILLA_QUEUE_TYPE", word(queue_type)),
        // As many as a process has by default; specs make do with fewer.
        ("FLOTILLA_POSTGRES_CONNECTIONS", "5".to_owned()),
        (probe::VARIABLE, probe.to_string_lossy().into_owned()),
    ];
    berth.environment().into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One of the programs beside this one, which knows these variables and none of the environment's own `FLOTILLA_…`.
///
/// # Errors
/// When it is not built.
pub fn command(name: &str, environment: &[(String, String)]) -> anyhow::Result<Command> {
    Ok(bare(&executable(name)?, environment))
}

/// A program that knows these variables and none of the environment's own `FLOTILLA_…`.
fn bare(program: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for variable in ours.filter(|name| name.starts_with("FLOTILLA_") && name != "FLOTILLA_PDFIUM") {
        command.env_remove(variable);
    }
    // They listen on this machine alone.
    command.env("FLOTILLA_AUTH", "off");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Beside this program.
fn executable(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().context("a program has a folder")?.join(name);
    let advice = "build it with `cargo build --release -p dispatcher -p worker -p benches`";
    ensure!(path.is_file(), "{} is missing; {advice}", path.display());
    Ok(path)
}
