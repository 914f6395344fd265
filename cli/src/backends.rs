//! `flotilla backends`: who executes workflows, and where new runs go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, Remote};
use crate::remote;
use crate::run::print;
use crate::table::new_table;

const ADDRESS: &str = "/api/v1/backends";
const CHOICE: &str = "/api/v1/backends/choice";

/// `flotilla backends`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = format!("\
Examples:
  flotilla backends                                 who is connected, how they are, what they lack
  flotilla backends use fleet:90,celery:10          one of ten new runs goes to Celery
  flotilla backends use temporal --workflow nightly this workflow goes to Temporal
  flotilla backends shadow nightly temporal:5       of a hundred runs, five are repeated on Temporal to be compared
  flotilla backends shadow nightly temporal:0       no more of that
  flotilla backends reset                           where the dispatchers were started to send runs
  flotilla backends --json | jq '.backends[] | select(.connected) | .name'

What is chosen holds for new runs of all dispatchers within 2 seconds; runs stay where they are. `flotilla compare` shows how
backends fare. Looking takes a key with the scope \"operate\", choosing one with \"admin\".

{}", remote::EXIT_CODES))]
pub(crate) struct Backends {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    access: Access,
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

/// What to do about backends.
#[derive(Debug, Subcommand)]
enum Command {
    /// Send new runs to a backend, or to several in shares.
    Use(Use),
    /// Have runs of a workflow repeated on another backend, to be compared; callers get the answers of the first.
    Shadow(Shadow),
    /// Take back everything that was chosen: as configured.
    Reset(Access),
}

/// `flotilla backends use`
#[derive(Debug, Args)]
struct Use {
    /// One backend, or several with their shares: fleet:90,celery:10.
    #[arg(value_name = "BACKEND[:SHARE],…")]
    split: String,
    /// For runs of this workflow alone. Without it: of all that nobody named.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// `flotilla backends shadow`
#[derive(Debug, Args)]
struct Shadow {
    /// The workflow.
    workflow: String,
    /// The backend that repeats its runs, and how many of a hundred [default: all].
    #[arg(value_name = "BACKEND[:PERCENT]")]
    shadow: String,
    #[command(flatten)]
    access: Access,
}

/// What the fleet answers.
#[derive(Debug, Deserialize)]
struct Answer {
    own: String,
    backends: Vec<Backend>,
    choice: Choice,
}

#[derive(Debug, Deserialize)]
struct Backend {
    name: String,
    connected: bool,
    healthy: Option<bool>,
    reason: Option<String>,
    capabilities: Option<BTreeMap<String, Support>>,
}

#[derive(Debug, Deserialize)]
struct Support {
    support: String,
    #[serde(default)]
    note: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    default: Option<String>,
    workflows: BTreeMap<String, String>,
    shadows: BTreeMap<String, String>,
}

pub(crate) fn main(command: &Backends) -> ExitCode {
    let access = match &command.command {
        None => &command.access,
        Some(Command::Use(Use { access, .. }) | Command::Shadow(Shadow { access, .. }) | Command::Reset(access)) => {
            access
        }
    };
    remote::main(&access.remote, async |client| {
        let answer = call(command.command.as_ref(), client).await?;
        print(&if access.json { format!("{answer:#}\n") } else { render(&Answer::deserialize(&answer)?) })?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes the call.
async fn call(command: Option<&Command>, client: &Client) -> anyhow::Result<Value> {
    let (field, name, value) = match command {
        None => return Ok(client.get(ADDRESS).await?),
        Some(Command::Reset(_)) => return Ok(client.send(Method::DELETE, CHOICE, &Value::Null).await?),
        Some(Command::Use(Use { split, workflow: None, .. })) => ("default", None, split),
        Some(Command::Use(Use { split, workflow: Some(workflow), .. })) => ("workflows", Some(workflow), split),
        Some(Command::Shadow(Shadow { workflow, shadow, .. })) => ("shadows", Some(workflow), shadow),
    };
    // What was said before stays, but for this.
    let known: Value = client.get(ADDRESS).await?;
    let mut said = if known["said"].is_object() { known["said"].clone() } else { json!({}) };
    match name {
        None => said[field] = json!(value),
        Some(name) => said[field][name] = json!(value),
    }
    Ok(client.send(Method::PUT, CHOICE, &said).await?)
}

/// Backends as a person reads them.
fn render(answer: &Answer) -> String {
    let mut table = new_table(&["backend", "connected", "health", "emulated", "missing"]);
    for backend in &answer.backends {
        let Backend { name, connected, healthy, reason, .. } = backend;
        let health = match (healthy, reason) {
            (Some(true), _) => "well".to_owned(),
            (Some(false), reason) => reason.clone().unwrap_or_else(|| "not well".to_owned()),
            (None, _) => String::new(),
        };
        let connected = if *connected { "yes" } else { "no" };
        table.add_row([name.clone(), connected.to_owned(), health, backend.with("emulated"), backend.with("missing")]);
    }
    let mut text = format!("{table}\n");
    for Backend { reason, .. } in answer.backends.iter().filter(|backend| !backend.connected) {
        let _ = writeln!(text, "· {}", reason.as_deref().unwrap_or_default());
    }
    let Choice { default, workflows, shadows } = &answer.choice;
    let _ = writeln!(text, "new runs go to {}", default.as_ref().unwrap_or(&answer.own));
    for (workflow, split) in workflows {
        let _ = writeln!(text, "  those of {workflow} to {split}");
    }
    for (workflow, shadow) in shadows {
        let (backend, percent) = shadow.split_once(':').unwrap_or((shadow, "100"));
        let _ =
            writeln!(text, "  {percent} % of {workflow} are repeated on {backend}; `flotilla compare` compares them");
    }
    text
}

impl Backend {
    /// Its abilities with that support, each with how or why.
    fn with(&self, support: &str) -> String {
        let found = self.capabilities.iter().flatten().filter(|(_, ability)| ability.support == support);
        found.map(|(name, ability)| format!("{name}: {}", ability.note)).collect::<Vec<_>>().join("\n")
    }
}
