//! `flotilla retry`: does a run of a fleet again from where it went wrong.

use std::process::ExitCode;

use clap::Args;
use protocol::RunId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers;
use crate::client::Remote;
use crate::remote;
use crate::run::print;

/// `flotilla retry`
#[derive(Debug, Args)]
#[command(after_help = format!("\
A new run with the same input begins. What succeeded in the old one is taken over and neither done nor paid for again.

Examples:
  flotilla retry 01934567-89ab-7cde-8f01-23456789abcd
  flotilla retry 01934567-89ab-7cde-8f01-23456789abcd --from agentic-extract     from there on, even if it succeeded
  flotilla watch $(flotilla retry 01934567-89ab-7cde-8f01-23456789abcd | cut -d' ' -f1)

{}", remote::EXIT_CODES))]
pub(crate) struct Retry {
    /// The run; it has to have ended.
    run: RunId,
    /// The task to begin with, even if it succeeded; what comes after it is done again too.
    #[arg(long, value_name = "TASK")]
    from: Option<String>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Retry) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let path = format!("/api/v1/runs/{}/retry", command.run);
        let answer: Value = client.post(&path, &json!({ "from": command.from })).await?;
        let accepted = answers::Accepted::deserialize(&answer)?;
        print(&if command.json {
            format!("{answer:#}\n")
        } else {
            format!("{}  does {} again\n", accepted.run_id, command.run)
        })?;
        Ok(ExitCode::SUCCESS)
    })
}
