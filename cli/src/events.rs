//! `flotilla events`: tells a fleet what happened elsewhere.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, Remote};
use crate::remote::{self, BadCall};
use crate::run::print;
use crate::table::new_table;

/// `flotilla events`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla events send event.json                    one event, or a list of up to 1,000
  echo '{{\"id\": \"4711\", \"source\": \"shop\", \"type\": \"order.paid\"}}' | flotilla events send -
  flotilla events send --s3 notification.json        what a bucket told: Amazon S3, MinIO, EventBridge
  flotilla events send event.json --json | jq -r '.events[].runs[].run_id'

{}", remote::EXIT_CODES))]
pub(crate) struct Events {
    #[command(subcommand)]
    command: Command,
}

/// What to do with events.
#[derive(Debug, Subcommand)]
enum Command {
    /// Send events; prints the runs that they started. Sending the same again starts nothing twice.
    Send(Send),
}

/// `flotilla events send`
#[derive(Debug, Args)]
struct Send {
    /// JSON: a CloudEvent or a list of them; `-` reads standard input.
    file: String,
    /// It is the notification of a bucket.
    #[arg(long)]
    s3: bool,
    #[command(flatten)]
    remote: Remote,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// What the fleet took.
#[derive(Deserialize)]
struct Taken {
    events: Vec<Event>,
}

/// An event that was taken.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    runs: Vec<Started>,
}

/// What an event started.
#[derive(Deserialize)]
struct Started {
    subscription: String,
    run_id: Option<String>,
    created: bool,
    refusal: Option<Refusal>,
}

/// Why nothing was started.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

pub(crate) fn main(events: &Events) -> ExitCode {
    let Command::Send(send) = &events.command;
    remote::main(&send.remote, async |client| call(send, client).await)
}

async fn call(send: &Send, client: &Client) -> anyhow::Result<ExitCode> {
    let body = read(&send.file)?;
    let path = if send.s3 { "/api/v1/events/s3" } else { "/api/v1/events" };
    let answer: Value = client.post(path, &body).await?;
    if send.json {
        print(&format!("{answer:#}\n"))?;
    } else {
        print(&table(&Taken::deserialize(&answer).context("the answer cannot be read")?.events))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON from a file, or from standard input.
pub(crate) fn read(file: &str) -> anyhow::Result<Value> {
    let (name, bytes) = if file == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        ("standard input", read.map(|_| bytes))
    } else {
        (file, std::fs::read(file))
    };
    let bytes = bytes.map_err(|error| BadCall(format!("{name} cannot be read: {error}")))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| BadCall(format!("{name} is not JSON: {error}")))?)
}

fn table(events: &[Event]) -> String {
    if events.iter().all(|event| event.runs.is_empty()) {
        return format!("{} event(s) taken; no subscription is about them\n", events.len());
    }
    let mut table = new_table(&["event", "type", "subscription", "run", ""]);
    for event in events {
        for started in &event.runs {
            let state = match (&started.refusal, started.created) {
                (Some(Refusal { code, detail }), _) => format!("refused: {detail} ({code})"),
                (None, true) => "started".to_owned(),
                (None, false) => "started before".to_owned(),
            };
            let run = started.run_id.clone().unwrap_or_default();
            table.add_row([event.id.clone(), event.kind.clone(), started.subscription.clone(), run, state]);
        }
    }
    format!("{table}\n")
}
