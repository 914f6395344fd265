//! `flotilla status`: where a run of a fleet stands.

use std::process::ExitCode;

use clap::Args;
use comfy_table::CellAlignment;
use protocol::{RunId, RunState};
use serde::Deserialize;
use serde_json::Value;

use crate::answers;
use crate::client::Remote;
use crate::remote::{self, moment, took};
use crate::run::print;
use crate::table::new_table;

/// `flotilla status`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla status 01934567-89ab-7cde-8f01-23456789abcd
  flotilla status 01934567-89ab-7cde-8f01-23456789abcd --json | jq -r .status

The exit code says whether the question was answered, not how the run stands.

{}", remote::EXIT_CODES))]
pub(crate) struct Status {
    /// The run.
    run: RunId,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Status) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let answer: Value = client.get(&format!("/api/v1/runs/{}", command.run)).await?;
        print(&if command.json { format!("{answer:#}\n") } else { render(&answers::Status::deserialize(&answer)?) })?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The status as a person reads it.
pub(crate) fn render(status: &answers::Status) -> String {
    let mut table = new_table(&["stage", "state", "attempts", "took"]);
    for stage in &status.stages {
        let ms = if stage.ms > 0 { format!("{} ms", stage.ms) } else { String::new() };
        table.add_row([stage.name.clone(), stage.state.as_str().to_owned(), stage.attempts.to_string(), ms]);
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let id = status.run_id;
    let time = match (status.started_at, status.ended_at) {
        (Some(started), Some(ended)) => format!(", took {}", took(started, Some(ended))),
        (Some(started), None) => format!(", at work for {}", took(started, None)),
        (None, _) => String::new(),
    };
    let next = match status.status {
        RunState::Queued | RunState::Running => format!("flotilla watch {id} follows it to its end"),
        RunState::Succeeded => format!("flotilla result {id} prints what was found"),
        RunState::Failed | RunState::Cancelled => format!("flotilla logs {id} says why"),
    };
    let state = status.status;
    format!("run {id} on {}: {state}, submitted {}{time}\n{table}\n{next}\n", status.backend, moment(status.created_at))
}
