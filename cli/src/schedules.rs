//! `flotilla schedules`: runs of a fleet that start by the clock.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::{self, Client, Remote};
use crate::run::{fail, print, refuse};
use crate::table::new_table;

const EXIT_CODES: &str = "Exit codes: 0 succeeded · 1 failed · 2 bad usage or bad request";

/// `flotilla schedules`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla schedules set morning --workflow nightly --cron '30 6 * * mon-fri' --time-zone Europe/Berlin
  flotilla schedules set morning --workflow nightly --cron @daily --input day.json --misfire skip
  flotilla schedules list
  flotilla schedules show morning --json | jq -r '.upcoming[]'
  flotilla schedules remove morning

{EXIT_CODES}"))]
pub(crate) struct Schedules {
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

/// What to do with schedules.
#[derive(Debug, Subcommand)]
enum Command {
    /// All schedules, by name.
    List(Access),
    /// One schedule with its next five times.
    Show(One),
    /// Make a schedule, or replace the one of that name.
    Set(Set),
    /// Remove a schedule. Runs that it started stay.
    Remove(One),
}

/// `flotilla schedules show` and `remove`
#[derive(Debug, Args)]
struct One {
    /// Its name.
    name: String,
    #[command(flatten)]
    access: Access,
}

/// `flotilla schedules set`
#[derive(Debug, Args)]
struct Set {
    /// Its name: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'.
    name: String,
    /// The workflow whose latest version is run.
    #[arg(long, value_name = "NAME")]
    workflow: String,
    /// When: minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly.
    #[arg(long, value_name = "FIELDS")]
    cron: String,
    /// The IANA time zone of these times.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// What every task gets, as a JSON file. Without it: null.
    #[arg(long, value_name = "FILE.json")]
    input: Option<PathBuf>,
    /// What happens with times that passed while nobody kept time.
    #[arg(long, value_name = "POLICY", default_value = "once")]
    misfire: Misfire,
    /// Priority of its runs; higher ones are released first.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// Keep it without letting it fire.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    access: Access,
}

/// What happens with missed times.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Misfire {
    /// They are left out.
    Skip,
    /// The latest is made up for.
    Once,
    /// The latest hundred are made up for.
    All,
}

/// A schedule as the fleet tells it; what is not shown to people is left out.
#[derive(Deserialize)]
struct Shown {
    name: String,
    workflow: String,
    cron: String,
    time_zone: String,
    enabled: bool,
    last_at: Option<String>,
    last_run: Option<String>,
    #[serde(default)]
    upcoming: Vec<String>,
}

/// All of them.
#[derive(Deserialize)]
struct Listed {
    schedules: Vec<Shown>,
}

pub(crate) fn main(schedules: &Schedules) -> ExitCode {
    let (Command::List(access)
    | Command::Show(One { access, .. })
    | Command::Set(Set { access, .. })
    | Command::Remove(One { access, .. })) = &schedules.command;
    let client = match Client::new(&access.remote) {
        Ok(client) => client,
        Err(error) => return refuse(&error.into()),
    };
    let answered = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(call(&schedules.command, access.json, &client)));
    match answered.and_then(|text| Ok(print(&text)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<client::Error>() {
            Some(bad) if bad.is_bad_call() => refuse(&error),
            _ if error.is::<BadInput>() => refuse(&error),
            _ => fail(&error),
        },
    }
}

/// Makes the call; returns what to print.
async fn call(command: &Command, json: bool, client: &Client) -> anyhow::Result<String> {
    let answer: Value = match command {
        Command::List(_) => client.get("/api/v1/schedules").await?,
        Command::Show(One { name, .. }) => client.get(&path(name)?).await?,
        Command::Set(set) => client.send(Method::PUT, &path(&set.name)?, &body(set)?).await?,
        Command::Remove(One { name, .. }) => {
            client.send::<_, Value>(Method::DELETE, &path(name)?, &Value::Null).await?;
            json!({ "removed": name })
        }
    };
    if json {
        return Ok(format!("{answer:#}\n"));
    }
    Ok(match command {
        Command::List(_) => table(&Listed::deserialize(&answer)?.schedules),
        Command::Show(_) | Command::Set(_) => details(&Shown::deserialize(&answer)?),
        Command::Remove(One { name, .. }) => format!("removed {name}\n"),
    })
}

/// Something wrong with the call that shows before anything is sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadInput(String);

/// Where a schedule is. A name with a slash would be another address.
fn path(name: &str) -> Result<String, BadInput> {
    if protocol::workflow::is_name(name) {
        return Ok(format!("/api/v1/schedules/{name}"));
    }
    Err(BadInput(format!("{name:?} cannot be the name of a schedule; use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'")))
}

fn body(set: &Set) -> anyhow::Result<Value> {
    let input = set.input.as_deref().map(input).transpose()?;
    Ok(json!({
        "workflow": set.workflow,
        "input": input,
        "cron": set.cron,
        "time_zone": set.time_zone,
        "misfire": set.misfire,
        "priority": set.priority,
        "enabled": !set.disabled,
    }))
}

fn input(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).map_err(|error| BadInput(format!("{} cannot be read: {error}", file.display())))?;
    let value = serde_json::from_slice(&text);
    value.map_err(|error| BadInput(format!("{} is not JSON: {error}", file.display()))).context("the input")
}

fn table(schedules: &[Shown]) -> String {
    if schedules.is_empty() {
        return "no schedules; `flotilla schedules set` makes one\n".to_owned();
    }
    let mut table = new_table(&["schedule", "workflow", "cron", "time zone", "next", "last run"]);
    for schedule in schedules {
        let row = [&schedule.name, &schedule.workflow, &schedule.cron, &schedule.time_zone];
        let mut row: Vec<String> = row.into_iter().cloned().collect();
        row.extend([next(schedule), schedule.last_run.clone().unwrap_or_default()]);
        table.add_row(row);
    }
    format!("{table}\n")
}

fn next(schedule: &Shown) -> String {
    match schedule.upcoming.first() {
        _ if !schedule.enabled => "switched off".to_owned(),
        Some(next) => next.clone(),
        None => "never".to_owned(),
    }
}

fn details(schedule: &Shown) -> String {
    let Shown { name, workflow, cron, time_zone, .. } = schedule;
    let mut text = format!("{name}: {workflow} at {cron:?} in {time_zone}\n");
    if schedule.enabled {
        for time in &schedule.upcoming {
            text.push_str(&format!("  next   {time}\n"));
        }
    } else {
        text.push_str("  switched off\n");
    }
    if let (Some(at), Some(run)) = (&schedule.last_at, &schedule.last_run) {
        text.push_str(&format!("  last   {at}  run {run}\n"));
    }
    text
}
