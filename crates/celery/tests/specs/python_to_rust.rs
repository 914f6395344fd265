//! Python sends, Rust does.

use celery::{Error, Host, HostConfig, QueueConfig};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::place::Place;
use crate::python::drive;
use crate::rust::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn python_gets_results_and_exceptions_of_rust_tasks_by_message() {
    let place = Place::take();
    let worker = Worker::start(place.host("rust")).await;
    let scenarios = [
        "plain",
        "keywords",
        "typed_arguments",
        "compressed",
        "exception",
        "custom_exception",
        "unknown",
        "panicking",
        "burst",
        "progress",
        "poison",
    ];
    let came = drive(&place, "rpc", &scenarios).await;
    assert_eq!(came["plain"], 5);
    assert_eq!(came["keywords"], json!({"args": [1], "kwargs": {"to": "x"}, "priority": 3}));
    assert_eq!(came["typed_arguments"]["args"], json!(["2026-01-02T03:04:05+00:00", "bytes", null]));
    assert_eq!(came["compressed"], 42);
    let raised = &came["exception"];
    assert_eq!(
        (&raised["type"], &raised["args"], &raised["state"]),
        (&json!("ValueError"), &json!(["no such page"]), &json!("FAILURE"))
    );
    assert_eq!(raised["traceback"], "Traceback: somewhere in Rust");
    assert_eq!(came["custom_exception"]["type"], "PageMissing", "Celery makes up classes that it does not know");
    assert_eq!(came["unknown"]["type"], "NotRegistered");
    assert_eq!(came["panicking"]["type"], "WorkerLostError");
    assert_eq!(came["burst"], 5050);
    assert_eq!(came["progress"], json!(["done", ["STARTED", "PROGRESS", "SUCCESS"]]));
    assert_eq!(came["poison"], 2, "the worker lives on");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_gets_results_and_exceptions_of_rust_tasks_from_redis() {
    let place = Place::take();
    let config = HostConfig { rpc: false, redis: Some(place.redis()), ..place.host("rust") };
    let worker = Worker::start(config).await;
    let came = drive(&place, "redis", &["plain", "exception", "unknown", "ignored", "progress"]).await;
    assert_eq!(came["plain"], 5);
    assert_eq!(came["exception"]["type"], "ValueError");
    assert_eq!(came["exception"]["traceback"], "Traceback: somewhere in Rust");
    assert_eq!(came["unknown"]["type"], "NotRegistered");
    assert_eq!(came["ignored"], json!(null));
    assert_eq!(came["progress"][0], "done");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_delays_expiry_and_time_limits_are_kept() {
    let place = Place::take();
    let worker = Worker::start(place.host("rust")).await;
    let scenarios = ["retried", "later", "expired", "expired_while_it_waited", "too_long", "told_that_it_takes_long"];
    let (came, exhausted) =
        tokio::join!(drive(&place, "rpc", &scenarios), drive(&place, "rpc", &["retries_exhausted"]));
    assert_eq!(came["retried"], 2, "the third try succeeds");
    let waited = came["later"].as_f64().unwrap();
    assert!((2.4..4.5).contains(&waited), "{waited}");
    assert_eq!(came["expired"]["type"], "TaskRevokedError");
    assert_eq!(came["expired"]["args"], json!(["expired"]));
    assert_eq!(came["expired_while_it_waited"]["type"], "TaskRevokedError");
    assert_eq!(came["too_long"]["type"], "TimeLimitExceeded");
    assert_eq!(came["told_that_it_takes_long"], "told");
    assert_eq!(exhausted["retries_exhausted"]["type"], "OSError", "the reason of the last retry");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_celery_sends_into_the_queues_for_later_arrives_when_it_is_due() {
    let place = Place::take();
    let quorum = QueueConfig { quorum: true, ..QueueConfig::new(place.rust()) };
    let worker = Worker::start(HostConfig { queues: vec![quorum], ..place.host("rust") }).await;
    place.queue("rust.topic");
    let came = drive(&place, "rpc", &["native_delay"]).await;
    let waited = came["native_delay"].as_f64().unwrap_or_else(|| panic!("{}", came["native_delay"]));
    assert!((2.9..5.0).contains(&waited), "{waited}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_declare_nothing_uses_what_is_there() {
    let place = Place::take();
    let missing = Host::builder(HostConfig { declare: false, ..place.host("rust") }).build().await.unwrap();
    let refused = missing.run(CancellationToken::new()).await;
    assert!(matches!(refused, Err(Error::Unroutable(queue)) if queue == place.rust()));
    Worker::start(place.host("first")).await.stop().await;
    let worker = Worker::start(HostConfig { declare: false, ..place.host("rust") }).await;
    let came = drive(&place, "rpc", &["plain", "retried"]).await;
    assert_eq!((&came["plain"], &came["retried"]), (&json!(5), &json!(2)));
    worker.stop().await;
}
