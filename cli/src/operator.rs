//! What the commands of operators have in common: they ask a fleet once and print its answer.

use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use crate::{client, run};

/// Runs one command to its exit code: 1 when the fleet is away or could not do it, 2 when the call was wrong.
pub(crate) fn main(command: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("no runtime").and_then(|runtime| runtime.block_on(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref::<client::Error>().is_some_and(client::Error::is_bad_call) => {
            run::refuse(&error)
        }
        Err(error) => run::fail(&error),
    }
}

/// Prints an answer: as JSON for programs, or in words.
pub(crate) fn print<T: Serialize>(json: bool, answer: &T, words: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
    let text = if json { format!("{}\n", serde_json::to_string_pretty(answer)?) } else { words(answer) };
    run::print(&text).context("the answer cannot be printed")
}
