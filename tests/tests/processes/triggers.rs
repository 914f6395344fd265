//! Events start runs in a fleet of real processes.

use protocol::RunId;
use reqwest::StatusCode;
use serde_json::{Value, json};
use specs::Servers;

use crate::fleet::{Fleet, ROLES};
use crate::private::S3;
use crate::process::Process;

/// MinIO's notification of a new object in the bucket of the fleet.
fn notification(key: &str, sequencer: &str) -> Value {
    json!({
        "EventName": "s3:ObjectCreated:Put", "Key": format!("specs/{key}"),
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-11-26T15:00:00Z",
            "eventName": "s3:ObjectCreated:Put", "userIdentity": { "principalId": "minioadmin" },
            "requestParameters": { "accessKey": "minioadmin", "region": "", "sourceIPAddress": "127.0.0.1" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": { "name": "specs", "ownerIdentity": { "principalId": "minioadmin" }, "arn": "arn:aws:s3:::specs" },
                "object": { "key": key, "size": 1, "eTag": "5fc7298143efe1276d39a3466d4e255f", "contentType": "application/pdf",
                    "versionId": "1", "sequencer": sequencer }
            },
            "source": { "host": "127.0.0.1", "port": "", "userAgent": "MinIO" }
        }]
    })
}

async fn subscribe(fleet: &Fleet, dispatcher: &Process, name: &str, subscription: &Value) {
    let url = dispatcher.url(&format!("/api/v1/subscriptions/{name}"));
    let answer = fleet.client.put(url).json(subscription).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
}

/// What came of the first event.
async fn told(fleet: &Fleet, dispatcher: &Process, path: &str, events: &Value) -> Value {
    let (status, answer) = fleet.post(dispatcher, path, events).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer["events"][0]["runs"][0].clone()
}

fn run_of(started: &Value) -> RunId {
    started["run_id"].as_str().unwrap_or_else(|| panic!("{started}")).parse().unwrap()
}

#[tokio::test]
async fn a_pdf_that_somebody_puts_into_the_bucket_is_read_once_whoever_tells_of_it_and_however_often() {
    let s3 = S3::start().await;
    let fleet = Fleet::at(Servers { s3_endpoint: Some(s3.endpoint()), ..Servers::shared() }).await;
    let mut processes = fleet.start_all(&ROLES).await;
    processes.push(fleet.start("dispatcher", &[]).await);
    let (one, other) = (&processes[0], &processes[ROLES.len()]);
    let pdf = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/invoice.pdf");
    s3.put(&fleet.client, "imports/default/Rechnung M%C3%A4rz%20(7).pdf", std::fs::read(pdf).unwrap()).await;
    let request = json!({ "outputs": [{ "name": "total", "prompt": "What is the total amount?", "type": "number" }] });
    let subscription = json!({ "types": ["s3.object_created"], "document": "data.key", "request": request });
    subscribe(&fleet, one, "scans", &subscription).await;
    let notification = notification("imports%2Fdefault%2FRechnung+M%C3%A4rz+%287%29.pdf", "15CFEDF8D5304D1A");

    // Both at the same moment, as when a sender was impatient.
    let path = "/api/v1/events/s3";
    let (first, second) =
        tokio::join!(told(&fleet, one, path, &notification), told(&fleet, other, path, &notification));
    let later = told(&fleet, other, path, &notification).await;

    let run = run_of(&first);
    assert_eq!([run_of(&second), run_of(&later)], [run, run]);
    let created = [&first, &second, &later].map(|started| started["created"].as_bool().unwrap());
    assert_eq!(created.iter().filter(|created| **created).count(), 1, "{created:?}");
    let result = fleet.result(one, run).await;
    assert_eq!(result["status"], "succeeded", "{result}");
    assert_eq!(result["document"]["name"], "Rechnung M\u{e4}rz (7).pdf", "{result}");
    assert!(result["output"]["total"].is_number(), "{result}");
    let elsewhere = {
        let mut body = notification.clone();
        body["Records"][0]["s3"]["bucket"]["name"] = json!("another");
        told(&fleet, one, path, &body).await
    };
    assert_eq!(elsewhere["refusal"]["code"], "document_elsewhere", "{elsewhere}");
    assert_eq!(fleet.runs().await.len(), 1);
    fleet.stop(processes).await;
}

#[tokio::test]
async fn while_the_object_store_is_away_an_event_is_to_be_sent_again_and_then_starts_its_run() {
    let mut s3 = S3::start().await;
    let fleet = Fleet::at(Servers { s3_endpoint: Some(s3.endpoint()), ..Servers::shared() }).await;
    let processes = fleet.start_all(&ROLES).await;
    let dispatcher = &processes[0];
    s3.put(&fleet.client, "imports/default/note.txt", b"Supplier: Flotilla\n".to_vec()).await;
    let request = json!({ "outputs": [{ "name": "supplier", "prompt": "Who is the supplier?", "type": "text" }] });
    subscribe(
        &fleet,
        dispatcher,
        "notes",
        &json!({ "types": ["note.*"], "document": "data.file", "request": request }),
    )
    .await;
    let event =
        json!({ "id": "1", "source": "desk", "type": "note.taken", "data": { "file": "imports/default/note.txt" } });

    s3.kill();
    fleet
        .until("the event cannot be taken", async || {
            let (status, answer) = fleet.post(dispatcher, "/api/v1/events", &event).await;
            status == StatusCode::SERVICE_UNAVAILABLE && answer["code"] == "events_incomplete"
        })
        .await;
    assert_eq!(fleet.runs().await.len(), 0);
    s3.start_again().await;

    let started = told(&fleet, dispatcher, "/api/v1/events", &event).await;
    let result = fleet.result(dispatcher, run_of(&started)).await;
    assert_eq!(
        (&result["status"], &result["output"]["supplier"]),
        (&json!("succeeded"), &json!("Flotilla")),
        "{result}"
    );
    fleet.stop(processes).await;
}
