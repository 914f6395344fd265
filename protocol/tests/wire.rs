//! The wire, held still: every message has a golden JSON file that old and new versions must agree on.
//!
//! A difference here is a change of the wire. If it is meant and compatible, write the files anew with
//! `UPDATE_FIXTURES=1 cargo test -p protocol --test wire every_message` and look at the diff; if it is not
//! compatible, it needs a new `WIRE_VERSION` and a folder of its own beside `v1/`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "wire/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::message::{Callback, Job, Lifecycle};
use protocol::request::ExtractionRequest;
use protocol::wire::{self, Undecodable};
use samples::{Sample, samples};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1")
}

fn fixture(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

#[test]
fn every_message_is_written_as_its_golden_file_says_and_read_back_equal() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    for Sample { name, written, reread } in samples() {
        if update {
            std::fs::create_dir_all(folder()).unwrap();
            let text = serde_json::to_string_pretty(&written).unwrap() + "\n";
            std::fs::write(folder().join(format!("{name}.json")), text).unwrap();
        }
        let golden = fixture(name);
        assert_eq!(written, golden, "{name} is no longer written as its golden file");
        let again = reread(&golden.to_string()).unwrap_or_else(|error| panic!("{name} is no longer read: {error}"));
        assert_eq!(again, golden, "{name} loses something when it is read and written");
    }
}

#[test]
fn every_golden_file_belongs_to_a_message() {
    let known: BTreeSet<String> = samples().into_iter().map(|sample| format!("{}.json", sample.name)).collect();
    let present: BTreeSet<String> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(present, known);
}

#[test]
fn messages_survive_encoding() {
    let job: Job = serde_json::from_value(fixture("job")).unwrap();
    assert_eq!(wire::decode_job(&wire::encode(&job)), Ok(job));
    let callback: Callback = serde_json::from_value(fixture("callback-snooze")).unwrap();
    assert_eq!(wire::decode_callback(&wire::encode(&callback)), Ok(callback));
    let event: Lifecycle = serde_json::from_value(fixture("lifecycle-progress")).unwrap();
    assert_eq!(wire::decode_lifecycle(&wire::encode(&event)), Ok(event));
}

#[test]
fn several_messages_travel_as_one() {
    let callbacks: Vec<Callback> =
        ["callback-done", "callback-fail"].map(|name| serde_json::from_value(fixture(name)).unwrap()).into();
    let encoded = |callbacks: &[Callback]| wire::encode_batch(callbacks.iter().map(wire::encode).collect());
    assert_eq!(wire::decode_batch(&encoded(&callbacks)), Ok(callbacks.clone()));
    assert_eq!(encoded(&callbacks[..1]), wire::encode(&callbacks[0]), "a lone one needs no envelope");
    assert_eq!(wire::decode_batch(&encoded(&callbacks[..1])), Ok(callbacks[..1].to_vec()));
    let golden = serde_json::to_vec_pretty(&fixture("callback-batch")).unwrap();
    assert_eq!(wire::decode_batch::<Callback>(&golden).unwrap().len(), 2, "the order of fields decides nothing");
}

#[test]
fn one_unreadable_message_makes_its_batch_unreadable() {
    let mut batch = fixture("callback-batch");
    batch["batch"][1]["v"] = json!(2);
    for text in [batch.to_string(), serde_json::to_string_pretty(&batch).unwrap()] {
        assert!(wire::decode_batch::<Callback>(text.as_bytes()).is_err(), "{text}");
    }
    let mut newer = fixture("callback-batch");
    newer["v"] = json!(2);
    let error = wire::decode_batch::<Callback>(&bytes(&newer)).unwrap_err();
    assert_eq!(error, Undecodable::UnknownVersion { message: "callback", found: 2 });
}

#[test]
fn a_field_that_a_later_version_added_is_skipped() {
    for name in ["job", "callback-done"] {
        let mut message = fixture(name);
        message["added_later"] = json!({ "any": "thing" });
        if name == "job" {
            assert!(wire::decode_job(&bytes(&message)).is_ok());
        } else {
            assert!(wire::decode_callback(&bytes(&message)).is_ok());
        }
    }
}

#[test]
fn a_missing_field_is_named() {
    let required = [
        (
            "job",
            vec![
                "v",
                "run_id",
                "task_run_id",
                "tenant",
                "workflow",
                "task",
                "queue",
                "attempt",
                "input",
                "timeouts",
                "queued_at",
            ],
        ),
        ("callback-fail", vec!["v", "run_id", "task_run_id", "attempt", "worker", "outcome", "started_at", "ended_at"]),
        ("lifecycle-log", vec!["v", "run_id", "tenant", "worker", "at", "event"]),
    ];
    for (name, fields) in required {
        for field in fields {
            let mut message = fixture(name);
            message.as_object_mut().unwrap().remove(field).unwrap_or_else(|| panic!("{name} has no {field}"));
            let error = match name {
                "job" => wire::decode_job(&bytes(&message)).unwrap_err(),
                "callback-fail" => wire::decode_callback(&bytes(&message)).unwrap_err(),
                _ => wire::decode_lifecycle(&bytes(&message)).unwrap_err(),
            };
            assert!(error.to_string().contains(&format!("missing field `{field}`")), "{name} without {field}: {error}");
        }
    }
}

#[test]
fn an_unknown_version_is_named_before_anything_else() {
    let error = wire::decode_job(br#"{"v": 7, "shape": "unheard of"}"#).unwrap_err();
    assert_eq!(error.to_string(), "the job has version 7, this process reads version 1; update it");
    let mut callback = fixture("callback-done");
    callback["v"] = json!(0);
    let error = wire::decode_callback(&bytes(&callback)).unwrap_err();
    assert_eq!(error, Undecodable::UnknownVersion { message: "callback", found: 0 });
}

#[test]
fn bytes_that_are_no_json_are_told_from_json_that_is_no_message() {
    for broken in [&b""[..], b"{", b"\xff\xfe", b"{\"v\": 1,}"] {
        let error = wire::decode_job(broken).unwrap_err();
        assert!(matches!(error, Undecodable::NotJson { .. }), "{broken:?}: {error}");
    }
    for foreign in [&b"[]"[..], b"7", b"{}", b"{\"v\": \"one\"}", b"{\"v\": 1, \"run_id\": \"no uuid\"}"] {
        let error = wire::decode_job(foreign).unwrap_err();
        assert!(matches!(error, Undecodable::Malformed { .. }), "{foreign:?}: {error}");
    }
}

#[test]
fn the_golden_request_passes_the_checks_for_requests_from_outside() {
    let golden = fixture("extraction-request");
    let checked = ExtractionRequest::parse(&golden).unwrap();
    assert_eq!(checked, serde_json::from_value(golden).unwrap());
}
