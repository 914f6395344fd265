//! Measures what an admission costs with a hundred, ten thousand and a million queued runs.

use std::fmt::Write as _;
use std::process::ExitCode;

use benches::admission::{Cost, Growing, measure};
use benches::fleet::report::number;
use clap::Parser;

/// Dearer by at most this much from the shortest queue to the longest.
const GOAL: f64 = 1.5;

/// Measures what admitting ten runs costs while more and more wait: wall time, processor time of Postgres and of the
/// caller, statements. Postgres is that of FLOTILLA_TEST_POSTGRES, on this machine.
#[derive(Debug, Parser)]
#[command(name = "admission", max_term_width = 100)]
struct Flags {
    /// Lengths of the queue, the shortest first, by commas.
    #[arg(long, value_delimiter = ',', default_value = "100,10000,1000000")]
    queued: Vec<u32>,
    /// Among how many tenants the runs are.
    #[arg(long, default_value_t = 20)]
    tenants: u32,
    /// Admissions measured at each length.
    #[arg(long, default_value_t = 200)]
    admissions: u32,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(&flags).await {
        Ok(costs) if flags.json => print(&serde_json::json!(costs).to_string()),
        Ok(costs) => print(&table(&costs)),
        Err(error) => {
            say(&format!("admission: {error:#}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run(flags: &Flags) -> anyhow::Result<Vec<Cost>> {
    let mut queues = Vec::new();
    // The longest first: a connection that lies idle while it is filled would be given up.
    for queued in flags.queued.iter().rev() {
        say(&format!("filling a queue with {queued} runs"));
        let mut queue = Growing::prepare(flags.tenants).await?;
        queue.fill(*queued).await?;
        queues.push(queue);
    }
    queues.reverse();
    say("admitting");
    measure(&mut queues, flags.admissions).await
}

fn table(costs: &[Cost]) -> String {
    let mut text = String::from(
        "| queued | wall ms | Postgres CPU µs | own CPU µs | statements | wall × | CPU × | |\n|---:|---:|---:|---:|---:|---:|---:|---|\n",
    );
    let processor = |cost: &Cost| cost.postgres_us + cost.own_us;
    let Some(first) = costs.first() else { return text };
    for cost in costs {
        let (wall, cpu) = (cost.wall_ms / first.wall_ms, processor(cost) / processor(first));
        let statements = cost.statements.map_or_else(|| "–".to_owned(), |count| count.to_string());
        let verdict = if wall.max(cpu) <= GOAL { "reached" } else { "**missed**" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {statements} | {wall:.2} | {cpu:.2} | {verdict} |",
            cost.queued,
            number(cost.wall_ms),
            number(cost.postgres_us),
            number(cost.own_us)
        );
    }
    let _ = writeln!(text, "\nTen runs an admission; medians; aim: at most {GOAL} times the first line.");
    for cost in costs.iter().filter(|cost| !cost.by_statement.is_empty()) {
        let _ = writeln!(text, "\n{} queued:\n\n| statement | µs | pages |\n|---|---:|---:|", cost.queued);
        for statement in cost.by_statement.iter().take(8) {
            let _ = writeln!(text, "| `{}` | {} | {} |", statement.text, number(statement.us), number(statement.pages));
        }
    }
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
