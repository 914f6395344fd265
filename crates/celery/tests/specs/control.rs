//! Celery's own command line, and its clients, against a worker of ours.

use std::time::Duration;

use celery::{Client, ClientConfig, Error, HostConfig, Message, Outcome, ReplyTo};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::place::Place;
use crate::python::{PATIENCE, drive, output, program};
use crate::rust::Worker;

/// Runs `celery inspect …` and `celery control …`, one after another. Gives what the worker answered to each inspection.
async fn celery(place: &Place, commands: &[&[&str]]) -> Vec<Value> {
    let whole = |command: &&[&str]| {
        let options: &[&str] = if command[0] == "inspect" { &["--json"] } else { &[] };
        let node = node(place);
        let parts = [&command[..1], options, &["--timeout", "5", "--destination", &node], &command[1..]];
        json!(parts.concat())
    };
    let mut python = program(place, "python", "redis");
    python.arg("commands.py").arg(json!(commands.iter().map(whole).collect::<Vec<_>>()).to_string());
    let said: Vec<Value> = serde_json::from_str(&output(python).await).unwrap();
    let mut answers = Vec::new();
    for (command, said) in commands.iter().zip(said) {
        assert_eq!(said["code"], 0, "{command:?}: {said}");
        if command[0] == "inspect" {
            let answer: Value = serde_json::from_str(said["said"].as_str().unwrap()).unwrap();
            answers.push(answer[node(place)].clone());
        }
    }
    answers
}

async fn inspect(place: &Place, what: &[&str]) -> Value {
    celery(place, &[&[&["inspect"], what].concat()]).await.remove(0)
}

fn node(place: &Place) -> String {
    format!("rust@{}", place.prefix)
}

fn config(place: &Place) -> HostConfig {
    HostConfig { redis: Some(place.redis()), concurrency: 2, ..place.host("rust") }
}

