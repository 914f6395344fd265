//! `flotilla signal`: tells a run under way something.

use std::process::ExitCode;

use clap::Args;
use protocol::RunId;
use serde_json::Value;

use crate::client::Remote;
use crate::remote::{self, BadCall};
use crate::run::print;

/// `flotilla signal`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla signal 01934567-89ab-7cde-8f01-23456789abcd approved
  flotilla signal 01934567-89ab-7cde-8f01-23456789abcd approved --payload '{{\"by\": \"ann\"}}'

The backend of the run passes it on; `flotilla backends` shows which of them take signals. Our own engine does not.

{}", remote::EXIT_CODES))]
pub(crate) struct Signal {
    /// The run.
    run: RunId,
    /// Name of the signal: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'.
    name: String,
    /// What to tell, as JSON [default: null].
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Signal) -> ExitCode {
    let Signal { run, name, payload, json, remote } = command;
    remote::main(remote, async |client| {
        // A name with a slash would be another address.
        if !protocol::workflow::is_name(name) {
            let what = format!("{name:?} cannot be the name of a signal; use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'");
            return Err(BadCall(what).into());
        }
        let payload: Value = match payload {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| BadCall(format!("--payload is not JSON: {error}; a text needs quotes: '\"text\"'")))?,
            None => Value::Null,
        };
        let answer: Value = client.post(&format!("/api/v1/runs/{run}/signals/{name}"), &payload).await?;
        print(&if *json { format!("{answer:#}\n") } else { format!("sent {name} to run {run}\n") })?;
        Ok(ExitCode::SUCCESS)
    })
}
