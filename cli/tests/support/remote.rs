//! `flotilla submit`, `status`, `watch`, `result`, `logs`, `cancel`, `runs`: against a running system.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Ran, flotilla, repository};
use crate::model_server::{ModelServer, Reply};
use crate::serving::Server;

/// How long anything may take before the test calls it stuck.
const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// `flotilla COMMAND …` against this server.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = flotilla();
        command.args(arguments).env("FLOTILLA_URL", &self.base);
        command
    }

    fn cli(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Submits one of the examples with its request; the run's id.
    fn submit(&self, document: &str) -> String {
        let ran = self.cli(&["submit", &path(document)]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout.split_whitespace().next().unwrap().to_owned()
    }

    /// Waits until a reader waits for events of a run.
    async fn is_waited_at(&self) {
        let started = Instant::now();
        while !self.get("/metrics").await.1.to_string().contains("flotilla_event_readers_waiting 1") {
            assert!(started.elapsed() < PATIENCE, "nobody waits");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a run of the examples has ended.
    fn finish(&self, document: &str) -> String {
        let run = self.submit(document);
        assert_eq!(self.cli(&["watch", &run]).code, 0);
        run
    }
}

fn path(document: &str) -> String {
    repository(document).to_str().unwrap().to_owned()
}

/// A server whose model never answers, with one run that waits for it.
async fn silent(state: &Path) -> (Server, ModelServer, String) {
    let model = ModelServer::start(Arc::new(|_, _| Reply::Silence));
    let server = Server::start(state, &["--model-url", &model.url(), "--model", "test"]);
    let run = server.submit("examples/contract.md");
    let started = Instant::now();
    while model.calls() == 0 {
        assert!(started.elapsed() < PATIENCE, "the model is not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (server, model, run)
}

#[tokio::test]
async fn a_submitted_document_can_be_followed_and_its_result_printed_as_run_prints_it() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let (document, request) = (path("examples/invoice.pdf"), path("examples/invoice.request.json"));

    let submitted = server.cli(&["submit", &document, "--request", &request]);
    let run = submitted.stdout.split_whitespace().next().unwrap();
    let watched = server.cli(&["watch", run]);
    let printed = server.cli(&["result", run]);
    let json = server.cli(&["result", run, "--json"]).json();
    let alone =
        Ran::from(flotilla().args(["run", &document, "--request", &request, "--json"]).output().unwrap()).json();

    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    assert!(submitted.stdout.ends_with("invoice.pdf\n"), "{}", submitted.stdout);
    assert_eq!(watched.code, 0, "{}", watched.stderr);
    assert!(watched.stdout.contains("NI-2026-00417") && watched.stdout.contains("✓ succeeded"), "{}", watched.stdout);
    assert_eq!(printed.stdout, watched.stdout);
    for part in ["status", "output", "evidence", "evaluation", "errors"] {
        assert_eq!(json[part], alone[part], "{part}");
    }
    let status = server.cli(&["status", run]);
    assert!(status.stdout.contains("succeeded") && status.stdout.contains("agentic-extract"), "{}", status.stdout);
    let list = server.cli(&["runs"]);
    assert!(list.stdout.contains(run) && list.stdout.contains("prompt-studio-pipeline"), "{}", list.stdout);
}

#[tokio::test]
async fn submit_can_wait_for_the_answers_and_write_json_alone() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);

    let table = server.cli(&["submit", &path("examples/contract.md"), "--wait"]);
    let json = server.cli(&["submit", &path("examples/contract.md"), "--wait", "--json", "--priority", "-3"]);
    let accepted = server.cli(&["submit", &path("examples/contract.md"), "--json"]).json();

    assert_eq!(table.code, 0, "{}", table.stderr);
    assert!(table.stdout.contains("✓ succeeded"), "{}", table.stdout);
    assert_eq!(json.json()["status"], "succeeded");
    assert_eq!(json.stdout.lines().count(), 1, "{}", json.stdout);
    assert_eq!(accepted["created"], true);
    assert!(accepted["document"].as_str().unwrap().ends_with("contract.md"));
}

#[tokio::test]
async fn several_documents_get_a_line_each_and_one_that_fails_makes_the_exit_code_1() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let (good, bad) = (path("examples/contract.md"), path("crates/text/tests/fixtures/encrypted-rc4.pdf"));

    let submitted = server.cli(&["submit", &good, &bad]);
    let lines: Vec<&str> = submitted.stdout.lines().collect();
    let waited = server.cli(&["submit", &good, &bad, "--wait"]);
    let json = server.cli(&["submit", &good, &good, "--wait", "--json"]);

    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    assert!(
        lines.len() == 2 && lines[0].ends_with("contract.md") && lines[1].ends_with("encrypted-rc4.pdf"),
        "{lines:?}"
    );
    assert_eq!(waited.code, 1, "{}", waited.stdout);
    assert!(waited.stdout.contains("succeeded") && waited.stdout.contains("failed"), "{}", waited.stdout);
    assert!(waited.stderr.contains("flotilla logs"), "{}", waited.stderr);
    assert_eq!(json.code, 0, "{}", json.stderr);
    let states: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(states.len() == 2 && states.iter().all(|result| result["status"] == "succeeded"), "{states:?}");
}

#[tokio::test]
async fn a_key_sent_twice_is_one_run() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let document = path("examples/contract.md");
    let submit = || server.cli(&["submit", &document, "--idempotency-key", "order-4711"]);

    let (first, second) = (submit(), submit());
    let other = server.cli(&["submit", &path("examples/invoice.pdf"), "--idempotency-key", "order-4711"]);
    let several = server.cli(&["submit", &document, &document, "--idempotency-key", "order-4712"]);

    assert_eq!(second.stdout.split_whitespace().next(), first.stdout.split_whitespace().next());
    assert!(second.stdout.contains("submitted before"), "{}", second.stdout);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("idempotency_conflict"), "{}", other.stderr);
    assert_eq!(several.code, 2, "{}", several.stderr);
}

