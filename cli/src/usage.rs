//! `flotilla usage`: what was consumed, by day, model or run, or by one run.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::CellAlignment;
use jiff::civil::Date;
use protocol::RunId;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Remote;
use crate::remote;
use crate::run::print;
use crate::table::new_table;

/// `flotilla usage`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla usage                                     the last 30 days, by day
  flotilla usage --by model --from 2026-11-01
  flotilla usage 01934567-89ab-7cde-8f01-23456789abcd
  flotilla usage --json | jq .total.input_tokens

{}", remote::EXIT_CODES))]
pub(crate) struct Usage {
    /// Of this run alone, by task.
    #[arg(conflicts_with_all = ["by", "from", "to"])]
    run: Option<RunId>,
    /// By what to add up.
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// The first day, in UTC [default: 29 days before the last one].
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The last day, in UTC [default: today].
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// By what to add up.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Day,
    Model,
    /// The newest 500.
    Run,
}

/// What the fleet answers, of one run or of many.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    tasks: Vec<Line>,
    total: Option<Sum>,
}

#[derive(Debug, Deserialize)]
struct Line {
    day: Option<Date>,
    run_id: Option<RunId>,
    task: Option<String>,
    model: Option<String>,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(Debug, Deserialize)]
struct Sum {
    attempts: u64,
    pages: u64,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    embedding_tokens: u64,
}

pub(crate) fn main(command: &Usage) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let answer: Value = client.get(&path(command)).await?;
        print(&if command.json { format!("{answer:#}\n") } else { render(&Answer::deserialize(&answer)?) })?;
        Ok(ExitCode::SUCCESS)
    })
}

fn path(command: &Usage) -> String {
    if let Some(run) = command.run {
        return format!("/api/v1/runs/{run}/usage");
    }
    let mut path = match command.by {
        By::Day => "/api/v1/usage?group=day",
        By::Model => "/api/v1/usage?group=model",
        By::Run => "/api/v1/usage?group=run&limit=500",
    }
    .to_owned();
    for (name, day) in [("from", command.from), ("to", command.to)] {
        if let Some(day) = day {
            path.push_str(&format!("&{name}={day}"));
        }
    }
    path
}

/// What was consumed, as a person reads it.
fn render(answer: &Answer) -> String {
    let mut table = new_table(&["", "attempts", "pages", "calls", "tokens in", "tokens out", "embedded"]);
    for column in 1..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in answer.lines.iter().chain(&answer.tasks) {
        table.add_row(row(line.name(), &line.sum));
    }
    if let Some(total) = &answer.total {
        table.add_row(row("total".to_owned(), total));
    }
    format!("{table}\n")
}

impl Line {
    fn name(&self) -> String {
        let day = self.day.map(|day| day.to_string());
        let run = self.run_id.map(|run| run.to_string());
        let name = day.or(run).or_else(|| self.task.clone()).or_else(|| self.model.clone());
        name.unwrap_or_else(|| "no model".to_owned())
    }
}

fn row(name: String, sum: &Sum) -> Vec<String> {
    let counts = [sum.attempts, sum.pages, sum.calls, sum.input_tokens, sum.output_tokens, sum.embedding_tokens];
    std::iter::once(name).chain(counts.map(|count| count.to_string())).collect()
}
