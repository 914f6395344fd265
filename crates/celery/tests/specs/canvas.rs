//! Chains, groups, chords and callbacks that go back and forth between Python and Rust.

use celery::{Client, Error, HostConfig, Message, Outcome, Signature};
use serde_json::json;

use crate::place::Place;
use crate::python::{PATIENCE, Peer, drive};
use crate::rust::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn chains_groups_and_callbacks_go_back_and_forth_by_message() {
    let place = Place::take();
    let worker = Worker::start(place.host("rust")).await;
    let _python = Peer::worker(&place, "rpc", &[]).await;
    let scenarios = ["chain_mixed", "chain_skips_results", "chain_fails", "typed_in_chain", "grouped"];
    let came = drive(&place, "rpc", &scenarios).await;
    assert_eq!(came["chain_mixed"], 1113);
    assert_eq!(came["chain_skips_results"], 11, "an immutable step takes no result of what ran before it");
    assert_eq!(came["chain_fails"], json!(["KeyError", "KeyError"]), "whoever waits for the last step hears of it");
    assert_eq!(came["typed_in_chain"], "2026-01-02T03:04:05+00:00");
    assert_eq!(came["grouped"], json!([0, 2, 4, 6, 8, 10]));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chords_are_counted_in_redis_whoever_runs_their_parts() {
    let place = Place::take();
    let config = HostConfig { rpc: false, redis: Some(place.redis()), ..place.host("rust") };
    let worker = Worker::start(config).await;
    let _python = Peer::worker(&place, "redis", &[]).await;
    let scenarios = [
        "linked",
        "children",
        "grouped",
        "chorded",
        "chorded_back",
        "chord_in_chain",
        "chord_of_chains",
        "nested_chord",
        "chain_of_groups",
        "big_chord",
        "chord_fails",
        "link_error",
        "nested_shape",
    ];
    let came = drive(&place, "redis", &scenarios).await;
    assert_eq!(came["linked"], json!([13, 23]), "callbacks are the children of the task that called them");
    assert_eq!(came["children"], json!([3, 13]));
    assert_eq!(came["chorded"], 12);
    assert_eq!(came["chorded_back"], 90);
    // 2, then 12 and 22, then 34.
    assert_eq!(came["chord_in_chain"], 1034);
    assert_eq!(came["chord_of_chains"], 11);
    assert_eq!(came["nested_chord"], 12);
    assert_eq!(came["chain_of_groups"], json!([7, 8]));
    assert_eq!(came["big_chord"], 19900);
    assert_eq!(came["nested_shape"][0], came["nested_shape"][1]);
    let heard = format!("heard of {}", came["link_error"][1].as_str().unwrap_or_default());
    assert_eq!(came["link_error"][0], json!(heard));
    let failed = &came["chord_fails"];
    assert_eq!(failed["type"], "ChordError");
    assert!(failed["args"][0].as_str().unwrap().ends_with("raised ValueError('no')"), "{failed}");
    worker.stop().await;
}

/// As Celery does: over rpc nobody counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_chord_fails_where_results_are_not_in_redis() {
    let place = Place::take();
    let worker = Worker::start(place.host("rust")).await;
    let client = Client::connect(place.client()).await.unwrap();
    let part = Signature::new("rust.add", [json!(1), json!(1)]).queue(&place.rust());
    let chord = Signature::chord([part.clone()], Signature::new("rust.total", []));
    assert!(matches!(client.call(&chord).await, Err(Error::ChordsNeedRedis)));
    let mut message = Message::new("rust.add").args([json!(1), json!(1)]);
    message.embed.chord = Some(part);
    let sent = client.send(&place.rust(), message).await.unwrap();
    let came = sent.wait(PATIENCE).await.unwrap().outcome;
    assert!(matches!(&came, Outcome::Failure(why) if why.exc_type == "NotImplementedError"), "{came:?}");
    client.close().await;
    worker.stop().await;
}