#[tokio::test]
async fn logs_tell_what_each_stage_did_and_end_with_the_run() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let run = server.finish("examples/contract.md");

    let logs = server.cli(&["logs", &run]);
    let followed = server.cli(&["logs", &run, "--follow"]);
    let json = server.cli(&["logs", &run, "--json"]);

    assert_eq!(logs.code, 0, "{}", logs.stderr);
    for line in ["page(s)", "chunk(s)", "prompt(s)", "answered", "checked", "value(s)"] {
        assert!(logs.stdout.contains(line), "no word of {line}:\n{}", logs.stdout);
    }
    assert!(logs.stdout.lines().last().unwrap().ends_with("the run has succeeded"), "{}", logs.stdout);
    assert_eq!(followed.stdout, logs.stdout);
    let events: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "{numbers:?}");
    assert!(events.iter().any(|event| event["kind"] == "log" && event["level"] == "info"), "{events:?}");
}

#[tokio::test]
async fn logs_say_why_a_run_failed() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let document = path("crates/text/tests/fixtures/encrypted-rc4.pdf");
    let submitted = server.cli(&["submit", &document, "--wait"]);
    let list = server.cli(&["runs", "--json"]).json();
    let run = list["runs"][0]["run_id"].as_str().unwrap();

    let (logs, status) = (server.cli(&["logs", run]), server.cli(&["status", run]));

    assert_eq!(submitted.code, 1, "{}", submitted.stdout);
    let complaint =
        logs.stdout.lines().find(|line| line.contains(" error ")).unwrap_or_else(|| panic!("{}", logs.stdout));
    assert!(complaint.contains("extract-text") && complaint.contains("password"), "{complaint}");
    assert!(logs.stdout.ends_with("the run has failed\n"), "{}", logs.stdout);
    assert!(status.stdout.contains(&format!("flotilla logs {run}")), "{}", status.stdout);
}

