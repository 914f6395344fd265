//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args as Group, Parser, Subcommand};

use crate::backends::Backends;
use crate::cancel::Cancel;
use crate::celery::Celery;
use crate::compare::Compare;
use crate::events::Events;
use crate::logs::Logs;
use crate::result::Result;
use crate::retry::Retry;
use crate::runs::Runs;
use crate::schedules::Schedules;
use crate::signal::Signal;
use crate::status::Status;
use crate::submit::Submit;
use crate::subscriptions::Subscriptions;
use crate::usage::Usage;
use crate::watch::Watch;
use crate::webhooks::Webhooks;

/// Turns documents into answers with evidence.
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 succeeded · 1 failed · 2 bad usage or bad request · 130 interrupted")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) logging: service::telemetry::Logging,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read one document and print the answers.
    Run(Box<Run>),
    /// Keep the whole system running in this process and serve it over HTTP.
    Serve(Box<Serve>),
    /// Show what is read of a document: its text, its words with boxes, or a picture of its pages.
    Text(Box<crate::text::Text>),
    /// Hand documents to a running fleet.
    Submit(Submit),
    /// Show where a run of a fleet stands.
    Status(Status),
    /// Follow a run of a fleet to its end and print the answers.
    Watch(Watch),
    /// Print the result of a run of a fleet.
    Result(Result),
    /// Print what was told about a run of a fleet.
    Logs(Logs),
    /// Cancel a run of a fleet.
    Cancel(Cancel),
    /// Tell a run under way something.
    Signal(Signal),
    /// Do a run of a fleet again from where it went wrong.
    Retry(Retry),
    /// Show what was consumed, by day, model or run.
    Usage(Usage),
    /// List the runs of a fleet, newest first.
    Runs(Runs),
    /// Show who executes workflows, and choose where new runs go.
    Backends(Backends),
    /// Read an application of Celery into configuration of ours.
    Celery(Celery),
    /// Compare how backends fared: times, failures, costs, answers.
    Compare(Compare),
    /// Look at a running fleet: its processes, queues, tasks and dead letters.
    Inspect(crate::inspect::Inspect),
    /// Show, replay or drop messages that nobody could handle.
    DeadLetters(crate::dead_letters::Command),
    /// Show and change what a fleet starts by the clock.
    Schedules(Schedules),
    /// Tell a fleet what happened elsewhere.
    Events(Events),
    /// Show and change which events start what.
    Subscriptions(Subscriptions),
    /// Show and change where a fleet tells about the ends of runs.
    Webhooks(Webhooks),
}

/// `flotilla run`
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  flotilla run invoice.pdf                              the usual fields of an invoice, with page and box
  flotilla run contract.md --request questions.json     your own questions
  flotilla run invoice.pdf --json | jq .output.total_amount
  flotilla run big.pdf --state .flotilla                killed or interrupted? run it again: it goes on
  flotilla run a.pdf --model-url http://localhost:11434/v1 --model qwen3

Exit codes: 0 succeeded · 1 failed · 2 bad usage or bad request · 130 interrupted")]
pub(crate) struct Run {
    /// The document: PDF, Office, e-mail, HTML, a picture, text (docs/formats.md).
    #[arg(value_name = "DOC")]
    pub(crate) document: PathBuf,
    /// The questions, as a JSON extraction request (docs/request.md). Without it: a default set for the kind of
    /// document.
    #[arg(long, value_name = "REQ.json")]
    pub(crate) request: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the JSON object to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Keep runs in this folder, so that an interrupted run goes on and a finished one is not repeated. Without it
    /// nothing is kept.
    #[arg(long, value_name = "DIR", env = "FLOTILLA_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// What secrets in the state folder are encrypted under, if `flotilla serve` was given that.
    #[arg(long, value_name = "HEX", env = "FLOTILLA_MASTER_KEY", hide_env_values = true, default_value = "",
          hide = true, value_parser = dispatcher::access::Vault::new)]
    pub(crate) master_key: dispatcher::access::Vault,
    /// Start over even if --state holds this run.
    #[arg(long, requires = "state")]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) engine: Engine,
}

/// `flotilla serve`
#[derive(Debug, Group)]
pub(crate) struct Serve {
    /// Where to listen. Beyond this machine, add --auth keys.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", env = "FLOTILLA_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Where runs and documents are kept.
    #[arg(long, value_name = "DIR", default_value = ".flotilla", env = "FLOTILLA_STATE")]
    pub(crate) state: PathBuf,
    /// Largest document that is taken in, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 100, env = "FLOTILLA_MAX_UPLOAD",
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) max_upload: u32,
    #[command(flatten)]
    pub(crate) gate: dispatcher::access::Gate,
    /// What models and pages cost, as JSON (docs/api.md, "Usage"). Without it no cost is known.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_PRICES")]
    pub(crate) prices: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) front: dispatcher::api::Front,
    #[command(flatten)]
    pub(crate) compat: dispatcher::api::CompatFlags,
    #[command(flatten)]
    pub(crate) engine: Engine,
    #[command(flatten)]
    pub(crate) tracing: service::traces::Tracing,
}

/// How much runs at once, and who answers.
#[derive(Clone, Debug, Group)]
pub(crate) struct Engine {
    /// How many tasks run at once [default: one per processor].
    #[arg(long, value_name = "N", env = "FLOTILLA_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    #[command(flatten)]
    pub(crate) model: worker::flags::Model,
    #[command(flatten)]
    pub(crate) ocr: worker::flags::Ocr,
    #[command(flatten)]
    pub(crate) texts: worker::flags::Texts,
    #[command(flatten)]
    pub(crate) outbound: outbound::flags::Outbound,
    #[command(flatten)]
    pub(crate) engines: backends::engines::Engines,
}

impl Engine {
    /// Finds out before anything starts whether the model can be used as configured. Nothing is sent to it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        models::resolve(self.model.config()).context("--model-url cannot be used")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_model_url_needs_a_model_name() {
        assert!(Args::try_parse_from(["flotilla", "run", "a.pdf", "--model-url", "http://localhost/v1"]).is_err());
    }
}
