//! `flotilla run`: one document through the embedded system.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use dispatcher::results;
use dispatcher::submission::{self, Submission, hash};
use ledger::Submitted;
use protocol::request::{ExtractionRequest, UnreadableRequest};
use protocol::result::ExtractionResult;
use protocol::{Lifecycle, LifecycleEvent, RunEvent, RunId, RunState, TenantId};
use service::Shutdown;
use service::traces::Traces;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::args::Run;
use crate::embedded::Embedded;
use crate::progress::Progress;
use crate::{out, scratch, table};

/// Exit codes.
pub(crate) const FAILED: u8 = 1;
pub(crate) const BAD_USAGE: u8 = 2;
pub(crate) const INTERRUPTED: u8 = 130;

/// How long running tasks may take to finish after an interruption.
const GRACE: Duration = Duration::from_secs(5);

/// How often the ledger is asked in case an announcement was missed.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) fn main(command: Run) -> ExitCode {
    let request = match checked(&command) {
        Ok(request) => request,
        Err(error) => return refuse(&error),
    };
    let outcome = Shutdown::signals().map_err(anyhow::Error::from).and_then(|shutdown| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(&command, request, shutdown))
    });
    match outcome {
        Ok(Some(result)) => match show(&command, &result) {
            Ok(()) if result.status == RunState::Succeeded => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(FAILED),
            Err(error) => fail(&error),
        },
        Ok(None) => {
            if command.state.is_some() && !command.fresh {
                say("interrupted; the same command takes it up again");
            }
            ExitCode::from(INTERRUPTED)
        }
        Err(error) if is_bad_call(&error) => refuse(&error),
        Err(error) => fail(&error),
    }
}

/// Everything that can be wrong with the call itself and shows before the work.
fn checked(command: &Run) -> anyhow::Result<ExtractionRequest> {
    let document = &command.document;
    let metadata =
        std::fs::metadata(document).with_context(|| format!("document {} cannot be read", document.display()))?;
    if !metadata.is_file() {
        bail!("document {} is not a file", document.display());
    }
    std::fs::File::open(document).with_context(|| format!("document {} cannot be read", document.display()))?;
    command.engine.check()?;
    if let Some(path) = &command.out {
        out::check(path)?;
    }
    let Some(path) = &command.request else { return Ok(ExtractionRequest::default()) };
    let text = std::fs::read(path).with_context(|| format!("request {} cannot be read", path.display()))?;
    ExtractionRequest::parse_text(&text).map_err(|error| match error {
        UnreadableRequest::Invalid(invalid) => invalid.into(),
        UnreadableRequest::NotJson(error) => {
            anyhow::Error::new(error).context(format!("request {} is not JSON", path.display()))
        }
    })
}

/// What only the work shows to be wrong with the call.
fn is_bad_call(error: &anyhow::Error) -> bool {
    use submission::Error::{Changed, Unreadable, WrongDocument};
    matches!(error.downcast_ref(), Some(Changed { .. } | Unreadable { .. } | WrongDocument { .. }))
}

/// The result, or `None` when interrupted.
async fn run(
    command: &Run,
    request: ExtractionRequest,
    shutdown: Shutdown,
) -> anyhow::Result<Option<ExtractionResult>> {
    // Without --state nothing is kept: the folder goes with the guard.
    let temporary = if command.state.is_none() { Some(scratch::folder()?) } else { None };
    let kept = command.state.clone();
    let state: PathBuf = kept.or_else(|| temporary.as_ref().map(|dir| dir.path().to_path_buf())).unwrap_or_default();
    let embedded =
        Embedded::start(&state, &command.master_key, &command.engine, &shutdown, GRACE, Traces::default()).await?;
    let tenant = TenantId::default_tenant();
    let announcements = embedded.fleet.watch();
    let submitted = submit(&embedded, command, request, &tenant).await?;
    let ended = tokio::select! {
        ended = wait(&embedded, &tenant, submitted.id, announcements) => { ended?; true }
        () = shutdown.requested() => false,
    };
    let result = if ended {
        let record =
            embedded.fleet.status(&tenant, submitted.id).await?.context("the run has vanished from the ledger")?;
        Some(results::assemble(&record, embedded.objects.as_ref()).await?)
    } else {
        None
    };
    shutdown.trigger();
    embedded.tasks.join(GRACE + Duration::from_secs(2)).await?;
    Ok(result)
}

