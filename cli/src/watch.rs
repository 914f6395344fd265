//! `flotilla watch`: a run, followed to its end.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use protocol::RunId;

use crate::client::{Client, Error, Remote};
use crate::follow::Follower;
use crate::progress::Progress;
use crate::{remote, result};

/// `flotilla watch`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla watch 01934567-89ab-7cde-8f01-23456789abcd          progress of each stage, then the answers
  flotilla watch 01934567-89ab-7cde-8f01-23456789abcd --json   quiet until the result is there

{}", remote::EXIT_CODES))]
pub(crate) struct Watch {
    /// The run.
    run: RunId,
    /// Print the result as one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Watch) -> ExitCode {
    remote::main(&command.remote, async |client| {
        to_the_end(client, command.run, !command.json).await?;
        result::of_ended(client, command.run).await?.show(command.json, None)
    })
}

/// Waits for the end of a run, showing how it gets on to a person at a terminal.
///
/// # Errors
/// [`Error`].
pub(crate) async fn to_the_end(client: &Client, run: RunId, visible: bool) -> Result<(), Error> {
    let mut progress = Progress::new(visible && std::io::stderr().is_terminal());
    let mut follower = Follower::new(client, run);
    while let Some(events) = follower.next().await? {
        for event in &events {
            progress.show(event);
        }
    }
    Ok(())
}
