//! `flotilla cancel`: ends a run of a fleet before it is done.

use std::process::ExitCode;

use clap::Args;
use protocol::RunId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers;
use crate::client::Remote;
use crate::remote;
use crate::run::print;

/// `flotilla cancel`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Tasks that wait are not started any more; those under way are told to stop. A run that is cancelled already stays so;
one that has ended otherwise cannot be cancelled, which is exit code 1.

{}", remote::EXIT_CODES))]
pub(crate) struct Cancel {
    /// The run.
    run: RunId,
    /// Print where the run stands now as one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Cancel) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let answer: Value = client.post(&format!("/api/v1/runs/{}/cancel", command.run), &json!({})).await?;
        let status = answers::Status::deserialize(&answer)?;
        print(&if command.json { format!("{answer:#}\n") } else { format!("{}  {}\n", status.run_id, status.status) })?;
        Ok(ExitCode::SUCCESS)
    })
}
