//! Killed, interrupted, half failed: nothing finished is repeated or lost.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Ran, flotilla, repository, run_json};
use crate::model_server::{ModelServer, Reply};

/// Waits for a condition, not for a time.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// The answers, without what differs from run to run.
fn answers(result: &Value) -> Value {
    json!([result["status"], result["output"], result["evidence"], result["evaluation"], result["errors"]])
}

fn attempts(result: &Value, stage: &str) -> u64 {
    let stages = result["stages"].as_array().unwrap();
    stages.iter().find(|one| one["name"] == stage).unwrap()["attempts"].as_u64().unwrap()
}

/// `flotilla run` on the contract with a model of its own, one call after another.
fn command(state: &str, url: &str) -> Command {
    let mut command = flotilla();
    command.arg("run").arg(repository("examples/contract.md"));
    command.arg("--request").arg(repository("examples/contract.request.json"));
    command.args(["--json", "--state", state, "--model-url", url, "--model", "test"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_pays_for_no_answer_twice() {
    let undisturbed = {
        let state = tempfile::tempdir().unwrap();
        let server = ModelServer::start(Arc::new(|_, _| Reply::Value(json!("Flotilla"))));
        let ran = Ran::from(command(state.path().to_str().unwrap(), &server.url()).output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.json(), server.calls())
    };
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let awake = Arc::new(AtomicBool::new(false));
    let script_awake = Arc::clone(&awake);
    // Two prompts are answered, then the model hangs until it is woken.
    let server = ModelServer::start(Arc::new(move |call, _| {
        if call < 2 || script_awake.load(Ordering::SeqCst) { Reply::Value(json!("Flotilla")) } else { Reply::Silence }
    }));

    let mut first = command(state, &server.url()).spawn().unwrap();
    until("the model hangs", || server.calls() > 2 && memos(state) == 2);
    first.kill().unwrap();
    first.wait().unwrap();
    awake.store(true, Ordering::SeqCst);
    let before = server.calls();
    let second = Ran::from(command(state, &server.url()).output().unwrap());

    assert_eq!(second.code, 0, "{}", second.stderr);
    let result = second.json();
    assert_eq!(answers(&result), answers(&undisturbed.0));
    assert_eq!(attempts(&result, "extract-text"), 1);
    assert_eq!(attempts(&result, "chunk-embed"), 1);
    assert_eq!(server.calls() - before, undisturbed.1 - 2, "the two finished answers were not asked for again");

    let calls = server.calls();
    let third = Ran::from(command(state, &server.url()).output().unwrap());
    assert_eq!(third.json(), result, "a finished run is shown again, not repeated");
    assert_eq!(server.calls(), calls);
}

/// How many finished answers the state folder holds.
fn memos(state: &str) -> usize {
    let runs = std::path::Path::new(state).join("objects/runs");
    let Ok(runs) = std::fs::read_dir(runs) else { return 0 };
    let folders = runs.flatten().map(|run| run.path().join("agentic-extract/memo"));
    folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .map(|files| {
            files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count()
        })
        .sum()
}

#[test]
fn killed_at_any_moment_the_result_is_the_same() {
    let document = repository("examples/invoice.pdf");
    let expected = answers(&run_json(&document, &[]).json());
    for delay in [5, 20, 40, 60, 80, 100, 130, 160, 200] {
        let state = tempfile::tempdir().unwrap();
        let state = state.path().to_str().unwrap();
        let mut killed = flotilla();
        killed.arg("run").arg(&document).args(["--json", "--state", state]);
        let mut killed = killed.stdout(Stdio::null()).spawn().unwrap();
        // Not a wait for something to be ready: the moment of the kill is what is varied.
        std::thread::park_timeout(Duration::from_millis(delay));
        killed.kill().unwrap();
        killed.wait().unwrap();

        let ran = run_json(&document, &["--state", state]);

        assert_eq!(ran.code, 0, "killed after {delay} ms: {}", ran.stderr);
        assert_eq!(answers(&ran.json()), expected, "killed after {delay} ms");
    }
}

#[test]
fn an_interrupted_run_ends_with_130_and_can_be_taken_up() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let awake = Arc::new(AtomicBool::new(false));
    let script_awake = Arc::clone(&awake);
    let server = ModelServer::start(Arc::new(move |_, _| {
        if script_awake.load(Ordering::SeqCst) { Reply::Value(json!("Flotilla")) } else { Reply::Silence }
    }));

    let first = command(state, &server.url()).spawn().unwrap();
    until("the model is asked", || server.calls() > 0);
    let interrupted = Command::new("kill").args(["-INT", &first.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let first = Ran::from(first.wait_with_output().unwrap());
    awake.store(true, Ordering::SeqCst);
    let second = Ran::from(command(state, &server.url()).output().unwrap());

    assert_eq!(first.code, 130, "{}", first.stderr);
    assert_eq!(first.stdout, "");
    assert!(first.stderr.contains("takes it up again"), "{}", first.stderr);
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert_eq!(attempts(&second.json(), "extract-text"), 1);
}

#[test]
fn one_failing_prompt_costs_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    let outputs: Vec<Value> = ["good", "bad", "fine"]
        .iter()
        .map(|name| json!({ "name": name, "prompt": format!("Say {name}."), "type": "text" }))
        .collect();
    std::fs::write(&request, json!({ "outputs": outputs }).to_string()).unwrap();
    let server = ModelServer::start(Arc::new(|_, body| {
        if body.contains("Say bad.") { Reply::Status(401) } else { Reply::Value(json!("Flotilla")) }
    }));
    let url = server.url();
    let more = ["--request", request.to_str().unwrap(), "--model-url", &url, "--model", "test"];

    let ran = run_json(&repository("examples/contract.md"), &more);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let result = ran.json();
    assert_eq!(result["output"], json!({ "good": "Flotilla", "bad": null, "fine": "Flotilla" }));
    assert_eq!(result["errors"]["bad"]["code"], "model_unauthorized");
    assert_eq!(result["model"], "test");
    assert_eq!(result["usage"]["input_tokens"], 200);
}

#[test]
fn a_run_without_a_single_answer_fails_and_is_tried_again_by_the_same_command() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let repaired = Arc::new(AtomicBool::new(false));
    let script_repaired = Arc::clone(&repaired);
    let server = ModelServer::start(Arc::new(move |_, _| {
        if script_repaired.load(Ordering::SeqCst) { Reply::Value(json!("Flotilla")) } else { Reply::Status(401) }
    }));

    let refused = Ran::from(command(state, &server.url()).output().unwrap());
    repaired.store(true, Ordering::SeqCst);
    let answered = Ran::from(command(state, &server.url()).output().unwrap());

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert_eq!(refused.json()["errors"]["agentic-extract"]["code"], "no_prompt_answered");
    assert_eq!(answered.code, 0, "{}", answered.stderr);
    assert_eq!(answered.json()["status"], "succeeded");
}

#[test]
fn a_process_that_was_suspended_for_longer_than_its_leases_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let awake = Arc::new(AtomicBool::new(false));
    let script_awake = Arc::clone(&awake);
    let server = ModelServer::start(Arc::new(move |_, _| {
        until("the process goes on", || script_awake.load(Ordering::SeqCst));
        Reply::Value(json!("Flotilla"))
    }));
    let signal = |name: &str, child: &std::process::Child| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };

    let child = command(state.path().to_str().unwrap(), &server.url()).spawn().unwrap();
    until("the model is asked", || server.calls() > 0);
    signal("-STOP", &child);
    // A lease lasts five seconds; this is the suspension itself, not a wait for something.
    std::thread::park_timeout(Duration::from_millis(6500));
    awake.store(true, Ordering::SeqCst);
    signal("-CONT", &child);
    let ran = Ran::from(child.wait_with_output().unwrap());

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "succeeded");
}
