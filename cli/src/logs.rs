//! `flotilla logs`: what was told about a run of a fleet.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Args;
use protocol::{LifecycleEvent, RunEvent, RunId};

use crate::client::Remote;
use crate::follow::Follower;
use crate::remote;

/// `flotilla logs`
#[derive(Debug, Args)]
#[command(after_help = format!("\
Examples:
  flotilla logs 01934567-89ab-7cde-8f01-23456789abcd
  flotilla logs 01934567-89ab-7cde-8f01-23456789abcd --follow
  flotilla logs 01934567-89ab-7cde-8f01-23456789abcd --json | jq 'select(.kind == \"log\" and .level == \"warn\")'

Lines name what was done and what went wrong, never what stands in the document.

{}", remote::EXIT_CODES))]
pub(crate) struct Logs {
    /// The run.
    run: RunId,
    /// Go on until the run has ended.
    #[arg(long, short)]
    follow: bool,
    /// Print every event, reports of progress too, as one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) fn main(command: &Logs) -> ExitCode {
    remote::main(&command.remote, async |client| {
        let mut follower = Follower::new(client, command.run);
        loop {
            let events = if command.follow {
                match follower.next().await? {
                    Some(events) => events,
                    None => break,
                }
            } else {
                let events = follower.what_is_there().await?;
                if events.is_empty() {
                    break;
                }
                events
            };
            if !write(&events, command.json)? {
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints events. False when nobody reads any longer: `flotilla logs … | head` is a fine thing to do.
fn write(events: &[RunEvent], json: bool) -> anyhow::Result<bool> {
    let mut stdout = std::io::stdout().lock();
    for event in events {
        let line = if json { Some(serde_json::to_string(event)?) } else { line(event) };
        let Some(line) = line else { continue };
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// An event as a person reads it. Progress is for those who watch.
fn line(event: &RunEvent) -> Option<String> {
    let (level, text) = match &event.what {
        LifecycleEvent::Started => ("info", format!("started by {}", event.worker)),
        LifecycleEvent::Progress { .. } => return None,
        LifecycleEvent::Log { level, message } => (level.as_str(), message.clone()),
        LifecycleEvent::Ended { state, ms } => ("info", format!("{state} after {ms} ms")),
        LifecycleEvent::RunEnded { state } => ("info", format!("the run has {}", how(state.as_str()))),
    };
    let task = event.task.as_deref().unwrap_or("run");
    let again = match event.attempt {
        Some(attempt) if attempt > 1 => format!("(attempt {attempt}) "),
        _ => String::new(),
    };
    // A message of several lines stays one line, so that each line has its time.
    let text: Vec<&str> = text.lines().collect();
    Some(format!("{:.3} {level:<5} {task:<16} {again}{}", event.at, text.join(" ")))
}

fn how(state: &str) -> String {
    if state == "cancelled" { "been cancelled".to_owned() } else { state.to_owned() }
}

#[cfg(test)]
mod tests {
    use protocol::RunState;

    use super::*;

    fn event(what: LifecycleEvent) -> RunEvent {
        RunEvent {
            seq: 1,
            at: "2026-01-01T00:00:00.123456Z".parse().unwrap(),
            task_run_id: None,
            task: Some("evaluate".to_owned()),
            attempt: Some(2),
            worker: "worker-1".to_owned(),
            what,
        }
    }

    #[test]
    fn a_line_says_when_how_bad_where_and_what() {
        let log = LifecycleEvent::Log { level: "warn".to_owned(), message: "one\ntwo".to_owned() };
        assert_eq!(line(&event(log)).unwrap(), "2026-01-01T00:00:00.123Z warn  evaluate         (attempt 2) one two");
        let end =
            RunEvent { task: None, attempt: None, ..event(LifecycleEvent::RunEnded { state: RunState::Cancelled }) };
        assert_eq!(line(&end).unwrap(), "2026-01-01T00:00:00.123Z info  run              the run has been cancelled");
        assert_eq!(line(&event(LifecycleEvent::Progress { done: 1, total: 2, message: String::new() })), None);
    }
}
