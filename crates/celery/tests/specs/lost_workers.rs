//! Workers that are killed, and connections that break.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use celery::{Client, ClientConfig, Host, HostConfig, Message, Outcome, RedisConfig, ReplyTo, TaskOptions};
use redis::Commands;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::place::Place;
use crate::proxy::Proxy;
use crate::python::{PATIENCE, Peer};
use crate::rust::{Worker, builder};

fn worker(place: &Place, node: &str) -> Peer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_celery-spec-worker"));
    command.env("SPEC_PREFIX", &place.prefix).env("SPEC_AMQP", &place.amqp);
    command.env("SPEC_REDIS", &place.redis).env("SPEC_NODE", node);
    Peer::start(command)
}

/// Ids that tasks have noted.
fn noted(place: &Place, what: &str) -> Vec<String> {
    let mut redis = redis::Client::open(place.redis.as_str()).unwrap().get_connection().unwrap();
    redis.lrange(format!("{}{what}", place.prefix), 0, -1).unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// A client that waits until a worker consumes.
async fn client(place: &Place) -> Client {
    let client = Client::connect(place.client()).await.unwrap();
    while client.control().ping(Duration::from_millis(100)).await.unwrap().is_empty() {}
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_worker_is_killed_is_done_by_another_and_recorded_once() {
    let place = Place::take();
    let mut first = worker(&place, "first");
    let client = client(&place).await;
    let sent = client.send(&place.rust(), Message::new("rust.slow").args([json!(60)])).await.unwrap();
    until(|| noted(&place, "begun").len() == 1).await;
    let _second = worker(&place, "second");
    first.kill();
    let id = sent.id.clone();
    let result = sent.wait(PATIENCE).await.unwrap();
    assert_eq!(result.outcome, Outcome::Success(json!(true)), "the second delivery");
    assert_eq!((noted(&place, "begun").len(), noted(&place, "done")), (2, vec![id.clone()]));
    let stored = celery::Results::new(&place.redis()).unwrap().get(&id).await.unwrap().unwrap();
    assert_eq!(stored.outcome, result.outcome);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_kills_every_worker_fails_when_it_was_delivered_too_often() {
    let place = Place::take();
    let mut peer = worker(&place, "one");
    let client = client(&place).await;
    let sent = client.send(&place.rust(), Message::new("rust.deadly")).await.unwrap();
    let id = sent.id.clone();
    for deaths in 1..=3 {
        until(|| noted(&place, "begun").len() == deaths).await;
        peer.kill();
        peer = worker(&place, "another");
    }
    let outcome = sent.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&outcome, Outcome::Failure(why) if why.exc_type == "WorkerLostError"), "{outcome:?}");
    assert_eq!(noted(&place, "begun"), vec![id; 3]);
    let next = client.send(&place.rust(), Message::new("rust.slow").args([json!(0)])).await.unwrap();
    assert_eq!(next.wait(PATIENCE).await.unwrap().outcome.state(), "SUCCESS", "the worker lives on");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_again_and_again_fails_its_task_in_the_end() {
    let place = Place::take();
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let panics = move |_task| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async { panic!("no such luck") }
    };
    let host = builder(place.host("rust")).task("rust.unlucky", panics, TaskOptions::late());
    let worker = Worker::of(host).await;
    let client = client(&place).await;
    let sent = client.send(&place.rust(), Message::new("rust.unlucky")).await.unwrap();
    let outcome = sent.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&outcome, Outcome::Failure(why) if why.message().contains("no such luck")), "{outcome:?}");
    assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 4, "once, and three times more");
    client.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_clients_whose_connection_breaks_go_on_over_another() {
    let place = Place::take();
    let proxy = Proxy::start(&place.amqp).await;
    let worker = Worker::start(HostConfig { url: proxy.url.clone(), ..place.host("rust") }).await;
    let client = Client::connect(ClientConfig { url: proxy.url.clone(), ..place.client() }).await.unwrap();
    let sum = async |number: i64| {
        let sent = client.send(&place.rust(), Message::new("rust.add").args([json!(number), json!(1)])).await.unwrap();
        sent.wait(PATIENCE).await.unwrap().outcome
    };
    for number in 0..3 {
        assert_eq!(sum(number).await, Outcome::Success(json!(number + 1)));
        proxy.cut();
    }
    assert_eq!(sum(9).await, Outcome::Success(json!(10)));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while client.control().ping(Duration::from_millis(200)).await.is_ok_and(|nodes| nodes.is_empty()) {
        assert!(tokio::time::Instant::now() < deadline, "remote control is not heard any more");
    }
    client.close().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_longer_than_the_grace_is_handed_back_or_fails() {
    let place = Place::take();
    let config = HostConfig { grace: Duration::from_millis(300), ..place.host("rust") };
    let nap = |_task| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(Value::Null)
    };
    let worker =
        Worker::of(builder(config).task("rust.late", nap, TaskOptions { track_started: true, ..TaskOptions::late() }));
    let worker = worker.await;
    let client = client(&place).await;
    let mut early = client.send(&place.rust(), Message::new("rust.sleep").args([json!(600)])).await.unwrap();
    let mut late = client.send(&place.rust(), Message::new("rust.late")).await.unwrap();
    for pending in [&mut early, &mut late] {
        assert_eq!(pending.next(PATIENCE).await.unwrap().outcome.state(), "STARTED");
    }
    worker.stop().await;
    let given_up = early.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&given_up, Outcome::Failure(why) if why.exc_type == "WorkerLostError"), "{given_up:?}");
    let done = |task: celery::Task| async move { Ok(json!(task.redelivered)) };
    let second = Worker::of(builder(place.host("second")).task("rust.late", done, TaskOptions::late())).await;
    assert_eq!(late.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!(true)));
    client.close().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_result_cannot_be_stored_goes_to_another_worker() {
    let place = Place::take();
    let away = RedisConfig::new("redis://127.0.0.1:1");
    let blind = HostConfig { redis: Some(away), rpc: false, concurrency: 1, ..place.host("blind") };
    let begun = watch::Sender::new(0);
    let (noting, mut noted) = (begun.clone(), begun.subscribe());
    let note = move |_task| {
        noting.send_modify(|times| *times += 1);
        async { Ok(json!("by the first")) }
    };
    let blind = Worker::of(Host::builder(blind).task("rust.note", note, TaskOptions::late())).await;
    let config = ClientConfig { replies: ReplyTo::Nowhere, redis: Some(place.redis()), ..place.client() };
    let client = Client::connect(config).await.unwrap();
    let sent = client.send(&place.rust(), Message::new("rust.note")).await.unwrap();
    noted.wait_for(|times| *times > 0).await.unwrap();
    let sighted = HostConfig { redis: Some(place.redis()), rpc: false, ..place.host("sighted") };
    let second = |_task| async { Ok(json!("by the second")) };
    let second = Worker::of(Host::builder(sighted).task("rust.note", second, TaskOptions::late())).await;
    blind.stop().await;
    assert_eq!(sent.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!("by the second")));
    client.close().await;
    second.stop().await;
}
