//! The command line against a running fleet, and what is told about its runs.

use std::process::Output;
use std::time::Instant;

use protocol::{LifecycleEvent, RunEvent, RunId, RunState};
use serde_json::Value;

use crate::fleet::{Document, Fleet, ROLES};

/// What a call printed; it has to have ended with that code.
fn printed(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn is_end(event: &RunEvent) -> bool {
    matches!(event.what, LifecycleEvent::RunEnded { .. })
}

#[tokio::test]
async fn a_document_handed_in_from_the_command_line_can_be_followed_and_read_there() {
    let fleet = Fleet::without_processes().await;
    let processes = fleet.start_all(&ROLES).await;
    let dispatcher = &processes[0];
    let document = Document::example("invoice.pdf");
    let (path, request) = (document.path.to_str().unwrap(), document.request.to_str().unwrap());

    let submit = ["submit", path, "--request", request, "--wait", "--json", "--priority", "7"];
    let result: Value = serde_json::from_str(&printed(&fleet.flotilla(dispatcher, &submit), 0)).unwrap();
    let run = result["run_id"].as_str().unwrap();
    let expected = fleet.embedded(&document);
    for part in ["status", "output", "evidence", "evaluation", "errors"] {
        assert_eq!(result[part], expected[part], "{part}");
    }
    assert!(printed(&fleet.flotilla(dispatcher, &["watch", run]), 0).contains("✓ succeeded"));
    assert!(printed(&fleet.flotilla(dispatcher, &["status", run]), 0).contains("collate"));
    assert!(printed(&fleet.flotilla(dispatcher, &["runs"]), 0).contains(run));

    let logs = printed(&fleet.flotilla(dispatcher, &["logs", run, "--follow"]), 0);
    for stage in ["extract-text", "chunk-embed", "generate-digraph", "agentic-extract", "evaluate", "collate"] {
        let ended = |line: &str| line.contains(stage) && line.contains("succeeded after");
        assert!(logs.lines().any(ended), "no end of {stage}:\n{logs}");
    }
    assert!(logs.contains("the run has succeeded"), "{logs}");
    fleet.stop(processes).await;
}

#[tokio::test]
async fn a_run_queued_behind_a_stopped_fleet_is_cancelled_from_the_command_line() {
    let fleet = Fleet::without_processes().await;
    let processes = fleet.start_all(&["dispatcher", "worker-logging"]).await;
    let dispatcher = &processes[0];
    let run = fleet.submit(dispatcher, &Document::one_question(fleet.folder())).await.to_string();

    let early = fleet.flotilla(dispatcher, &["result", &run]);
    let cancelled = printed(&fleet.flotilla(dispatcher, &["cancel", &run]), 0);
    let watched = fleet.flotilla(dispatcher, &["watch", &run]);
    let logs = printed(&fleet.flotilla(dispatcher, &["logs", &run, "--follow"]), 0);

    printed(&early, 1);
    assert_eq!(cancelled, format!("{run}  cancelled\n"));
    assert!(printed(&watched, 1).contains("cancelled"));
    assert!(logs.ends_with("the run has been cancelled\n"), "{logs}");
}

#[tokio::test]
async fn without_a_logging_worker_runs_end_all_the_same_and_what_was_told_is_on_record_when_one_is_back() {
    let fleet = Fleet::without_processes().await;
    let without: Vec<&str> = ROLES.into_iter().filter(|role| *role != "worker-logging").collect();
    let mut processes = fleet.start_all(&without).await;
    let document = Document::one_question(fleet.folder());
    let path = document.path.to_str().unwrap();

    let submit = ["submit", path, "--wait", "--json"];
    let result: Value = serde_json::from_str(&printed(&fleet.flotilla(&processes[0], &submit), 0)).unwrap();
    let run: RunId = result["run_id"].as_str().unwrap().parse().unwrap();
    assert!(fleet.events(run).await.is_empty());

    processes.push(fleet.start("worker-logging", &[]).await);
    fleet.until("the end of the run is on record", async || fleet.events(run).await.iter().any(is_end)).await;
    fleet.stop(processes).await;
}

#[tokio::test]
async fn nothing_that_was_told_is_lost_with_a_killed_logging_worker() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&ROLES).await;
    let document = Document::one_question(fleet.folder());
    let runs = fleet.submit_many(&[&processes[0]], &document, 60).await;
    let started = Instant::now();
    fleet.until("some events are on record", async || !fleet.events(runs[0]).await.is_empty()).await;
    processes.pop().unwrap().kill();
    processes.push(fleet.start("worker-logging", &[]).await);

    fleet.all_succeed_and_are_recorded_once(&runs).await;
    for run in runs {
        let ended =
            |event: &RunEvent| matches!(&event.what, LifecycleEvent::Ended { state, .. } if state == "succeeded");
        let complete = |events: &[RunEvent]| {
            events.iter().filter(|event| ended(event)).count() >= 6
                && events.iter().any(|event| event.what == LifecycleEvent::RunEnded { state: RunState::Succeeded })
        };
        let what = format!("everything about run {run} is on record, {:?} after the start", started.elapsed());
        fleet.until(&what, async || complete(&fleet.events(run).await)).await;
    }
    fleet.stop(processes).await;
}
