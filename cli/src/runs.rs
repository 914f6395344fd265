//! `flotilla runs`: the runs of a fleet, newest first.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use protocol::{Backend, RunId};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::answers;
use crate::client::Remote;
use crate::remote::{self, moment, took};
use crate::run::print;
use crate::table::new_table;

/// `flotilla runs`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla runs
  flotilla runs --state failed,cancelled --since 2026-11-01T00:00:00Z
  flotilla runs --backend temporal --shadows
  flotilla runs --workflow nightly --limit 100 --json | jq -r '.runs[].run_id'

{}", remote::EXIT_CODES))]
pub(crate) struct Runs {
    /// Most runs to list.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Only those in one of these states: queued, running, succeeded, failed, cancelled.
    #[arg(long, value_name = "STATE,…")]
    state: Option<String>,
    /// Only those of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those on this backend: fleet, embedded, celery, hatchet, temporal, inngest.
    #[arg(long, value_name = "NAME")]
    backend: Option<Backend>,
    /// Also those that repeat another run on another backend, to be compared.
    #[arg(long)]
    shadows: bool,
    /// Only those submitted then or later, for instance 2026-11-26T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only those submitted earlier.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only those submitted before this one: the next page.
    #[arg(long, value_name = "RUN")]
    before: Option<RunId>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Runs) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let answer: Value = client.get(&path(command)?).await?;
        print(&if command.json { format!("{answer:#}\n") } else { render(&answers::Runs::deserialize(&answer)?) })?;
        Ok(ExitCode::SUCCESS)
    })
}

fn path(command: &Runs) -> anyhow::Result<String> {
    // Only what comes behind the host is used.
    let mut url = Url::parse("http://fleet/api/v1/runs")?;
    let mut query = url.query_pairs_mut();
    query.append_pair("limit", &command.limit.to_string());
    let filters = [
        ("state", command.state.clone()),
        ("workflow", command.workflow.clone()),
        ("backend", command.backend.map(|backend| backend.to_string())),
        ("shadows", command.shadows.then(|| "true".to_owned())),
        ("created_after", command.since.map(|time| time.to_string())),
        ("created_before", command.until.map(|time| time.to_string())),
        ("cursor", command.before.map(|run| run.to_string())),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    drop(query);
    Ok(format!("/api/v1/runs?{}", url.query().unwrap_or_default()))
}

/// A page of runs as a person reads it.
fn render(page: &answers::Runs) -> String {
    if page.runs.is_empty() {
        return "no runs; `flotilla submit DOC` starts one\n".to_owned();
    }
    let mut table = new_table(&["run", "workflow", "backend", "status", "submitted", "took"]);
    for run in &page.runs {
        let time = run.ended_at.map(|ended| took(run.created_at, Some(ended))).unwrap_or_default();
        let (id, status) = (run.run_id.to_string(), run.status.to_string());
        let backend = match run.shadow_of {
            Some(_) => format!("{} (shadow)", run.backend),
            None => run.backend.to_string(),
        };
        table.add_row([id, run.workflow.clone(), backend, status, moment(run.created_at), time]);
    }
    match page.next {
        Some(next) => format!("{table}\nolder ones: the same with --before {next}\n"),
        None => format!("{table}\n"),
    }
}
