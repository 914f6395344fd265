//! `flotilla webhooks`, and the examples of docs/webhooks.md.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;

use crate::harness::{Ran, flotilla};
use crate::serving::Server;

const MANUAL: &str = include_str!("../../../docs/webhooks.md");

/// What came to a receiver: the ids of messages and the numbers of their signatures.
type Received = Arc<Mutex<Vec<(String, usize)>>>;

/// A receiver that answers with that status.
async fn receiver(status: StatusCode) -> (String, Received) {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let take = move |headers: HeaderMap| async move {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        keep.lock().unwrap().push((text("webhook-id"), text("webhook-signature").split(' ').count()));
        status
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let app = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, received)
}

/// What the command said. It runs beside this test's own receiver.
async fn call(server: &Server, arguments: &[&str], code: i32) -> Ran {
    let mut command = flotilla();
    command.args(["webhooks"]).args(arguments).args(["--url", &server.base]);
    let ran = tokio::task::spawn_blocking(move || Ran::from(command.output().unwrap())).await.unwrap();
    assert_eq!(ran.code, code, "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

#[tokio::test]
async fn webhooks_are_handled_from_the_command_line() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &["--outbound-allow", "127.0.0.1"]);
    let (url, received) = receiver(StatusCode::NO_CONTENT).await;

    let put = call(&server, &["put", "orders", &url, "--event", "run.failed"], 0).await;
    assert!(put.stdout.contains("whsec_") && put.stdout.contains("not shown again"), "{}", put.stdout);
    let tested = call(&server, &["test", "orders"], 0).await;
    assert!(tested.stdout.starts_with("delivered: it answered 204"), "{}", tested.stdout);
    let list = call(&server, &["list"], 0).await;
    assert!(list.stdout.contains(&url) && list.stdout.contains("run.failed"), "{}", list.stdout);
    let shown = call(&server, &["show", "orders"], 0).await;
    assert!(shown.stdout.contains("ping") && shown.stdout.contains("204 after"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("whsec_"), "{}", shown.stdout);
    let rotated = call(&server, &["rotate", "orders", "--keep", "1"], 0).await;
    assert!(rotated.stdout.contains("an old secret signs until"), "{}", rotated.stdout);
    let (_, page) = server.get("/api/v1/webhooks/orders/deliveries").await;
    call(&server, &["replay", "orders", page["deliveries"][0]["id"].as_str().unwrap()], 0).await;
    while received.lock().unwrap().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let told = received.lock().unwrap().clone();
    assert_eq!(told[0].0, told[1].0, "replayed under its id");
    assert_eq!([told[0].1, told[1].1], [1, 2], "either secret signs");
    assert_eq!(call(&server, &["remove", "orders"], 0).await.stdout, "removed orders\n");

    let (away, _) = receiver(StatusCode::INTERNAL_SERVER_ERROR).await;
    call(&server, &["put", "away", &away], 0).await;
    let tested = call(&server, &["test", "away"], 1).await;
    assert!(tested.stdout.contains("answered 500 (webhook_failed"), "{}", tested.stdout);
    let refused = call(&server, &["put", "inside", "https://10.0.0.1/"], 2).await;
    assert!(refused.stderr.contains("$.url") && refused.stderr.contains("--outbound-allow"), "{}", refused.stderr);
    for bad in [
        &["show", "a/b"] as &[&str],
        &["show", "nobody"],
        &["replay", "away", "x"],
        &["put", "a", &url, "--event", "x"],
    ] {
        call(&server, bad, 2).await;
    }
}

#[tokio::test]
async fn the_examples_of_the_manual_do_what_it_says() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &["--outbound-allow", "127.0.0.1"]);
    let (url, received) = receiver(StatusCode::OK).await;
    let blocks = MANUAL.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let examples: Vec<&str> = blocks.filter(|block| block.contains("http://localhost:8080")).collect();
    assert!(examples.len() >= 6, "{examples:?}");
    let mut answers: Vec<String> = Vec::new();
    for example in examples {
        let script = example.replace("http://localhost:8080", &server.base);
        let script = script.replace("https://hooks.example.com/flotilla", &url);
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &script]).env("NO_PROXY", "*");
        let ran = tokio::task::spawn_blocking(move || Ran::from(shell.output().unwrap())).await.unwrap();
        assert_eq!(ran.code, 0, "{script}\n{}\n{}", ran.stdout, ran.stderr);
        answers.push(ran.stdout);
    }
    let answer = |place: usize| serde_json::from_str::<Value>(&answers[place]).unwrap();
    assert!(answer(0)["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&answer(1)["state"], &answer(1)["status"]), (&"succeeded".into(), &200.into()));
    assert_eq!(answer(2)["deliveries"][0]["event_id"], answer(3)["event_id"]);
    assert_eq!(answer(4)["replaced_until"].as_array().unwrap().len(), 1);
    assert!(!received.lock().unwrap().is_empty());
}
