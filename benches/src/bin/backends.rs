//! Measures what a task and a run of six tasks cost on each backend that runs here.

use std::process::ExitCode;

use benches::backends::{Measured, Settings, measure};
use clap::Parser;
use protocol::Backend;

/// Runs chains of one and of six tasks that do nothing on our own fleet, on Celery's messages and, if this was built with
/// the feature "temporal", on a Temporal development server. RabbitMQ, Postgres and Redis are those of the specs.
#[derive(Debug, Parser)]
#[command(name = "backends", max_term_width = 100)]
struct Flags {
    /// Runs one after the other, for the latency.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    single: u16,
    /// Runs submitted at once, for the rate.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..))]
    crowd: u16,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Flags { single, crowd, json } = Flags::parse();
    match measure(Settings { single: single.into(), crowd: crowd.into() }).await {
        Ok(all) => {
            print(&if json { serde_json::json!(all).to_string() } else { table(&all) });
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn table(all: &[Measured]) -> String {
    let mut text =
        "| backend | tasks in a run | one run, p50 ms | p95 ms | × fleet | tasks/s | × fleet | own CPU µs/task |\n\
                    |---|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for one in all {
        let fleet = all.iter().find(|other| other.backend == Backend::Fleet && other.tasks == one.tasks);
        let (slower, faster) = fleet
            .map_or((1.0, 1.0), |fleet| (one.p50_ms / fleet.p50_ms, one.tasks_per_second / fleet.tasks_per_second));
        text += &format!(
            "| {} | {} | {:.1} | {:.1} | {slower:.2} | {:.0} | {faster:.2} | {:.0} |\n",
            one.backend, one.tasks, one.p50_ms, one.p95_ms, one.tasks_per_second, one.own_us_per_task
        );
    }
    text
}

#[expect(clippy::print_stdout, reason = "a program that reports")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last words of a program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("backends: {error:#}");
    ExitCode::FAILURE
}
