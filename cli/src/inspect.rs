//! `flotilla inspect`: a running fleet as its operators see it.

use std::process::ExitCode;

use clap::{Args as Group, Subcommand};
use protocol::operations::{ActiveTasks, DeadLetters, Queues, ScheduledTasks, Workers};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Client, Remote};
use crate::operator;

mod tables;

/// `flotilla inspect`
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  flotilla inspect workers                       who is alive, what they serve, how busy they are
  flotilla inspect queues --json | jq .queues
  flotilla inspect active --limit 20             the tasks that have been in hand longest
  flotilla inspect scheduled                     what waits for a retry or was put off, and why
  FLOTILLA_URL=http://dispatcher:8080 flotilla inspect dead-letters

Exit codes: 0 shown · 1 the fleet is not reachable or could not answer · 2 bad usage")]
pub(crate) struct Inspect {
    #[command(subcommand)]
    what: What,
}

/// What to look at.
#[derive(Debug, Subcommand)]
enum What {
    /// The processes that are alive.
    Workers(View),
    /// How full the queues are and who serves them.
    Queues(View),
    /// Tasks whose job is on the broker or with a worker, the longest first.
    Active(List),
    /// Tasks that wait for their next attempt, the next due first.
    Scheduled(List),
    /// Messages that nobody could handle; `flotilla dead-letters` shows them whole, replays and drops them.
    DeadLetters(List),
}

/// How to show what is there.
#[derive(Debug, Group)]
pub(crate) struct View {
    #[command(flatten)]
    pub(crate) remote: Remote,
    /// Print the answer of the fleet as JSON and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to show what there may be much of.
#[derive(Debug, Group)]
struct List {
    #[command(flatten)]
    view: View,
    /// How many entries at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) fn main(command: Inspect) -> ExitCode {
    operator::main(async {
        match command.what {
            What::Workers(view) => show::<Workers>(&view, "/api/v1/workers", tables::workers).await,
            What::Queues(view) => show::<Queues>(&view, "/api/v1/queues", tables::queues).await,
            What::Active(List { view, limit }) => {
                let path = format!("/api/v1/tasks?state=active&limit={limit}");
                show::<ActiveTasks>(&view, &path, tables::active).await
            }
            What::Scheduled(List { view, limit }) => {
                let path = format!("/api/v1/tasks?state=scheduled&limit={limit}");
                show::<ScheduledTasks>(&view, &path, tables::scheduled).await
            }
            What::DeadLetters(List { view, limit }) => {
                let path = format!("/api/v1/dead-letters?limit={limit}");
                show::<DeadLetters>(&view, &path, tables::dead_letters).await
            }
        }
    })
}

/// Asks the fleet and prints its answer: as a table, or as it came.
async fn show<T: DeserializeOwned + Serialize>(
    view: &View,
    path: &str,
    table: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    let answer: T = Client::new(&view.remote)?.get(path).await?;
    operator::print(view.json, &answer, table)
}
