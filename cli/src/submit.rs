//! `flotilla submit`: documents, handed to a running fleet.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use protocol::{RunId, RunState};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::answers::Accepted;
use crate::client::{Client, Error, Remote};
use crate::remote::{self, BadCall};
use crate::result::{self, Ended};
use crate::run::{FAILED, print, say};
use crate::table::new_table;
use crate::watch;

/// How long an upload may take; a client that sends nothing is sent away sooner.
const UPLOAD: Duration = Duration::from_secs(3600);

/// How often a fleet that takes in many documents already is asked again, a second apart.
const TRIES: u32 = 60;

/// `flotilla submit`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla submit invoice.pdf                                    prints the id of the run
  flotilla submit invoice.pdf --wait                             progress, then the answers
  flotilla submit contract.md --request questions.json --wait --json | jq .output
  flotilla submit inbox/*.pdf --request invoice.json --priority -5
  flotilla submit a.pdf --idempotency-key order-4711             sent twice, run once

{}", remote::EXIT_CODES))]
pub(crate) struct Submit {
    /// The documents: PDF, Office, e-mail, HTML, pictures, text. Each becomes a run.
    #[arg(value_name = "DOC", required = true)]
    documents: Vec<PathBuf>,
    /// The questions, as a JSON extraction request (docs/request.md). Without it: a default set for the kind of
    /// document.
    #[arg(long, value_name = "REQ.json")]
    request: Option<PathBuf>,
    /// Wait until the runs have ended. One document: print its answers; several: a line for each.
    #[arg(long)]
    wait: bool,
    /// Runs of a higher priority are released first, whoever owns them.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// Makes it safe to send the same document again: a key starts at most one run. For one document.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Print JSON and nothing else, one object a line for each document: what the fleet accepted or, with --wait, the
    /// result.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// A document and the run that it became.
struct Submitted<'a> {
    document: &'a Path,
    run: RunId,
}

pub(crate) fn main(command: &Submit) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let questions = checked(command)?;
        let mut submitted = Vec::with_capacity(command.documents.len());
        for document in &command.documents {
            let answer = hand_in(client, command, document, questions.as_deref()).await;
            let answer = answer.with_context(|| format!("{} was not submitted", document.display()))?;
            let accepted: Accepted = serde_json::from_value(answer.clone())?;
            if !command.wait {
                print(&receipt(command, document, &accepted, answer)?)?;
            }
            submitted.push(Submitted { document, run: accepted.run_id });
        }
        match &submitted[..] {
            _ if !command.wait => Ok(ExitCode::SUCCESS),
            [one] => {
                watch::to_the_end(client, one.run, !command.json).await?;
                let ended = result::of_ended(client, one.run).await?;
                if command.json {
                    print(&format!("{}\n", ended.line()))?;
                    return Ok(remote::exit_code(ended.state()));
                }
                ended.show(false, None)
            }
            several => wait_for(client, several, command.json).await,
        }
    })
}

/// Everything that can be wrong with the call itself and shows before anything is sent; the questions, as they are sent.
fn checked(command: &Submit) -> anyhow::Result<Option<String>> {
    let bad = |text: String| anyhow::Error::from(BadCall(text));
    for document in &command.documents {
        let unreadable = |why: &dyn std::fmt::Display| bad(format!("document {} {why}", document.display()));
        let metadata = std::fs::metadata(document).map_err(|error| unreadable(&format!("cannot be read: {error}")))?;
        if !metadata.is_file() {
            return Err(unreadable(&"is not a file"));
        }
    }
    if command.idempotency_key.is_some() && command.documents.len() > 1 {
        return Err(bad("--idempotency-key goes with one document: a key starts one run".to_owned()));
    }
    let Some(path) = &command.request else { return Ok(None) };
    let text = std::fs::read_to_string(path);
    text.map(Some).map_err(|error| bad(format!("request {} cannot be read: {error}", path.display())))
}

/// Sends one document; the answer as it came.
async fn hand_in(client: &Client, command: &Submit, document: &Path, questions: Option<&str>) -> anyhow::Result<Value> {
    let mut tries = 1;
    loop {
        let mut form = Form::new().part("file", Part::file(document).await?);
        if let Some(questions) = questions {
            form = form.part("request", Part::text(questions.to_owned()).mime_str("application/json")?);
        }
        let path = format!("/api/v1/runs?priority={}", command.priority);
        let mut request = client.request(Method::POST, &path).timeout(UPLOAD).multipart(form);
        if let Some(key) = &command.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        match client.answer(request).await {
            Ok((status, bytes)) => return Ok(client.parse(status, &bytes)?),
            Err(Error::Refused(problem)) if problem.code == "too_many_uploads" && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is printed about a document that was accepted.
fn receipt(command: &Submit, document: &Path, accepted: &Accepted, mut answer: Value) -> anyhow::Result<String> {
    let document = document.display().to_string();
    if command.json {
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("document".to_owned(), json!(document));
        }
        return Ok(format!("{}\n", serde_json::to_string(&answer)?));
    }
    let again = if accepted.created { "" } else { "  (submitted before)" };
    Ok(format!("{}  {document}{again}\n", accepted.run_id))
}

/// Waits for all runs; a line for each.
async fn wait_for(client: &Client, submitted: &[Submitted<'_>], json: bool) -> anyhow::Result<ExitCode> {
    let visible = !json && std::io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(submitted.len() as u64), target);
    let mut table = new_table(&["document", "run", "status", "answered", "errors"]);
    let mut failed = 0;
    for one in submitted {
        watch::to_the_end(client, one.run, false).await?;
        let ended = result::of_ended(client, one.run).await?;
        failed += usize::from(ended.state() != RunState::Succeeded);
        bar.inc(1);
        if json {
            print(&format!("{}\n", ended.line()))?;
        } else {
            table.add_row(row(one, &ended));
        }
    }
    bar.finish_and_clear();
    if !json {
        print(&format!("{table}\n"))?;
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !json {
        say(&format!("{failed} of {} runs did not succeed; `flotilla logs RUN` says why", submitted.len()));
    }
    Ok(ExitCode::from(FAILED))
}

fn row(one: &Submitted<'_>, ended: &Ended) -> [String; 5] {
    let (answered, errors) = match ended.of_document() {
        Some(result) => {
            let values = &result.collated.output;
            let answered = values.values().filter(|value| !value.is_null()).count();
            (format!("{answered} of {}", values.len()), result.collated.errors.len().to_string())
        }
        None => (String::new(), String::new()),
    };
    [one.document.display().to_string(), one.run.to_string(), ended.state().to_string(), answered, errors]
}
