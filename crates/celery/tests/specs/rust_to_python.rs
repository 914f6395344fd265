//! Rust sends, Python does.

use std::time::Duration;

use celery::{Client, ClientConfig, Delays, Error, Failure, Message, Outcome, ReplyTo, Signature, TimeLimits};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::place::Place;
use crate::python::{PATIENCE, Peer};

async fn outcome(client: &Client, place: &Place, message: Message) -> Outcome {
    let sent = client.send(&place.python(), message).await.unwrap();
    sent.wait(PATIENCE).await.unwrap().outcome
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failure(failure) | Outcome::Revoked(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_gets_results_and_exceptions_of_python_tasks_by_message() {
    let place = Place::take();
    let _worker = Peer::worker(&place, "rpc", &[]).await;
    let client = Client::connect(place.client()).await.unwrap();

    let added = outcome(&client, &place, Message::new("app.add").args([json!(2), json!(3)])).await;
    assert_eq!(added, Outcome::Success(json!(5)));
    let echoed = outcome(&client, &place, Message::new("app.echo").args([json!("ü")]).kwarg("a", json!([1]))).await;
    assert_eq!(echoed, Outcome::Success(json!({"args": ["ü"], "kwargs": {"a": [1]}})));
    let typed = outcome(&client, &place, Message::new("app.typed")).await;
    let plain =
        json!({"when": "2026-01-02T00:00:00+00:00", "price": "1.50", "id": "00000000-0000-0000-0000-000000000007"});
    assert_eq!(typed, Outcome::Success(plain));

    let jam = failure(outcome(&client, &place, Message::new("app.jam").args([json!(2)])).await);
    assert_eq!((jam.exc_type.as_str(), jam.exc_module.as_deref()), ("OutOfPaper", Some("app")));
    assert_eq!(jam.args, [json!("no paper"), json!(2)]);
    assert!(jam.traceback.unwrap().contains("raise OutOfPaper"));
    let unknown = failure(outcome(&client, &place, Message::new("app.nobody")).await);
    assert_eq!(unknown.exc_type, "NotRegistered");

    // The policy of the Python task: a second apart, twice.
    let mut flaky = client.send(&place.python(), Message::new("app.flaky").args([json!(2)])).await.unwrap();
    let mut states = Vec::new();
    while states.last() != Some(&"SUCCESS".to_owned()) {
        states.push(flaky.next(PATIENCE).await.unwrap().outcome.state().to_owned());
    }
    assert_eq!(states, ["RETRY", "RETRY", "SUCCESS"]);
    let exhausted = failure(outcome(&client, &place, Message::new("app.flaky").args([json!(9)])).await);
    assert_eq!((exhausted.exc_type.as_str(), exhausted.args), ("OutOfPaper", vec![json!(2)]));

    let mut progress = client.send(&place.python(), Message::new("app.progress")).await.unwrap();
    let first = progress.next(PATIENCE).await.unwrap().outcome;
    assert_eq!(first, Outcome::Custom { state: "PROGRESS".into(), meta: json!({"done": 50}) });
    assert_eq!(progress.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!("done")));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_expiry_priority_and_revocation_reach_python() {
    let place = Place::take();
    let _worker = Peer::worker(&place, "rpc", &[]).await;
    let client = Client::connect(place.client()).await.unwrap();

    let hard = TimeLimits { hard: Some(Duration::from_secs(1)), soft: None };
    let too_long = client.send(&place.python(), Message::new("app.nap").args([json!(60)]).limits(hard)).await.unwrap();
    let soft = TimeLimits { hard: Some(Duration::from_secs(20)), soft: Some(Duration::from_secs(1)) };
    let woken = client.send(&place.python(), Message::new("app.patient").args([json!(60)]).limits(soft)).await.unwrap();
    assert_eq!(failure(too_long.wait(PATIENCE).await.unwrap().outcome).exc_type, "TimeLimitExceeded");
    assert_eq!(woken.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!("woken")));

    let past = Timestamp::now() - SignedDuration::from_secs(5);
    let late = outcome(&client, &place, Message::new("app.add").args([json!(1), json!(1)]).expires(past)).await;
    assert!(matches!(&late, Outcome::Revoked(why) if why.message() == "expired"), "{late:?}");
    let priority = outcome(&client, &place, Message::new("app.nap").args([json!(0)]).priority(7)).await;
    assert_eq!(priority, Outcome::Success(json!(7)));

    let mut running = client.send(&place.python(), Message::new("app.nap").args([json!(60)])).await.unwrap();
    assert_eq!(running.next(PATIENCE).await.unwrap().outcome.state(), "STARTED");
    client.control().revoke(&[&running.id], true).await.unwrap();
    assert_eq!(running.wait(PATIENCE).await.unwrap().outcome.state(), "REVOKED");

    let eta = Timestamp::now() + SignedDuration::from_secs(60);
    let mut queued = client.send(&place.python(), Message::new("app.add").eta(eta)).await.unwrap();
    let known =
        |answers: celery::Answers| answers.values().any(|tasks| tasks.as_array().is_some_and(|t| !t.is_empty()));
    while !known(client.control().inspect("scheduled", &[], Duration::from_millis(500)).await.unwrap()) {}
    client.control().revoke(&[&queued.id], false).await.unwrap();
    // Celery says so when its time has come; until then only the worker knows.
    let revoked = client.control().inspect("revoked", &[], Duration::from_secs(1)).await.unwrap();
    assert!(
        revoked.values().any(|ids| ids.as_array().is_some_and(|ids| ids.contains(&json!(queued.id)))),
        "{revoked:?}"
    );
    assert!(matches!(queued.next(Duration::from_millis(10)).await, Err(Error::Timeout(_))));
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_for_later_waits_in_rabbitmq_and_not_with_the_python_worker() {
    let place = Place::take();
    let _worker = Peer::worker(&place, "rpc", &[]).await;
    let client = Client::connect(ClientConfig { delays: Some(Delays::default()), ..place.client() }).await.unwrap();
    let begun = Timestamp::now();
    let eta = begun + SignedDuration::from_secs(3);
    let message = Message::new("app.add").args([json!(1), json!(1)]).eta(eta);
    let sent = client.send(&place.python(), message).await.unwrap();
    let held = client.control().inspect("scheduled", &[], Duration::from_secs(1)).await.unwrap();
    assert!(held.values().all(|tasks| *tasks == json!([])), "{held:?}");
    assert_eq!(sent.wait(PATIENCE).await.unwrap().outcome, Outcome::Success(json!(2)));
    assert!(Timestamp::now() >= eta, "not before its time");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inspection_and_compositions_work_with_python_workers_alone() {
    let place = Place::take();
    let worker = Peer::worker(&place, "redis", &[]).await;
    let config = ClientConfig { replies: ReplyTo::Nowhere, redis: Some(place.redis()), ..place.client() };
    let client = Client::connect(config).await.unwrap();
    let node = format!("python@{}", place.prefix);

    let napping = client.send(&place.python(), Message::new("app.nap").args([json!(2)])).await.unwrap();
    let of = |task: &str, args: [Value; 2]| Signature::new(format!("app.{task}"), args);
    let chain = Signature::chain([of("add", [json!(1), json!(2)]), Signature::new("app.add", [json!(10)])]);
    let sum = client.call(&chain).await.unwrap().unwrap().wait(PATIENCE).await.unwrap();
    assert_eq!(sum.outcome, Outcome::Success(json!(13)));
    let header = (1..=5).map(|n| of("add", [json!(n), json!(n)]));
    let chord = Signature::chord(header, Signature::new("app.total", []));
    let total = client.call(&chord).await.unwrap().unwrap().wait(PATIENCE).await.unwrap();
    assert_eq!(total.outcome, Outcome::Success(json!(30)));

    let control = client.control();
    for what in ["active", "reserved", "scheduled", "registered", "stats", "active_queues", "conf", "revoked", "clock"]
    {
        let answers = control.inspect(what, &[&node], PATIENCE).await.unwrap();
        assert!(answers.contains_key(&node), "{what}: {answers:?}");
    }
    let registered = control.inspect("registered", &[&node], PATIENCE).await.unwrap();
    assert!(registered[&node].to_string().contains("app.add"));
    let known = control.query_task(&[&napping.id], Duration::from_secs(1)).await.unwrap();
    assert!(known[&node].is_object());
    napping.wait(PATIENCE).await.unwrap();

    control.shutdown(&[&node]).await.unwrap();
    while !control.ping(Duration::from_millis(300)).await.unwrap().is_empty() {}
    drop(worker);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_wait_in_a_durable_queue_until_somebody_has_dealt_with_them() {
    let place = Place::take();
    let _worker = Peer::worker(&place, "rpc", &[]).await;
    let queue = place.queue("outcomes");
    let config = || ClientConfig { replies: ReplyTo::Queue(queue.clone()), ..place.client() };
    let sender = Client::connect(config()).await.unwrap();
    let sent = sender.send(&place.python(), Message::new("app.add").args([json!(1), json!(1)])).await.unwrap();
    sender.close().await;

    let reader = Client::connect(config()).await.unwrap();
    let unacknowledged = reader.replies(&queue, 10).await.unwrap().next().await.unwrap();
    assert_eq!(unacknowledged.result.task_id, sent.id);
    drop(unacknowledged);
    reader.close().await;

    let second = Client::connect(config()).await.unwrap();
    let mut replies = second.replies(&queue, 10).await.unwrap();
    let reply = replies.next().await.unwrap();
    assert_eq!(reply.result.outcome, Outcome::Success(json!(2)), "what was not acknowledged comes again");
    reply.ack().await;
    second.close().await;
}

#[tokio::test]
async fn a_task_for_a_queue_that_does_not_exist_is_refused() {
    let place = Place::take();
    let client = Client::connect(place.client()).await.unwrap();
    let nowhere = client.send(&place.queue("nowhere"), Message::new("app.add")).await;
    assert!(matches!(nowhere, Err(Error::Unroutable(_))), "somebody would wait for it for ever");
    client.close().await;
}
