//! `flotilla webhooks`: where a fleet tells about the ends of runs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, Remote};
use crate::remote::{self, BadCall};
use crate::run::print;
use shown::{Delivery, Listed, Shown, details, fared, table};

mod shown;

/// Which deliveries are shown.
const SHOWN: usize = 20;

/// How long a test waits for an answer, and between looks.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// `flotilla webhooks`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla webhooks put orders https://hooks.example.com/flotilla --event run.failed
  flotilla webhooks test orders                     send a message now, and wait up to 30 s for the answer
  flotilla webhooks show orders                     with what became of the latest messages
  flotilla webhooks replay orders DELIVERY          send one again
  flotilla webhooks rotate orders --keep 48         a new secret; the old one goes on for 48 hours
  flotilla webhooks list --json | jq -r '.webhooks[].url'
  flotilla webhooks remove orders

{}", remote::EXIT_CODES))]
pub(crate) struct Webhooks {
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

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
enum Command {
    /// All webhooks, by id.
    List(Access),
    /// One webhook, and what became of the latest messages to it.
    Show(One),
    /// Set a webhook up, or change the one of that id. The secret of a new one is printed this once.
    Put(Put),
    /// Send a message now and tell how that went.
    Test(One),
    /// Exchange the secret. The new one is printed this once.
    Rotate(Rotate),
    /// Send a message again under the id that it had.
    Replay(Replay),
    /// Remove a webhook. What is on its way to it is given up.
    Remove(One),
}

/// `flotilla webhooks show`, `test` and `remove`
#[derive(Debug, Args)]
struct One {
    /// Its id.
    id: String,
    #[command(flatten)]
    access: Access,
}

/// `flotilla webhooks put`
#[derive(Debug, Args)]
struct Put {
    /// Its id: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'.
    id: String,
    /// Where messages go.
    address: String,
    /// Tell about this alone: run.succeeded, run.failed or run.cancelled; several times for several. Without it: all.
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// A note.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Keep it without sending anything.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    access: Access,
}

/// `flotilla webhooks rotate`
#[derive(Debug, Args)]
struct Rotate {
    /// Its id.
    id: String,
    /// For how many hours the old secret signs, too.
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
    keep: u32,
    #[command(flatten)]
    access: Access,
}

/// `flotilla webhooks replay`
#[derive(Debug, Args)]
struct Replay {
    /// Its id.
    id: String,
    /// The delivery, as `show` lists it.
    delivery: String,
    #[command(flatten)]
    access: Access,
}

pub(crate) fn main(webhooks: &Webhooks) -> ExitCode {
    let command = &webhooks.command;
    let (Command::List(access)
    | Command::Show(One { access, .. })
    | Command::Put(Put { access, .. })
    | Command::Test(One { access, .. })
    | Command::Rotate(Rotate { access, .. })
    | Command::Replay(Replay { access, .. })
    | Command::Remove(One { access, .. })) = command;
    remote::main(&access.remote, async |client| {
        let answer = call(command, client).await?;
        let text = if access.json { format!("{answer:#}\n") } else { told(command, &answer)? };
        print(&text)?;
        // Whoever tests wants to know in a script.
        let failed = matches!(command, Command::Test(_)) && !answer["error"].is_null();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// Makes the call.
async fn call(command: &Command, client: &Client) -> anyhow::Result<Value> {
    Ok(match command {
        Command::List(_) => client.get("/api/v1/webhooks").await?,
        Command::Show(One { id, .. }) => {
            let path = path(id)?;
            let mut shown: Value = client.get(&path).await?;
            let page: Value = client.get(&format!("{path}/deliveries?limit={SHOWN}")).await?;
            shown["deliveries"] = page["deliveries"].clone();
            shown
        }
        Command::Put(put) => {
            let Put { address, events, description, disabled, .. } = put;
            let body = json!({ "url": address, "events": events, "description": description, "enabled": !disabled });
            client.send(Method::PUT, &path(&put.id)?, &body).await?
        }
        Command::Test(One { id, .. }) => {
            let path = path(id)?;
            let started: Value = client.post(&format!("{path}/test"), &json!({})).await?;
            tried(client, &path, started).await?
        }
        Command::Rotate(Rotate { id, keep, .. }) => {
            client.post(&format!("{}/rotate?keep={keep}", path(id)?), &json!({})).await?
        }
        Command::Replay(Replay { id, delivery, .. }) => {
            let delivery: uuid::Uuid = delivery.parse().map_err(|_| {
                BadCall(format!("{delivery:?} is no delivery; `flotilla webhooks show {id}` lists them"))
            })?;
            client.post(&format!("{}/deliveries/{delivery}/replay", path(id)?), &json!({})).await?
        }
        Command::Remove(One { id, .. }) => {
            client.send::<_, Value>(Method::DELETE, &path(id)?, &Value::Null).await?;
            json!({ "removed": id })
        }
    })
}

/// How the first attempt of a delivery went, or how the delivery goes when there was none in time.
async fn tried(client: &Client, path: &str, mut delivery: Value) -> anyhow::Result<Value> {
    let give_up = Instant::now() + PATIENCE;
    let id = Delivery::deserialize(&delivery)?.id;
    while delivery["attempts"] == 0 && delivery["ended_at"].is_null() && Instant::now() < give_up {
        tokio::time::sleep(PAUSE).await;
        delivery = client.get(&format!("{path}/deliveries/{id}")).await?;
    }
    Ok(delivery)
}

/// An answer for people.
fn told(command: &Command, answer: &Value) -> anyhow::Result<String> {
    Ok(match command {
        Command::List(_) => table(&Listed::deserialize(answer)?.webhooks),
        Command::Show(_) | Command::Put(_) | Command::Rotate(_) => details(&Shown::deserialize(answer)?),
        Command::Test(_) | Command::Replay(_) => fared(&Delivery::deserialize(answer)?),
        Command::Remove(One { id, .. }) => format!("removed {id}\n"),
    })
}

/// Where a webhook is. An id with a slash would be another address.
fn path(id: &str) -> Result<String, BadCall> {
    if protocol::workflow::is_name(id) {
        return Ok(format!("/api/v1/webhooks/{id}"));
    }
    Err(BadCall(format!("{id:?} cannot be the id of a webhook; use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'")))
}
