//! Measures who waits how long when one tenant has queued a crowd.

use std::process::ExitCode;

use benches::fairness::{Fairness, Scene, measure};
use clap::Parser;

/// 95 of 100 runs of small tenants start within so many service times.
const GOAL_WAIT: u32 = 2;

/// How equal tenants are served.
const GOAL_JAIN: f64 = 0.95;

/// Queues a crowd of one tenant, then a few runs of many, and lets the ledger admit them into a fleet of slots. Postgres
/// is that of FLOTILLA_TEST_POSTGRES.
#[derive(Debug, Parser)]
#[command(name = "fairness", max_term_width = 100)]
struct Flags {
    /// Runs of the big tenant.
    #[arg(long, default_value_t = 10_000)]
    crowd: u32,
    /// Small tenants.
    #[arg(long, default_value_t = 20)]
    tenants: u32,
    /// Runs of each small tenant.
    #[arg(long, default_value_t = 10)]
    each: u32,
    /// Runs that are under way at a time. With few, the small tenants wait for each other, whoever is admitted.
    #[arg(long, default_value_t = 100)]
    slots: u32,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Flags { crowd, tenants, each, slots, json } = Flags::parse();
    match measure(Scene { crowd, tenants, each, slots }).await {
        Ok(fairness) => {
            print(&if json { serde_json::json!(fairness).to_string() } else { table(&fairness) });
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn table(fairness: &Fairness) -> String {
    let Fairness { scene, first_worst, p95, p95_in_order, jain } = fairness;
    let verdict = |reached: bool| if reached { "reached" } else { "**missed**" };
    format!(
        "One tenant with {} queued runs, then {} tenants with {} each; {} slots.\n\n\
         | what | measured | in order of arrival | aim | |\n|---|---:|---:|---|---|\n\
         | small tenants' wait, p95, service times | {p95} | {p95_in_order} | ≤ {GOAL_WAIT} | {} |\n\
         | a small tenant's first run, worst | {first_worst} | {} | ≤ {GOAL_WAIT} | {} |\n\
         | Jain's index while all have work, least | {jain:.3} | | ≥ {GOAL_JAIN} | {} |\n",
        scene.crowd,
        scene.tenants,
        scene.each,
        scene.slots,
        verdict(*p95 <= GOAL_WAIT),
        (scene.crowd + scene.tenants * scene.each) / scene.slots,
        verdict(*first_worst <= GOAL_WAIT),
        verdict(*jain >= GOAL_JAIN),
    )
}

#[expect(clippy::print_stdout, reason = "a program that reports")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last words of a program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("fairness: {error:#}");
    ExitCode::FAILURE
}
