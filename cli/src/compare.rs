//! `flotilla compare`: how backends fared.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use comfy_table::CellAlignment;
use protocol::{Backend, RunId, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Remote;
use crate::out;
use crate::remote::{self, moment};
use crate::run::print;
use crate::table::new_table;

mod chart;
mod svg;

/// `flotilla compare`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla compare                                  the last 24 hours, every workflow
  flotilla compare --since 7d --workflow nightly
  flotilla compare --svg backends.svg               the picture as a file besides
  flotilla compare --json | jq '.pairs[].differences'

Times are from submission to the end, of runs that succeeded. Runs and their shadows are compared by their answers: `output`, or
the `outputs` of workflows of your own. At most the newest 10,000 runs are looked at, and of them 500 pairs.

{}", remote::EXIT_CODES))]
pub(crate) struct Compare {
    /// How far to look back: 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Only runs of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Draw times and failures into this file, too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// What the fleet answers.
#[derive(Debug, Deserialize)]
struct Comparison {
    from: Timestamp,
    to: Timestamp,
    workflow: Option<String>,
    runs: u64,
    truncated: bool,
    currency: Option<String>,
    backends: Vec<Line>,
    pairs: Vec<Pair>,
}

/// How one backend fared.
#[derive(Debug, Deserialize)]
struct Line {
    backend: Backend,
    runs: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    under_way: u64,
    failure_rate: Option<f64>,
    latency_seconds: Option<Latency>,
    queue_p50_seconds: Option<f64>,
    per_run: Option<PerRun>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Latency {
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Debug, Deserialize)]
struct PerRun {
    input_tokens: f64,
    output_tokens: f64,
    cost: Option<f64>,
}

/// How runs compare with their shadows.
#[derive(Debug, Deserialize)]
struct Pair {
    backend: Backend,
    shadow: Backend,
    pairs: u64,
    equal: u64,
    different: u64,
    one_failed: u64,
    both_failed: u64,
    open: u64,
    not_compared: u64,
    differences: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
struct Difference {
    run_id: RunId,
    shadow_run_id: RunId,
    at: String,
}

impl Latency {
    fn all(self) -> [(&'static str, f64); 3] {
        [("p50", self.p50), ("p95", self.p95), ("p99", self.p99)]
    }
}

impl Comparison {
    /// What it is about, in one line.
    fn title(&self) -> String {
        let what = self.workflow.as_ref().map(|workflow| format!(" of {workflow}")).unwrap_or_default();
        let more = if self.truncated { ", the newest of more" } else { "" };
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        format!("{runs}{what} from {} to {}{more}", moment(self.from), moment(self.to))
    }

    /// The longest time of any backend, in seconds.
    fn longest(&self) -> f64 {
        self.backends.iter().filter_map(|line| line.latency_seconds).map(|latency| latency.p99).fold(0.0, f64::max)
    }
}

pub(crate) fn main(command: &Compare) -> ExitCode {
    remote::main(&command.remote, async |client| {
        if let Some(file) = &command.svg {
            out::check(file)?;
        }
        let answer: Value = client.get(&path(command)?).await?;
        let comparison = Comparison::deserialize(&answer)?;
        if let Some(file) = &command.svg {
            out::write(file, &svg::draw(&comparison))?;
        }
        print(&if command.json { format!("{answer:#}\n") } else { render(&comparison) })?;
        Ok(ExitCode::SUCCESS)
    })
}

fn path(command: &Compare) -> anyhow::Result<String> {
    // Only what comes behind the host is used.
    let mut url = Url::parse("http://fleet/")?;
    url.query_pairs_mut().append_pair("since", &command.since);
    if let Some(workflow) = &command.workflow {
        url.query_pairs_mut().append_pair("workflow", workflow);
    }
    Ok(format!("/api/v1/backends/comparison?{}", url.query().unwrap_or_default()))
}

/// A comparison as a person reads it.
fn render(comparison: &Comparison) -> String {
    let mut text = format!("{}\n", comparison.title());
    if comparison.backends.is_empty() {
        return text;
    }
    text.push_str(&format!("{}\n", backends(comparison)));
    text.push_str(&chart::draw(comparison));
    if !comparison.pairs.is_empty() {
        text.push_str(&format!("\n{}\n", pairs(&comparison.pairs)));
    }
    for pair in &comparison.pairs {
        for Difference { run_id, shadow_run_id, at } in &pair.differences {
            text.push_str(&format!(
                "≠ run {run_id} on {} and {shadow_run_id} on {}: {at}\n",
                pair.backend, pair.shadow
            ));
        }
    }
    text
}

fn backends(comparison: &Comparison) -> comfy_table::Table {
    let cost = comparison.currency.as_ref().map_or_else(|| "cost".to_owned(), |currency| format!("{currency} / run"));
    let header = ["backend", "runs", "ok", "failed", "cancelled", "under way", "queued p50", "tokens / run", &cost];
    let mut table = new_table(&header);
    for line in &comparison.backends {
        let Line { backend, runs, succeeded, failed, cancelled, under_way, queue_p50_seconds, per_run, .. } = line;
        let tokens = per_run.as_ref().map_or(0.0, |each| each.input_tokens + each.output_tokens);
        let cost = per_run.as_ref().and_then(|each| each.cost).filter(|_| comparison.currency.is_some());
        table.add_row([
            backend.to_string(),
            runs.to_string(),
            succeeded.to_string(),
            failed.to_string(),
            cancelled.to_string(),
            under_way.to_string(),
            queue_p50_seconds.map(seconds).unwrap_or_default(),
            format!("{tokens:.0}"),
            cost.map_or_else(|| "–".to_owned(), |cost| format!("{cost:.6}")),
        ]);
    }
    to_the_right(&mut table, header.len(), 1);
    table
}

fn pairs(pairs: &[Pair]) -> comfy_table::Table {
    let header = ["run", "shadow", "pairs", "equal", "different", "one failed", "both failed", "open", "not compared"];
    let mut table = new_table(&header);
    for pair in pairs {
        let Pair { pairs, equal, different, one_failed, both_failed, open, not_compared, .. } = pair;
        let names = [pair.backend.to_string(), pair.shadow.to_string()];
        let counts = [pairs, equal, different, one_failed, both_failed, open, not_compared];
        table.add_row(names.into_iter().chain(counts.map(|count| count.to_string())));
    }
    to_the_right(&mut table, header.len(), 2);
    table
}

fn to_the_right(table: &mut comfy_table::Table, columns: usize, first: usize) {
    for column in first..columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A time as people read it.
fn seconds(time: f64) -> String {
    match time {
        ..10.0 => format!("{time:.2} s"),
        10.0..100.0 => format!("{time:.1} s"),
        _ => format!("{time:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a fleet could answer.
    pub(super) fn sample() -> Comparison {
        let line = |backend: &str, failure_rate: f64, [p50, p95, p99]: [f64; 3]| {
            json!({
                "backend": backend, "runs": 100, "succeeded": 95, "failed": 5, "cancelled": 0, "under_way": 0,
                "failure_rate": failure_rate, "latency_seconds": { "p50": p50, "p95": p95, "p99": p99 },
                "queue_p50_seconds": 0.02, "per_run": { "input_tokens": 900.0, "output_tokens": 100.0, "cost": 0.00125 }
            })
        };
        let none = json!({
            "backend": "celery", "runs": 1, "succeeded": 0, "failed": 0, "cancelled": 0, "under_way": 1,
            "failure_rate": null, "latency_seconds": null, "queue_p50_seconds": null, "per_run": null
        });
        let pair = json!({
            "backend": "fleet", "shadow": "temporal", "pairs": 3, "equal": 2, "different": 1, "one_failed": 0,
            "both_failed": 0, "open": 0, "not_compared": 0, "differences": [{
                "run_id": "01934567-89ab-7cde-8f01-23456789abcd", "shadow_run_id": "01934567-89ab-7cde-8f01-23456789abce",
                "at": "$.output.total"
            }]
        });
        let answer = json!({
            "from": "2026-11-25T12:00:00Z", "to": "2026-11-26T12:00:00Z", "workflow": "a<b", "runs": 201, "truncated": false,
            "currency": "EUR", "pairs": [pair],
            "backends": [line("fleet", 0.05, [0.8, 2.1, 4.0]), none, line("temporal", 0.25, [1.2, 2.4, 12.5])]
        });
        Comparison::deserialize(&answer).unwrap()
    }

    #[test]
    fn a_comparison_shows_counts_costs_times_and_differences() {
        let text = render(&sample());
        for part in ["201 runs of a<b", "EUR / run", "0.001250", "12.5 s", "25.0 %", "≠ run 01934567", "$.output.total"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }

    #[test]
    fn of_no_runs_there_is_nothing_to_show() {
        let nothing = Comparison { runs: 0, backends: Vec::new(), pairs: Vec::new(), ..sample() };
        assert_eq!(render(&nothing), "0 runs of a<b from 2026-11-25T12:00:00Z to 2026-11-26T12:00:00Z\n");
        assert!(svg::draw(&nothing).ends_with("</svg>"));
    }
}
