//! `flotilla result`: what a run of a fleet has found out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use protocol::result::ExtractionResult;
use protocol::{RunId, RunState};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, Error, Remote};
use crate::remote::BadCall;
use crate::run::print;
use crate::{out, remote, table};

/// `flotilla result`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla result 01934567-89ab-7cde-8f01-23456789abcd
  flotilla result 01934567-89ab-7cde-8f01-23456789abcd --json | jq .output
  flotilla result 01934567-89ab-7cde-8f01-23456789abcd --out result.json

A run that is still under way has no result yet: that is exit code 1. `flotilla watch` waits for it.

{}", remote::EXIT_CODES))]
pub(crate) struct Result {
    /// The run.
    run: RunId,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Also write the JSON object to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// The result of a run that has ended, as the fleet gave it.
pub(crate) struct Ended {
    value: Value,
    state: RunState,
}

pub(crate) fn main(command: &Result) -> ExitCode {
    remote::main(&command.remote, async |client| {
        if let Some(path) = &command.out {
            out::check(path).map_err(|error| BadCall(format!("{error:#}")))?;
        }
        of_ended(client, command.run).await?.show(command.json, command.out.as_deref())
    })
}

/// The result of a run, which has to have ended.
///
/// # Errors
/// When it is still under way, or [`Error`].
pub(crate) async fn of_ended(client: &Client, run: RunId) -> anyhow::Result<Ended> {
    match fetch(client, run).await? {
        Some(ended) => Ok(ended),
        None => bail!("run {run} is still under way; `flotilla watch {run}` waits for its result"),
    }
}

/// The result of a run, if it has ended.
async fn fetch(client: &Client, run: RunId) -> std::result::Result<Option<Ended>, Error> {
    #[derive(Deserialize)]
    struct Outline {
        status: RunState,
    }

    let request = client.request(Method::GET, &format!("/api/v1/runs/{run}/result"));
    let (status, bytes) = client.answer(request).await?;
    if status == StatusCode::ACCEPTED {
        return Ok(None);
    }
    let Outline { status: state } = client.parse(status, &bytes)?;
    Ok(Some(Ended { value: client.parse(status, &bytes)?, state }))
}

impl Ended {
    /// The result, if it is that of a document.
    pub(crate) fn of_document(&self) -> Option<ExtractionResult> {
        ExtractionResult::deserialize(&self.value).ok()
    }

    /// How the run ended.
    pub(crate) const fn state(&self) -> RunState {
        self.state
    }

    /// On one line.
    pub(crate) fn line(&self) -> String {
        self.value.to_string()
    }

    /// Prints the result, then writes the file: neither is lost with the other. Returns the exit code that says how the
    /// run ended.
    ///
    /// # Errors
    /// When either cannot be written.
    pub(crate) fn show(&self, json: bool, out: Option<&Path>) -> anyhow::Result<ExitCode> {
        let text = serde_json::to_string_pretty(&self.value)?;
        let document = if json { None } else { self.of_document() };
        let printed = match document {
            Some(result) => print(&table::render(&result)),
            None => print(&format!("{text}\n")),
        };
        if let Some(path) = out {
            out::write(path, &text)?;
        }
        printed.context("the result cannot be printed")?;
        Ok(remote::exit_code(self.state))
    }
}
