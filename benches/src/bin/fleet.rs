//! Measures a fleet whose tasks do nothing, beside its peers, on servers of this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use backends::stack::QueueKind;
use benches::fleet::ours::Settings;
use benches::fleet::peers::Installed;
use benches::fleet::phases::Plan;
use benches::fleet::session::{Session, Wanted};
use clap::Parser;

/// Measures what a fleet costs per task, how fast it is, and how much memory it takes; beside its peers where they are
/// asked for.
///
/// The servers are those of FLOTILLA_TEST_AMQP, FLOTILLA_TEST_POSTGRES and FLOTILLA_TEST_REDIS. They have to be on this
/// machine, since their processor time is counted, and nobody else should use them meanwhile, since it is counted too:
/// benches/fleet/servers.sh starts some.
#[derive(Debug, Parser)]
#[command(name = "fleet", max_term_width = 100)]
struct Flags {
    /// Tasks of the fastest in each phase; slower ones get fewer.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    n: u32,
    /// Kinds of queues to measure our own fleet on.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = "classic,quorum")]
    queue_type: Vec<QueueKind>,
    /// How many jobs our worker runs at once.
    #[arg(long, default_value_t = 64)]
    concurrency: u16,
    /// How many jobs our worker has in hand.
    #[arg(long, default_value_t = 256)]
    prefetch: u16,
    /// Only what these goals need: p1 to p8, by commas.
    #[arg(long, value_name = "GOALS", value_delimiter = ',')]
    only: Vec<String>,
    /// The peers to measure, by commas: celery-postgres, celery-redis, celery, dramatiq, rusty-celery.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// The folder of the peers' programs.
    #[arg(long, value_name = "DIR", default_value = "benches/fleet/peers")]
    peers_sources: PathBuf,
    /// The Python environment of the peers.
    #[arg(long, value_name = "DIR", default_value = "target/peers/venv")]
    peers_venv: PathBuf,
    /// The program of the peer in Rust.
    #[arg(long, value_name = "FILE", default_value = "target/peers/rusty-celery/release/rusty-celery-peer")]
    rusty_celery: PathBuf,
    /// How often everybody is measured, in turns; medians count.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=9))]
    rounds: u32,
    /// Also write FILE.md and FILE.svg.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let wanted = Wanted {
        plan: Plan { tasks: flags.n, only: flags.only },
        ours: flags
            .queue_type
            .iter()
            .map(|queue_type| Settings {
                queue_type: *queue_type,
                concurrency: flags.concurrency,
                prefetch: flags.prefetch,
            })
            .collect(),
        peers: flags.peers,
        installed: Installed {
            sources: std::path::absolute(flags.peers_sources)?,
            venv: std::path::absolute(flags.peers_venv)?,
            rusty_celery: std::path::absolute(flags.rusty_celery)?,
        },
        rounds: flags.rounds,
    };
    let session = Session::run(&wanted).await?;
    if flags.json {
        print(&serde_json::json!(session).to_string());
    } else {
        print(&session.markdown());
    }
    if let Some(out) = flags.out {
        std::fs::create_dir_all(out.parent().unwrap_or(&out))?;
        std::fs::write(out.with_extension("md"), session.page(&out))?;
        std::fs::write(out.with_extension("svg"), session.picture())?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a program that reports")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last words of a program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("fleet: {error:#}");
    ExitCode::FAILURE
}
