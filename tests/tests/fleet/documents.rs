//! Documents that are handed in once and asked about often.

use protocol::{Payload, RunId, TenantId};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::door::{Door, json as json_of};
use crate::harness::TestFleet;
use crate::world::World;

const TEXT: &str = "Invoice 7\nTotal: 12.50 EUR\n";

async fn hand_in(door: &Door, name: &str, bytes: &'static [u8]) -> Response {
    let form = Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned()));
    door.call(Method::POST, "/api/v1/documents").multipart(form).send().await.unwrap()
}

async fn open(world: &World) -> (TestFleet, Door) {
    let fleet = TestFleet::start(world, |worker| worker).await;
    fleet.fleet.register(&protocol::stages::pipeline()).await.unwrap();
    let door = Door::open(&fleet).await;
    (fleet, door)
}

async fn start(door: &Door, order: &Value) -> (StatusCode, Value) {
    let answer = door.call(Method::POST, "/api/v1/runs").json(order).send().await.unwrap();
    (answer.status(), json_of(answer).await)
}

async fn input_of(fleet: &TestFleet, accepted: &Value) -> Value {
    let run: RunId = serde_json::from_value(accepted["run_id"].clone()).unwrap();
    match fleet.record(run).await.input {
        Payload::Inline(input) => input,
        Payload::Artifact(artifact) => panic!("{artifact:?}"),
    }
}

pub(crate) async fn the_same_bytes_are_the_same_document_until_it_is_removed(world: &World) {
    let (fleet, door) = open(world).await;
    let first = hand_in(&door, "invoice.txt", TEXT.as_bytes()).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let location = first.headers()["location"].to_str().unwrap().to_owned();
    let document = json_of(first).await;
    assert_eq!(document["id"], format!("doc_{}", document["sha256"].as_str().unwrap()));
    assert_eq!((&document["name"], &document["media_type"]), (&json!("invoice.txt"), &json!("text/plain")));
    assert_eq!(document["bytes"], TEXT.len());

    let bare = door.call(Method::POST, "/api/v1/documents?name=other.md").body(TEXT).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::OK, "these bytes are known");
    assert_eq!(json_of(bare).await, document);
    assert_eq!(json_of(door.get("/api/v1/documents").await).await, json!({ "documents": [document], "next": null }));
    assert_eq!(json_of(door.get(&location).await).await, document);

    let content = door.get(&format!("{location}/content")).await;
    assert_eq!(content.headers()["content-disposition"], "attachment; filename*=UTF-8''invoice.txt");
    assert_eq!(content.headers()["x-content-type-options"], "nosniff");
    assert_eq!(content.headers()["content-length"], TEXT.len().to_string());
    assert_eq!(content.text().await.unwrap(), TEXT);

    let foreign = door.call(Method::GET, &location).header("flotilla-tenant", "other").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND, "another tenant has no such document");

    assert_eq!(door.call(Method::DELETE, &location).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    for path in [location.clone(), format!("{location}/content")] {
        assert_eq!(json_of(door.get(&path).await).await["code"], "no_such_document", "{path}");
    }
    assert_eq!(door.call(Method::DELETE, &location).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(hand_in(&door, "again.txt", TEXT.as_bytes()).await.status(), StatusCode::CREATED);
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_run_of_a_stored_document_is_the_run_of_an_upload_of_it(world: &World) {
    let (fleet, door) = open(world).await;
    let document = json_of(hand_in(&door, "invoice.txt", TEXT.as_bytes()).await).await;
    let (status, stored) = start(&door, &json!({ "document": document["id"], "idempotency_key": "k" })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{stored}");
    let form = Form::new().part("file", Part::bytes(TEXT.as_bytes()).file_name("invoice.txt"));
    let call = door.call(Method::POST, "/api/v1/runs").header("idempotency-key", "k").multipart(form);
    let uploaded = json_of(call.send().await.unwrap()).await;
    assert_eq!((&uploaded["run_id"], &uploaded["created"]), (&stored["run_id"], &json!(false)), "it is the same run");
    assert_eq!(input_of(&fleet, &stored).await["file_name"], "invoice.txt");

    let many = json!({ "runs": [{ "document": document["id"] }, { "document": document["id"], "priority": 3 }] });
    let (status, accepted) = start(&door, &many).await;
    assert_eq!((status, accepted["runs"].as_array().map(Vec::len)), (StatusCode::ACCEPTED, Some(2)), "{accepted}");

    let unknown = format!("doc_{}", "0".repeat(64));
    let wrong = json!({ "runs": [
        { "document": unknown },
        { "document": document["id"], "request": { "outputs": 7 } },
        { "document": document["id"], "request": { "file_hash": "00" } },
        { "document": document["id"], "colour": "red" },
    ] });
    let (status, problem) = start(&door, &wrong).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("request_invalid")));
    let paths: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    let expected =
        ["$.runs[0].document", "$.runs[1].request.outputs", "$.runs[2].request.file_hash", "$.runs[3].colour"];
    assert_eq!(paths, expected, "{problem}");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn what_is_never_a_document_is_refused_and_not_kept(world: &World) {
    let (fleet, door) = open(world).await;
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".as_slice();
    for (bytes, status, code) in [
        (zip, 415, "document_unsupported"),
        (b"\x1f\x8b\x08\0\0\0\0\0".as_slice(), 415, "document_unsupported"),
        (b"".as_slice(), 422, "document_empty"),
    ] {
        let answer = hand_in(&door, "invoice.pdf", bytes).await;
        assert_eq!(answer.status().as_u16(), status, "{bytes:?}");
        assert_eq!(json_of(answer).await["code"], code, "{bytes:?}");
    }
    let answer = door.call(Method::POST, "/api/v1/runs?name=a.pdf").body(zip).send().await.unwrap();
    assert_eq!(json_of(answer).await["code"], "document_unsupported");
    assert_eq!(json_of(door.get("/api/v1/documents").await).await["documents"], json!([]));
    assert_eq!(fleet.fleet.list(&TenantId::default_tenant(), None, 10).await.unwrap(), []);
    door.close().await;
    fleet.stop().await;
}
