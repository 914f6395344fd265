//! Celery's own command line, and its clients, against a worker of ours.

use std::time::Duration;

use celery::{Client, ClientConfig, Error, HostConfig, Message, Outcome, ReplyTo};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::place::Place;
use crate::python::{PATIENCE, drive, output, program};
use crate::rust::Worker;

/// `celery inspect …` or `celery control …`, with JSON for an answer where there is one.
async fn celery(place: &Place, arguments: &[&str]) -> String {
    let mut command = program(place, "celery", "redis");
    command.args(["-A", "app"]).args(arguments);
    output(command).await
}

async fn inspect(place: &Place, what: &[&str]) -> Value {
    let said =
        celery(place, &[&["inspect", "--json", "--timeout", "3", "--destination", &node(place)], what].concat()).await;
    let answers: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}"));
    answers[node(place)].clone()
}

async fn control(place: &Place, what: &[&str]) -> String {
    celery(place, &[&["control", "--timeout", "3", "--destination", &node(place)], what].concat()).await
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

    assert_eq!(inspect(&place, &["ping"]).await, json!({"ok": "pong"}));
    let active = inspect(&place, &["active"]).await;
    let ids: Vec<_> = active.as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&running.id.as_str()) && ids.contains(&beside.id.as_str()), "{active}");
    assert_eq!(active[0]["name"], "rust.sleep");
    assert_eq!(inspect(&place, &["reserved"]).await[0]["id"], waiting.id);
    assert_eq!(inspect(&place, &["scheduled"]).await, json!([]));
    let registered = inspect(&place, &["registered"]).await;
    assert!(registered.as_array().unwrap().contains(&json!("rust.add")), "{registered}");
    assert!(registered.to_string().contains("rust.slow [rate_limit=600/m]"));
    let stats = inspect(&place, &["stats"]).await;
    assert_eq!((&stats["pool"]["max-concurrency"], &stats["total"]["rust.sleep"]), (&json!(2), &json!(2)));
    assert_eq!(inspect(&place, &["active_queues"]).await[0]["name"], place.rust());
    assert_eq!(inspect(&place, &["conf"]).await["task_default_queue"], place.python());
    assert_eq!(inspect(&place, &["query_task", &running.id]).await[&running.id][0], "active");
    assert!(inspect(&place, &["report"]).await["ok"].as_str().unwrap().contains("flotilla"));

    // Queued, then running.
    client.control().revoke(&[&waiting.id], false).await.unwrap();
    assert_eq!(waiting.wait(PATIENCE).await.unwrap().outcome.state(), "REVOKED");
    let said = control(&place, &["terminate", "SIGTERM", &running.id]).await;
    assert!(said.contains("OK"), "{said}");
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

    control(&place, &["pool_grow", "3"]).await;
    assert_eq!(inspect(&place, &["stats"]).await["pool"]["max-concurrency"], 5);
    control(&place, &["pool_shrink", "4"]).await;
    let stats = inspect(&place, &["stats"]).await;
    assert_eq!((&stats["pool"]["max-concurrency"], &stats["prefetch_count"]), (&json!(1), &json!(4)));
    let sum = async |queue: String| {
        let sent = client.send(&queue, Message::new("rust.add").args([json!(1), json!(1)])).await.unwrap();
        sent.wait(PATIENCE).await.unwrap().outcome
    };
    assert_eq!(sum(place.rust()).await, Outcome::Success(json!(2)), "it consumes with another prefetch");

    let extra = place.queue("extra");
    control(&place, &["add_consumer", &extra]).await;
    assert_eq!(sum(extra.clone()).await, Outcome::Success(json!(2)));
    control(&place, &["cancel_consumer", &extra]).await;
    let queues = inspect(&place, &["active_queues"]).await;
    assert!(queues.as_array().unwrap().iter().all(|queue| queue["name"] != extra), "{queues}");

    control(&place, &["rate_limit", "rust.add", "2/s"]).await;
    let begun = Instant::now();
    for _ in 0..3 {
        sum(place.rust()).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "half a second lies between two of them");
    control(&place, &["time_limit", "rust.sleep", "0.2", "0.5"]).await;
    let sent = client.send(&place.rust(), Message::new("rust.sleep").args([json!(600)])).await.unwrap();
    let stopped = sent.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&stopped, Outcome::Failure(why) if why.exc_type == "TimeLimitExceeded"), "{stopped:?}");
    for command in ["enable_events", "disable_events", "heartbeat"] {
        control(&place, &[command]).await;
    }
    control(&place, &["shutdown"]).await;
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
