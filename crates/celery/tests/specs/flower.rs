//! The real Flower shows workers of ours.

use std::net::TcpListener;
use std::time::Duration;

use celery::{Client, HostConfig, Message};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::place::Place;
use crate::python::{PATIENCE, Peer, program};
use crate::rust::Worker;

/// The body of what Flower answers; nothing while it does not.
async fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// What Flower answers once it says what is expected.
async fn until(port: u16, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = get(port, path).await.unwrap_or_default();
        let value = serde_json::from_str(&said).unwrap_or(Value::Null);
        if is_there(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "{path}: {said}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flower_shows_a_rust_worker_its_queues_and_its_tasks() {
    let place = Place::take();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut flower = program(&place, "celery", "rpc");
    flower.env("FLOWER_UNAUTHENTICATED_API", "true");
    flower.args(["-A", "app", "flower", "--address=127.0.0.1", &format!("--port={port}")]);
    let _flower = Peer::start(flower);
    let worker = Worker::start(HostConfig { heartbeat: Duration::from_millis(500), ..place.host("rust") }).await;
    let node = format!("rust@{}", place.prefix);

    let alive = |said: &Value| {
        said["data"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["hostname"] == node && one["status"] == true))
    };
    until(port, "/workers?json=1", alive).await;
    let known = until(port, "/api/workers?refresh=1", |said| !said[&node]["active_queues"].is_null()).await;
    assert_eq!(known[&node]["active_queues"][0]["name"], place.rust());
    assert!(known[&node]["registered"].to_string().contains("rust.add"));
    assert_eq!(known[&node]["stats"]["pool"]["implementation"], "flotilla:tokio");

    // Flower switches events of tasks on every five seconds; that is awaited, so that nothing is missed.
    let client = Client::connect(place.client()).await.unwrap();
    let enabled = async || {
        let answers = client.control().ask("enable_events", json!({}), &[&node], PATIENCE).await.unwrap();
        answers[&node]["ok"] == "task events already enabled"
    };
    while !enabled().await {}
    let mut ids = Vec::new();
    for message in [
        Message::new("rust.add").args([json!(40), json!(2)]),
        Message::new("rust.fail").args([json!("ValueError"), json!("no such page")]),
        Message::new("rust.flaky").args([json!(1)]),
        Message::new("rust.nobody"),
    ] {
        ids.push(message.id.clone());
        client.send(&place.rust(), message).await.unwrap();
    }
    let info = async |index: usize, state: &str| {
        let id: &String = &ids[index];
        until(port, &format!("/api/task/info/{id}"), |said| said["state"] == state).await
    };
    let added = info(0, "SUCCESS").await;
    assert_eq!(
        (&added["name"], &added["result"], &added["args"]),
        (&json!("rust.add"), &json!("42"), &json!("[40, 2]"))
    );
    assert!(added["runtime"].is_number() && added["worker"] == node, "{added}");
    let failed = info(1, "FAILURE").await;
    assert_eq!(failed["exception"], "ValueError('no such page')");
    assert_eq!(failed["traceback"], "Traceback: somewhere in Rust");
    assert_eq!(info(2, "SUCCESS").await["retries"], 1);
    info(3, "FAILURE").await;

    for page in ["/workers".to_owned(), format!("/worker/{node}"), "/tasks".to_owned(), format!("/task/{}", ids[0])] {
        let html = get(port, &page).await;
        assert!(html.is_some_and(|html| html.contains("rust") || page == "/tasks"), "{page}");
    }
    if let Ok(folder) = std::env::var("SPEC_SCREENSHOTS") {
        screenshots(port, &node, &folder).await;
    }
    client.close().await;
    worker.stop().await;
    let gone = |said: &Value| {
        said["data"]
            .as_array()
            .is_some_and(|all| all.iter().all(|one| one["hostname"] != node || one["status"] == false))
    };
    until(port, "/workers?json=1", gone).await;
}

/// For people to look at.
async fn screenshots(port: u16, node: &str, folder: &str) {
    for (name, page) in
        [("workers", "workers".to_owned()), ("worker", format!("worker/{node}")), ("tasks", "tasks".to_owned())]
    {
        let mut chromium = tokio::process::Command::new("chromium");
        chromium.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1400,900",
            "--virtual-time-budget=4000",
        ]);
        chromium.arg(format!("--screenshot={folder}/{name}.png")).arg(format!("http://127.0.0.1:{port}/{page}"));
        assert!(chromium.output().await.unwrap().status.success());
    }
}
