//! `flotilla runs`: the runs of a fleet, newest first.

use std::process::ExitCode;

use clap::Args;
use protocol::RunId;
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
  flotilla runs --limit 100 --json | jq -r '.runs[] | select(.status == \"failed\") | .run_id'

{}", remote::EXIT_CODES))]
pub(crate) struct Runs {
    /// Most runs to list.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
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
        let before = command.before.map(|run| format!("&before={run}")).unwrap_or_default();
        let answer: Value = client.get(&format!("/api/v1/runs?limit={}{before}", command.limit)).await?;
        print(&if command.json { format!("{answer:#}\n") } else { render(&answers::Runs::deserialize(&answer)?) })?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A page of runs as a person reads it.
fn render(page: &answers::Runs) -> String {
    if page.runs.is_empty() {
        return "no runs; `flotilla submit DOC` starts one\n".to_owned();
    }
    let mut table = new_table(&["run", "workflow", "status", "submitted", "took"]);
    for run in &page.runs {
        let time = run.ended_at.map(|ended| took(run.created_at, Some(ended))).unwrap_or_default();
        let (id, status) = (run.run_id.to_string(), run.status.to_string());
        table.add_row([id, run.workflow.clone(), status, moment(run.created_at), time]);
    }
    match page.next {
        Some(next) => format!("{table}\nolder ones: flotilla runs --before {next}\n"),
        None => format!("{table}\n"),
    }
}