#[tokio::test]
async fn a_run_under_way_has_no_result_yet_and_can_be_cancelled_once() {
    let state = tempfile::tempdir().unwrap();
    let (server, _model, run) = silent(state.path()).await;
    let mut following = server.command(&["logs", &run, "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("agentic-extract")), "nothing was told while the run was under way");

    let early = server.cli(&["result", &run]);
    let cancelled = server.cli(&["cancel", &run]);
    let watched = server.cli(&["watch", &run]);
    let again = server.cli(&["cancel", &run]);

    assert_eq!(early.code, 1);
    assert!(early.stderr.contains(&format!("flotilla watch {run}")), "{}", early.stderr);
    assert_eq!((cancelled.code, cancelled.stdout.trim_end()), (0, format!("{run}  cancelled").as_str()));
    assert_eq!(watched.code, 1, "{}", watched.stdout);
    assert!(watched.stdout.contains("cancelled"), "{}", watched.stdout);
    assert_eq!(again.code, 0, "a cancelled run stays cancelled: {}", again.stderr);
    assert_eq!(lines.last().unwrap().split_whitespace().last(), Some("cancelled"));
    assert!(following.wait().unwrap().success());

    let ended = server.cli(&["cancel", "--json", &run]).json();
    assert_eq!(ended["status"], "cancelled");
}

#[tokio::test]
async fn an_interrupted_watcher_leaves_the_run_alone() {
    let state = tempfile::tempdir().unwrap();
    let (server, _model, run) = silent(state.path()).await;
    let mut watching = server.command(&["watch", &run]).stderr(Stdio::piped()).spawn().unwrap();
    server.is_waited_at().await;

    assert!(Command::new("kill").args(["-INT", &watching.id().to_string()]).status().unwrap().success());
    let status = watching.wait().unwrap();
    let json = server.cli(&["status", &run, "--json"]).json();

    assert_eq!(status.code(), Some(130), "{status}");
    assert_eq!(json["status"], "running");
}

#[tokio::test]
async fn a_call_that_cannot_work_says_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    std::fs::write(&request, r#"{"outputs": [{"name": "a", "prompt": "A?", "type": "colour"}]}"#).unwrap();
    let unknown = "0190aaaa-0000-7000-8000-000000000000";
    let document = path("examples/contract.md");
    let ended = server.finish("examples/contract.md");
    let cases: [(&[&str], i32, &str); 9] = [
        (&["status", unknown], 2, "no_such_run"),
        (&["result", unknown], 2, "no_such_run"),
        (&["watch", unknown], 2, "no_such_run"),
        (&["logs", unknown], 2, "no_such_run"),
        (&["status", "nonsense"], 2, "nonsense"),
        (&["submit", "no-such-file.pdf"], 2, "no-such-file.pdf"),
        (&["submit", &document, "--request", request.to_str().unwrap()], 2, "outputs[0].type"),
        (&["cancel", &ended], 1, "run_ended"),
        (&["submit", &document, "--url", "localhost:1"], 2, "http://127.0.0.1:8080"),
    ];
    for (arguments, code, word) in cases {
        let ran = server.cli(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{arguments:?}: {}", ran.stderr);
    }
    let nobody = Ran::from(flotilla().args(["runs", "--url", "http://127.0.0.1:1"]).output().unwrap());
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("flotilla serve"), "{}", nobody.stderr);
}

#[tokio::test]
async fn events_come_in_pages_and_a_waiting_reader_is_told_at_once() {
    let state = tempfile::tempdir().unwrap();
    let (server, _model, run) = silent(state.path()).await;
    let events = format!("/api/v1/runs/{run}/events");
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let (status, page) = server.get(&format!("{events}?after={after}&limit=2")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert_eq!(page["ended"], false);
        let news = page["events"].as_array().unwrap();
        assert!(news.len() <= 2);
        after = page["next"].as_u64().unwrap();
        seen.extend(news.iter().map(|event| event["seq"].as_u64().unwrap()));
        // Everything up to the question that the model never answers has been told.
        let waits = |event: &Value| event["task"] == "agentic-extract" && event["kind"] == "log";
        if news.iter().any(waits) {
            break;
        }
    }
    assert!(seen.is_sorted_by(|one, other| one < other), "{seen:?}");

    let short = Instant::now();
    let (_, nothing) = server.get(&format!("{events}?after={after}&wait=1")).await;
    let waited = short.elapsed();
    let long = Instant::now();
    let path = format!("{events}?after={after}&wait=60");
    let cancel = format!("/api/v1/runs/{run}/cancel");
    let ((_, news), (cancelled, _)) =
        tokio::join!(server.get(&path), server.call(Method::POST, &cancel, Vec::new(), &[]));

    assert_eq!(nothing["events"].as_array().map(Vec::len), Some(0), "{nothing}");
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    assert_eq!(cancelled, StatusCode::OK);
    assert!(!news["events"].as_array().unwrap().is_empty(), "{news}");
    assert!(long.elapsed() < Duration::from_secs(30), "{:?}", long.elapsed());
    let mut page = news;
    let started = Instant::now();
    while page["ended"] != true {
        assert!(started.elapsed() < PATIENCE, "{page}");
        (_, page) = server.get(&format!("{events}?after={}&wait=5", page["next"])).await;
    }
    for (query, code) in [("after=x", 400), ("wait=-1", 400), ("limit=0", 200)] {
        let (status, answer) = server.get(&format!("{events}?{query}")).await;
        assert_eq!(status.as_u16(), code, "{query}: {answer}");
    }
}

#[tokio::test]
async fn a_server_that_stops_sends_waiting_readers_home() {
    let state = tempfile::tempdir().unwrap();
    let (mut server, _model, run) = silent(state.path()).await;
    let (_, page) = server.get(&format!("/api/v1/runs/{run}/events")).await;
    let path = format!("/api/v1/runs/{run}/events?wait=60&after={}", u64::MAX);
    let process = server.child.id().to_string();
    let stop = async {
        server.is_waited_at().await;
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    };
    let started = Instant::now();
    let ((status, answer), ()) = tokio::join!(server.get(&path), stop);

    assert_eq!((status, &answer["ended"]), (StatusCode::OK, &Value::Bool(false)), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(!page["events"].as_array().unwrap().is_empty());
    server.child.kill().unwrap();
}
