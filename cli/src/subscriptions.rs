//! `flotilla subscriptions`: which events start what in a fleet.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, Remote};
use crate::events;
use crate::remote::{self, BadCall};
use crate::run::print;
use crate::table::new_table;

/// `flotilla subscriptions`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla subscriptions put scans scans.json        make one, or replace the one of that name (docs/triggers.md)
  flotilla subscriptions list
  flotilla subscriptions show scans --json | jq .activity
  flotilla subscriptions test scans event.json       what it would do with an event; starts nothing
  flotilla subscriptions remove scans

{}", remote::EXIT_CODES))]
pub(crate) struct Subscriptions {
    #[command(subcommand)]
    command: Command,
}

/// Where to ask and how to answer.
#[derive(Debug, Args)]
struct Access {
    #[command(flatten)]
    remote: Remote,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// What to do with subscriptions.
#[derive(Debug, Subcommand)]
enum Command {
    /// All subscriptions, by name.
    List(Access),
    /// One subscription, and what became of it.
    Show(One),
    /// Make a subscription, or replace the one of that name.
    Put(WithFile),
    /// Tell what a subscription would do with an event. Starts nothing.
    Test(WithFile),
    /// Remove a subscription. Runs that it started stay.
    Remove(One),
}

/// `flotilla subscriptions show` and `remove`
#[derive(Debug, Args)]
struct One {
    /// Its name.
    name: String,
    #[command(flatten)]
    access: Access,
}

/// `flotilla subscriptions put` and `test`
#[derive(Debug, Args)]
struct WithFile {
    /// Its name: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'.
    name: String,
    /// JSON: the subscription or, for `test`, an event; `-` reads standard input.
    file: String,
    #[command(flatten)]
    access: Access,
}

/// A subscription as the fleet tells it; what is not shown to people is left out.
#[derive(Deserialize)]
struct Shown {
    name: String,
    types: Vec<String>,
    filter: Vec<Value>,
    workflow: String,
    enabled: bool,
    description: String,
    activity: Activity,
}

/// What became of it.
#[derive(Deserialize)]
struct Activity {
    events: u64,
    started: u64,
    repeated: u64,
    refused: u64,
    last_event_at: Option<String>,
    last_run: Option<String>,
    last_refusal: Option<String>,
}

/// All of them.
#[derive(Deserialize)]
struct Listed {
    subscriptions: Vec<Shown>,
}

/// What a subscription would do with an event.
#[derive(Deserialize)]
struct Trial {
    matches: bool,
    misses: Vec<String>,
    enabled: bool,
    started_before: Option<String>,
    would_start: Option<WouldStart>,
    refusal: Option<Refusal>,
}

/// What it would start.
#[derive(Deserialize)]
struct WouldStart {
    workflow: String,
    document: Option<String>,
}

/// Why nothing can be started.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

pub(crate) fn main(subscriptions: &Subscriptions) -> ExitCode {
    let command = &subscriptions.command;
    let (Command::List(access)
    | Command::Show(One { access, .. })
    | Command::Put(WithFile { access, .. })
    | Command::Test(WithFile { access, .. })
    | Command::Remove(One { access, .. })) = command;
    remote::main(&access.remote, async |client| {
        print(&call(command, access.json, client).await?)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes the call; returns what to print.
async fn call(command: &Command, json: bool, client: &Client) -> anyhow::Result<String> {
    let answer: Value = match command {
        Command::List(_) => client.get("/api/v1/subscriptions").await?,
        Command::Show(One { name, .. }) => client.get(&path(name)?).await?,
        Command::Put(WithFile { name, file, .. }) => {
            client.send(Method::PUT, &path(name)?, &events::read(file)?).await?
        }
        Command::Test(WithFile { name, file, .. }) => {
            client.post(&format!("{}/test", path(name)?), &events::read(file)?).await?
        }
        Command::Remove(One { name, .. }) => {
            client.send::<_, Value>(Method::DELETE, &path(name)?, &Value::Null).await?;
            json!({ "removed": name })
        }
    };
    if json {
        return Ok(format!("{answer:#}\n"));
    }
    Ok(match command {
        Command::List(_) => table(&Listed::deserialize(&answer)?.subscriptions),
        Command::Show(_) | Command::Put(_) => details(&Shown::deserialize(&answer)?),
        Command::Test(_) => tried(&Trial::deserialize(&answer)?),
        Command::Remove(One { name, .. }) => format!("removed {name}\n"),
    })
}

/// Where a subscription is. A name with a slash would be another address.
fn path(name: &str) -> Result<String, BadCall> {
    if protocol::workflow::is_name(name) {
        return Ok(format!("/api/v1/subscriptions/{name}"));
    }
    Err(BadCall(format!("{name:?} cannot be the name of a subscription; use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'")))
}

fn table(subscriptions: &[Shown]) -> String {
    if subscriptions.is_empty() {
        return "no subscriptions; `flotilla subscriptions put` makes one\n".to_owned();
    }
    let mut table = new_table(&["subscription", "types", "workflow", "events", "started", "refused", "last event"]);
    for shown in subscriptions {
        let activity = &shown.activity;
        let counts = [activity.events, activity.started, activity.refused].map(|count| count.to_string());
        let mut row = vec![shown.name.clone(), shown.types.join(", "), shown.workflow.clone()];
        row.extend(counts);
        let last = activity.last_event_at.clone().unwrap_or_default();
        row.push(if shown.enabled { last } else { "switched off".to_owned() });
        table.add_row(row);
    }
    format!("{table}\n")
}

fn details(shown: &Shown) -> String {
    let Shown { name, types, filter, workflow, description, activity, .. } = shown;
    let mut text = format!("{name}: {} starts {workflow}\n", types.join(", "));
    if !description.is_empty() {
        text.push_str(&format!("  {description}\n"));
    }
    if !filter.is_empty() {
        text.push_str(&format!("  {} condition(s)\n", filter.len()));
    }
    if !shown.enabled {
        text.push_str("  switched off\n");
    }
    let Activity { events, started, repeated, refused, .. } = activity;
    text.push_str(&format!("  {events} event(s): {started} started, {repeated} repeated, {refused} refused\n"));
    if let Some(at) = &activity.last_event_at {
        text.push_str(&format!("  last   {at}  run {}\n", activity.last_run.as_deref().unwrap_or("none")));
    }
    if let Some(refusal) = &activity.last_refusal {
        text.push_str(&format!("  last refusal   {refusal}\n"));
    }
    text
}

fn tried(trial: &Trial) -> String {
    let mut text = String::new();
    if !trial.matches {
        text.push_str("it is not about this event:\n");
        for miss in &trial.misses {
            text.push_str(&format!("  {miss}\n"));
        }
    }
    if let Some(WouldStart { workflow, document }) = &trial.would_start {
        let on = document.as_ref().map(|key| format!(" on {key}")).unwrap_or_default();
        text.push_str(&format!("it would start {workflow}{on}\n"));
    }
    if let Some(Refusal { code, detail }) = &trial.refusal {
        text.push_str(&format!("it can start nothing: {detail} ({code})\n"));
    }
    if let Some(run) = &trial.started_before {
        text.push_str(&format!("the event has started run {run} before, and starts nothing again\n"));
    }
    if !trial.enabled {
        text.push_str("it is switched off\n");
    }
    text
}
