//! `flotilla events` and `flotilla subscriptions`, and the examples of docs/triggers.md.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Ran, flotilla, repository};
use crate::serving::Server;

const MANUAL: &str = include_str!("../../../docs/triggers.md");

/// The examples that are for a shell, in their order.
fn examples() -> Vec<&'static str> {
    let blocks = MANUAL.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

fn call(server: &Server, arguments: &[&str], input: &Value) -> Ran {
    let mut command = flotilla();
    command.args(arguments).args(["--url", &server.base]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A call that reads nothing may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.to_string().as_bytes());
    Ran::from(child.wait_with_output().unwrap())
}

fn said(ran: &Ran, code: i32) -> &str {
    assert_eq!(ran.code, code, "{}\n{}", ran.stdout, ran.stderr);
    &ran.stdout
}

#[tokio::test]
async fn the_examples_of_the_manual_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository("examples"), folder.path().join("examples")).unwrap();
    let server = Server::start(&folder.path().join(".flotilla"), &[]);
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    let mut answers = Vec::new();
    for example in examples {
        let script = example.replace("http://localhost:8080", &server.base);
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path()).env("NO_PROXY", "*");
        let ran = Ran::from(shell.output().unwrap());
        assert_eq!(ran.code, 0, "{script}\n{}\n{}", ran.stdout, ran.stderr);
        answers.push(ran.stdout);
    }

    let (_, list) = server.get("/api/v1/runs").await;
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{answers:?}");
    let run = list["runs"][0]["run_id"].as_str().unwrap();
    let accepted = json!({ "run_id": run, "result_url": format!("/api/v1/runs/{run}/result") });
    let result = server.result(&accepted).await;
    assert_eq!((&result["status"], &result["document"]["name"]), (&json!("succeeded"), &json!("Invoice 7.pdf")));
    assert!(
        answers.iter().any(|answer| answer.contains("\"would_start\":{\"workflow\":\"bookkeeping\"")),
        "{answers:?}"
    );
}

#[tokio::test]
async fn subscriptions_and_events_are_handled_from_the_command_line() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    put_document(state.path());
    let subscription = json!({ "types": ["mail.*"], "document": "data.file", "description": "What comes by mail" });
    let event =
        json!({ "id": "1", "source": "mail", "type": "mail.received", "data": { "file": "imports/default/a.md" } });

    let put = call(&server, &["subscriptions", "put", "mail", "-"], &subscription);
    assert!(said(&put, 0).contains("mail.* starts prompt-studio-pipeline"), "{}", put.stdout);
    let tried = call(&server, &["subscriptions", "test", "mail", "-"], &event);
    assert_eq!(said(&tried, 0), "it would start prompt-studio-pipeline on imports/default/a.md\n");
    let sent = call(&server, &["events", "send", "-", "--json"], &json!([event]));
    let sent: Value = serde_json::from_str(said(&sent, 0)).unwrap();
    let run = sent["events"][0]["runs"][0]["run_id"].as_str().unwrap();
    let (status, _) = server.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(status, StatusCode::OK);
    let again = call(&server, &["events", "send", "-"], &event);
    assert!(said(&again, 0).contains("started before"), "{}", again.stdout);
    let other = call(&server, &["events", "send", "-"], &json!({ "id": "1", "source": "x", "type": "y" }));
    assert_eq!(said(&other, 0), "1 event(s) taken; no subscription is about them\n");
    let list = call(&server, &["subscriptions", "list"], &Value::Null);
    assert!(said(&list, 0).contains("prompt-studio-pipeline"), "{}", list.stdout);
    let shown = call(&server, &["subscriptions", "show", "mail"], &Value::Null);
    assert!(said(&shown, 0).contains("2 event(s): 1 started, 1 repeated, 0 refused"), "{}", shown.stdout);
    let removed = call(&server, &["subscriptions", "remove", "mail"], &Value::Null);
    assert_eq!(said(&removed, 0), "removed mail\n");
}

#[tokio::test]
async fn what_cannot_be_used_is_a_bad_call_that_names_the_field() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let bad = json!({ "types": ["a"], "filter": [{ "path": "data", "op": "like", "value": 1 }], "workflow": "ghost" });

    let put = call(&server, &["subscriptions", "put", "s", "-"], &bad);
    said(&put, 2);
    assert!(put.stderr.contains("$.filter[0].op") && put.stderr.contains("$.workflow"), "{}", put.stderr);
    let sent = call(&server, &["events", "send", "-"], &json!({ "id": "1" }));
    said(&sent, 2);
    assert!(sent.stderr.contains("$.source"), "{}", sent.stderr);
    let sent = call(&server, &["events", "send", "nowhere.json"], &Value::Null);
    said(&sent, 2);
    assert!(sent.stderr.contains("nowhere.json cannot be read"), "{}", sent.stderr);
    said(&call(&server, &["subscriptions", "show", "a/b"], &Value::Null), 2);
}

/// Where others put things for the tenant of this server.
fn put_document(state: &Path) {
    let folder = state.join("objects/imports/default");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.md"), "# Delivery note\n\nSupplier: Flotilla\n").unwrap();
}
