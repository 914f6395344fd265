//! Measures what the HTTP API takes.

use std::process::ExitCode;
use std::time::Duration;

use benches::api::wrk::Taken;
use benches::api::{Measured, Settings, measure};
use benches::fleet::report::number;
use clap::Parser;

/// Measures submissions, status and readers of events at a dispatcher of its own. `make bench-api` gives it servers and
/// `wrk`.
#[derive(Debug, Parser)]
#[command(name = "api", max_term_width = 100)]
struct Flags {
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections that call at once.
    #[arg(long, default_value_t = 8)]
    connections: u16,
    /// Readers of events at once.
    #[arg(long, default_value_t = 1_000)]
    readers: usize,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let time = Duration::from_secs(flags.seconds);
    let settings = Settings { time, connections: flags.connections, readers: flags.readers };
    match measure(settings).await {
        Ok(measured) if flags.json => print(&serde_json::json!(measured).to_string()),
        Ok(measured) => print(&table(&measured)),
        Err(error) => {
            say(&format!("api: {error:#}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn table(measured: &Measured) -> String {
    let row = |what: &str, taken: &Taken, beside: &str| {
        format!(
            "| {what} | {} | {} | {} | {beside} |\n",
            number(taken.per_s),
            number(taken.p50_ms),
            number(taken.p99_ms)
        )
    };
    let times = |one: f64, other: f64, what: &str| format!("{:.1}× {what}", one / other);
    let Measured { nothing, commit, submit, submit_alone, submit_many, status, .. } = measured;
    let loop_ms = 1_000.0 * 1_000.0 / submit_alone.per_s;
    let verdict = |reached: bool| if reached { "reached" } else { "**missed**" };
    let mut text =
        String::from("| call | per s | p50 ms | p99 ms | beside its ceiling (p50) |\n|---|---:|---:|---:|---|\n");
    text += &row("the HTTP server alone (`/livez`)", nothing, "");
    text += &row("a row committed to Postgres", commit, "");
    text += &row("status", status, &times(status.p50_ms, nothing.p50_ms, "the server alone"));
    text += &row("submit one", submit, &times(submit.p50_ms, commit.p50_ms, "a committed row"));
    text += &row("submit one, one caller", submit_alone, "");
    text += &row(
        "submit 1,000 in a call",
        submit_many,
        &format!("{:.0}× faster than a loop", loop_ms / submit_many.p50_ms),
    );
    text += &format!(
        "\nO4: one acknowledged in at most 50 ms at p99: {} ({} ms); a thousand in less than a second: {} ({} ms).\n\
         P5: a thousand at least 50 times faster than the loop: {} ({:.0}×).\n\
         {} readers of events: {} KiB of the dispatcher's memory each; the last of them heard of the end of a run after {} ms.\n",
        verdict(submit.p99_ms <= 50.0),
        number(submit.p99_ms),
        verdict(submit_many.p99_ms < 1_000.0),
        number(submit_many.p99_ms),
        verdict(loop_ms / submit_many.p50_ms >= 50.0),
        loop_ms / submit_many.p50_ms,
        measured.readers,
        number(measured.reader_kib),
        number(measured.told_ms),
    );
    text
}

#[expect(clippy::print_stdout, reason = "a program that reports")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a program that says where it is")]
fn say(text: &str) {
    eprintln!("{text}");
}