/// Submits the document. With --state, a run that was begun before is taken up and one that is finished is shown again;
/// one that ended with errors is worth another try.
async fn submit(
    embedded: &Embedded,
    command: &Run,
    request: ExtractionRequest,
    tenant: &TenantId,
) -> anyhow::Result<Submitted> {
    let key = idempotency_key(command, &request).await?;
    let submission = Submission {
        tenant: tenant.clone(),
        file: command.document.clone(),
        file_name: command.document.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        request,
        idempotency_key: None,
        priority: 0,
    };
    let mut tries = 0_u32;
    loop {
        let idempotency_key = key.as_ref().map(|key| format!("{key}:{tries}"));
        let submitted = embedded.desk.submit(Submission { idempotency_key, ..submission.clone() }).await?;
        let record = embedded.fleet.status(tenant, submitted.id).await?;
        let Some(record) = record.filter(|record| !submitted.created && record.run.state.is_final()) else {
            return Ok(submitted);
        };
        let result = results::assemble(&record, embedded.objects.as_ref()).await?;
        if result.status == RunState::Succeeded && result.collated.errors.is_empty() {
            if !command.json {
                say("shown from an earlier run; --fresh starts over");
            }
            return Ok(submitted);
        }
        tries += 1;
    }
}

/// The same document with the same questions and the same reader is the same run.
async fn idempotency_key(command: &Run, request: &ExtractionRequest) -> anyhow::Result<Option<String>> {
    if command.state.is_none() || command.fresh {
        return Ok(None);
    }
    let document = hash(&command.document).await?;
    let worker::flags::Model { model_url, model, model_context, .. } = &command.engine.model;
    let identity = serde_json::to_vec(&(document, &command.document, request, model_url, model, model_context))?;
    Ok(Some(format!("run:{:x}", Sha256::digest(identity))))
}

async fn wait(
    embedded: &Embedded,
    tenant: &TenantId,
    run: RunId,
    mut announcements: broadcast::Receiver<Lifecycle>,
) -> anyhow::Result<()> {
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    loop {
        let event = tokio::time::timeout(LOOK, announcements.recv()).await;
        match event {
            Ok(Ok(event)) if event.run_id == run => {
                if matches!(event.event, LifecycleEvent::RunEnded { .. }) {
                    return Ok(());
                }
                progress.show(&RunEvent::numbered(0, event));
            }
            Ok(Ok(_)) => {}
            Ok(Err(RecvError::Closed)) => bail!("the workers have stopped"),
            Ok(Err(RecvError::Lagged(_))) | Err(_) => {
                let record = embedded.fleet.status(tenant, run).await?;
                if record.is_none_or(|record| record.run.state.is_final()) {
                    return Ok(());
                }
            }
        }
    }
}

/// Prints the result, then writes the file: neither is lost with the other.
fn show(command: &Run, result: &ExtractionResult) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(result)?;
    let printed = if command.json { print(&format!("{json}\n")) } else { print(&table::render(result)) };
    if let Some(path) = &command.out {
        out::write(path, &json)?;
    }
    printed.context("the result cannot be printed")
}

/// Prints to standard output.
/// Prints to whoever reads the output.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()) {
        // `flotilla run … | head` is a fine thing to do.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Reports something wrong with the call.
pub(crate) fn refuse(error: &anyhow::Error) -> ExitCode {
    say(&format!("flotilla: {error:#}"));
    ExitCode::from(BAD_USAGE)
}

/// Reports something that went wrong on our side.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    say(&format!("flotilla: {error:#}"));
    ExitCode::from(FAILED)
}

/// Tells the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is the command line's voice")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