#[tokio::test(flavor = "multi_thread")]
async fn celery_inspect_sees_a_rust_worker_as_one_of_its_own() {
    let place = Place::take();
    let worker = Worker::start(config(&place)).await;
    let client = Client::connect(place.client()).await.unwrap();
    let nap = async || client.send(&place.rust(), Message::new("rust.sleep").args([json!(600)])).await.unwrap();
    let (running, beside, waiting) = (nap().await, nap().await, nap().await);
    let asked = async |what: &str| client.control().inspect(what, &[], Duration::from_millis(300)).await.unwrap();
    while asked("reserved").await.get(&node(&place)).is_none_or(|tasks| *tasks == json!([])) {}

    let inspections: [&[&str]; 9] = [
        &["inspect", "ping"],
        &["inspect", "active"],
        &["inspect", "reserved"],
        &["inspect", "scheduled"],
        &["inspect", "registered"],
        &["inspect", "stats"],
        &["inspect", "active_queues"],
        &["inspect", "conf"],
        &["inspect", "query_task", &running.id],
    ];
    let answers = celery(&place, &inspections).await;
    let [ping, active, reserved, scheduled, registered, stats, queues, conf, query] = answers.as_slice() else {
        panic!()
    };
    assert_eq!(*ping, json!({"ok": "pong"}));
    let ids: Vec<_> = active.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&running.id.as_str()) && ids.contains(&beside.id.as_str()), "{active}");
    assert_eq!(active[0]["name"], "rust.sleep");
    assert_eq!((&reserved[0]["id"], scheduled), (&json!(waiting.id), &json!([])));
    assert!(registered.as_array().unwrap().contains(&json!("rust.add")), "{registered}");
    assert!(registered.to_string().contains("rust.slow [rate_limit=600/m]"));
    assert_eq!((&stats["pool"]["max-concurrency"], &stats["total"]["rust.sleep"]), (&json!(2), &json!(2)));
    assert_eq!((&queues[0]["name"], &conf["task_default_queue"]), (&json!(place.rust()), &json!(place.python())));
    assert_eq!(query[&running.id][0], "active");
    assert!(inspect(&place, &["report"]).await["ok"].as_str().unwrap().contains("flotilla"));

    // Queued, then running.
    client.control().revoke(&[&waiting.id], false).await.unwrap();
    assert_eq!(waiting.wait(PATIENCE).await.unwrap().outcome.state(), "REVOKED");
    celery(&place, &[&["control", "terminate", "SIGTERM", &running.id]]).await;
    let gone = running.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&gone, Outcome::Revoked(why) if why.message() == "terminated"), "{gone:?}");
    assert!(inspect(&place, &["revoked"]).await.as_array().unwrap().len() == 2);
    client.control().revoke(&[&beside.id], true).await.unwrap();
    assert_eq!(beside.wait(PATIENCE).await.unwrap().outcome.state(), "REVOKED");
    client.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn celery_control_changes_a_rust_worker_and_ends_it() {
    let place = Place::take();
    let worker = Worker::start(config(&place)).await;
    let client = Client::connect(place.client()).await.unwrap();
    while client.control().ping(Duration::from_millis(200)).await.unwrap().is_empty() {}

    let commands: [&[&str]; 4] = [
        &["control", "pool_grow", "3"],
        &["inspect", "stats"],
        &["control", "pool_shrink", "4"],
        &["inspect", "stats"],
    ];
    let stats = celery(&place, &commands).await;
    assert_eq!((&stats[0]["pool"]["max-concurrency"], &stats[0]["prefetch_count"]), (&json!(5), &json!(20)));
    assert_eq!((&stats[1]["pool"]["max-concurrency"], &stats[1]["prefetch_count"]), (&json!(1), &json!(4)));
    let sum = async |queue: String| {
        let sent = client.send(&queue, Message::new("rust.add").args([json!(1), json!(1)])).await.unwrap();
        sent.wait(PATIENCE).await.unwrap().outcome
    };
    assert_eq!(sum(place.rust()).await, Outcome::Success(json!(2)), "it consumes with another prefetch");

    let extra = place.queue("extra");
    celery(&place, &[&["control", "add_consumer", &extra], &["control", "rate_limit", "rust.add", "2/s"]]).await;
    assert_eq!(sum(extra.clone()).await, Outcome::Success(json!(2)));
    let begun = Instant::now();
    for _ in 0..3 {
        sum(place.rust()).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "half a second lies between two of them");
    let commands: [&[&str]; 6] = [
        &["control", "cancel_consumer", &extra],
        &["inspect", "active_queues"],
        &["control", "time_limit", "rust.sleep", "0.2", "0.5"],
        &["control", "enable_events"],
        &["control", "disable_events"],
        &["control", "heartbeat"],
    ];
    let queues = celery(&place, &commands).await.remove(0);
    assert!(queues.as_array().unwrap().iter().all(|queue| queue["name"] != extra), "{queues}");
    let sent = client.send(&place.rust(), Message::new("rust.sleep").args([json!(600)])).await.unwrap();
    let stopped = sent.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&stopped, Outcome::Failure(why) if why.exc_type == "TimeLimitExceeded"), "{stopped:?}");
    let mut shutdown = program(&place, "celery", "redis");
    shutdown.args(["-A", "app", "control", "--timeout", "5", "--destination", &node(&place), "shutdown"]);
    output(shutdown).await;
    worker.ended().await;
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_takes_tasks_back_that_wait_and_that_run() {
    let place = Place::take();
    let worker = Worker::start(config(&place)).await;
    let scenarios = ["revoked_in_the_queue", "revoked_while_it_ran", "revoked_by_stamp"];
    let came = drive(&place, "redis", &scenarios).await;
    for scenario in scenarios {
        assert_eq!(came[scenario]["type"], "TaskRevokedError", "{}", came[scenario]);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_later_learns_what_was_taken_back() {
    let place = Place::take();
    let first =
        Worker::start(HostConfig { queues: vec![celery::QueueConfig::new(place.queue("other"))], ..config(&place) });
    let first = first.await;
    let rpc = ClientConfig { replies: ReplyTo::Own, declare: true, ..place.client() };
    let client = Client::connect(rpc).await.unwrap();
    while client.control().ping(Duration::from_millis(200)).await.unwrap().is_empty() {}
    let sent = client.send(&place.rust(), Message::new("rust.add").args([json!(1), json!(1)])).await.unwrap();
    client.control().revoke(&[&sent.id], false).await.unwrap();
    while !client
        .control()
        .inspect("revoked", &[], Duration::from_millis(200))
        .await
        .unwrap()
        .values()
        .any(|ids| ids.to_string().contains(&sent.id))
    {}
    let late = Worker::start(HostConfig { mingle: Some(Duration::from_secs(1)), ..place.host("late") }).await;
    assert_eq!(sent.wait(PATIENCE).await.unwrap().outcome.state(), "REVOKED");
    client.close().await;
    late.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_shuts_down_ends_what_runs_and_hands_back_what_waits() {
    let place = Place::take();
    let worker = Worker::start(HostConfig { concurrency: 1, ..place.host("rust") }).await;
    let client = Client::connect(place.client()).await.unwrap();
    let send = async |seconds: f64| {
        client.send(&place.rust(), Message::new("rust.sleep").args([json!(seconds)])).await.unwrap()
    };
    let (mut running, mut waiting) = (send(1.0).await, send(0.0).await);
    assert_eq!(running.next(PATIENCE).await.unwrap().outcome.state(), "STARTED");
    worker.stop().await;
    assert_eq!(running.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!("rested")));
    assert!(matches!(waiting.next(Duration::from_millis(200)).await, Err(Error::Timeout(_))));
    let second = Worker::start(place.host("second")).await;
    assert_eq!(waiting.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!("rested")));
    client.close().await;
    second.stop().await;
}
