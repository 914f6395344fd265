//! What the HTTP API takes: submissions, status, readers of events.
//!
//! A dispatcher that asks for keys, on servers of its own; `wrk` calls it. Every figure stands beside a ceiling taken in
//! the same run: the same HTTP server with nothing behind it, and a row committed to the same Postgres.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use specs::Berth;

use crate::fleet::ours;
use crate::fleet::process::{Running, free_address};
use crate::fleet::procfs;

pub mod commits;
pub mod http;
pub mod readers;
pub mod wrk;

use http::Connection;
use wrk::{Load, Taken};

/// The administrator's key.
const KEY: &str = "a-key-of-the-benchmark-that-is-long-enough";

/// Runs of one call.
const MANY: usize = 1_000;

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long each load lasts.
    pub time: Duration,
    /// Connections that call at once.
    pub connections: u16,
    /// Readers of events at once.
    pub readers: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The HTTP server alone: `/livez`.
    pub nothing: Taken,
    /// One row committed to Postgres, by as many connections.
    pub commit: Taken,
    /// One run submitted.
    pub submit: Taken,
    /// The same by one caller, one after another.
    pub submit_alone: Taken,
    /// A thousand runs in one call.
    pub submit_many: Taken,
    /// Where a run stands.
    pub status: Taken,
    /// Readers that listened.
    pub readers: usize,
    /// Memory that one reader costs the dispatcher, in KiB.
    pub reader_kib: f64,
    /// Until the last of them had heard of the end of a run, in ms.
    pub told_ms: f64,
}

/// Measures a dispatcher of its own.
///
/// # Errors
/// When a program is missing, or anything does not answer as it should.
pub async fn measure(settings: Settings) -> anyhow::Result<Measured> {
    let berth = Berth::take();
    let environment = environment(&berth);
    let migrated = ours::command("dispatcher", &environment)?.arg("migrate").output()?;
    ensure!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let address = free_address()?;
    let mut dispatcher = ours::command("dispatcher", &environment)?;
    dispatcher.args(["--auth", "keys", "--listen", &address.to_string()]);
    let mut dispatcher = Running::start("dispatcher", dispatcher, berth.folder())?;
    dispatcher.ready(address).await?;

    let mut connection = Connection::open(address, KEY).await?;
    // Nobody serves its queue: what is measured is the front door, not the work.
    let workflow = json!({ "name": "nothing", "tasks": [{ "name": "nothing", "queue": "benchmark" }] });
    connection.call("POST", "/api/v1/workflows", &workflow, 201).await?;
    let run = connection.call("POST", "/api/v1/runs", &json!({ "workflow": "nothing" }), 202).await?;
    let run = run["run_id"].as_str().context("a run has an id")?.to_owned();

    let one = json!({ "workflow": "nothing", "input": { "number": 1 } });
    let many = json!({ "runs": vec![one.clone(); MANY] });
    let folder: PathBuf = berth.folder().to_owned();
    let load = |path: &str, body: Option<&Value>, connections: u16| {
        let load =
            Load { address, path: path.to_owned(), key: KEY, body: body.cloned(), connections, time: settings.time };
        let folder = folder.clone();
        async move { load.run(&folder).await }
    };
    let nothing = load("/livez", None, settings.connections).await?;
    let commit = commits::measure(&berth, settings.connections, settings.time).await?;
    let status = load(&format!("/api/v1/runs/{run}"), None, settings.connections).await?;
    let submit = load("/api/v1/runs", Some(&one), settings.connections).await?;
    let submit_alone = load("/api/v1/runs", Some(&one), 1).await?;
    let submit_many = load("/api/v1/runs", Some(&many), 1).await?;

    let before = procfs::memory(dispatcher.id());
    let listening = readers::listen(address, KEY, &run, settings.readers).await?;
    let after = procfs::memory(dispatcher.id());
    // The first connection has been closed meanwhile, as one that lies idle is.
    let mut connection = Connection::open(address, KEY).await?;
    let cancel = format!("/api/v1/runs/{run}/cancel");
    let told = listening.until_told(connection.call("POST", &cancel, &Value::Null, 200)).await?;
    dispatcher.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "a count of connections")]
    let readers = settings.readers as f64;
    Ok(Measured {
        nothing,
        commit,
        submit,
        submit_alone,
        submit_many,
        status,
        readers: settings.readers,
        reader_kib: (after - before) * 1024.0 / readers,
        told_ms: told.as_secs_f64() * 1e3,
    })
}

fn environment(berth: &Berth) -> Vec<(String, String)> {
    let own = [
        ("FLOTILLA_POSTGRES_CONNECTIONS", "5".to_owned()),
        ("FLOTILLA_ADMIN_KEY", KEY.to_owned()),
        ("FLOTILLA_LOG", "warn".to_owned()),
    ];
    berth.environment().into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}
