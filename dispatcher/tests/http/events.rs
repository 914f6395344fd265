//! Events from elsewhere, and the runs that they start.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::num::NonZeroU32;

use dispatcher::access::{Scope, Settings};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Answer, Server};

mod hostile;

/// A tenant at a server.
struct Tenant<'s> {
    server: &'s Server,
    key: String,
}

impl<'s> Tenant<'s> {
    async fn at(server: &'s Server, name: &str) -> Self {
        Self { server, key: server.key(name, &[Scope::Write]).await }
    }

    async fn subscribe(&self, name: &str, subscription: Value) {
        let answer = self.put(name, subscription).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    async fn put(&self, name: &str, subscription: Value) -> Answer {
        let path = format!("/api/v1/subscriptions/{name}");
        self.server.json(Method::PUT, &path, &self.key, &subscription).await
    }

    async fn send(&self, events: &Value) -> Answer {
        self.server.json(Method::POST, "/api/v1/events", &self.key, events).await
    }

    async fn tell(&self, notification: &Value) -> Answer {
        self.server.json(Method::POST, "/api/v1/events/s3", &self.key, notification).await
    }

    async fn shown(&self, name: &str) -> Value {
        let answer = self.server.get(&format!("/api/v1/subscriptions/{name}"), &self.key).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body()
    }

    /// How many runs it has.
    async fn runs(&self) -> usize {
        let list = self.server.get("/api/v1/runs?limit=500", &self.key).await.body();
        list["runs"].as_array().unwrap().len()
    }
}

fn event(id: &str) -> Value {
    json!({ "id": id, "source": "shop", "type": "order.paid", "data": { "total": 12 } })
}

fn single() -> Value {
    json!({ "types": ["order.*"], "workflow": "single" })
}

/// What came of the first event by the first subscription.
fn first(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    answer.body()["events"][0]["runs"][0].clone()
}

/// Amazon's notification of an object in the bucket `scans`.
fn notification(key: &str, sequencer: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2", "eventTime": "2026-11-26T15:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "scans", "bucket": { "name": "scans", "arn": "arn:aws:s3:::scans" },
            "object": { "key": key, "size": 9, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": sequencer }
        }
    }] })
}

#[tokio::test]
async fn an_event_starts_its_runs_once_however_often_it_is_sent() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    acme.subscribe("paid", single()).await;

    let answer = acme.send(&event("1")).await;
    let started = first(&answer);
    assert_eq!((&started["subscription"], &started["created"]), (&json!("paid"), &json!(true)));
    let run = server.get(started["status_url"].as_str().unwrap(), &acme.key).await.body();
    assert_eq!((&run["workflow"], &run["run_id"]), (&json!("single"), &started["run_id"]));

    let mut changed = event("1");
    changed["data"] = json!("another content under the same name");
    let batch = json!([event("1"), changed, event("2"), event("2"), { "id": "1", "source": "shop", "type": "refund" }]);
    let answer = acme.send(&batch).await.body();
    let created: Vec<&Value> = (0..4).map(|place| &answer["events"][place]["runs"][0]["created"]).collect();
    assert_eq!(created, [false, false, true, false]);
    assert_eq!(answer["events"][1]["runs"][0]["run_id"], started["run_id"]);
    assert_eq!(answer["events"][2]["runs"][0]["run_id"], answer["events"][3]["runs"][0]["run_id"]);
    assert_eq!(answer["events"][4]["runs"], json!([]));
    assert_eq!(acme.runs().await, 2);
}

#[tokio::test]
async fn an_event_means_nothing_to_other_tenants() {
    let server = Server::guarded().await;
    let (acme, other) = (Tenant::at(&server, "acme").await, Tenant::at(&server, "other").await);
    acme.subscribe("paid", single()).await;

    let answer = other.send(&event("1")).await;

    assert_eq!((answer.status, &answer.body()["events"][0]["runs"]), (StatusCode::ACCEPTED, &json!([])));
    assert_eq!(server.get("/api/v1/subscriptions/paid", &other.key).await.code(), "no_such_subscription");
    assert_eq!((acme.runs().await, other.runs().await), (0, 0));
    other.subscribe("paid", single()).await;
    assert_eq!(first(&other.send(&event("1")).await)["created"], true);
    assert_eq!(first(&acme.send(&event("1")).await)["created"], true, "keys are each tenant's own");
}

#[tokio::test]
async fn a_subscription_is_kept_shown_with_what_became_of_it_and_removed() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    assert_eq!(acme.put("paid", single()).await.status, StatusCode::CREATED);
    acme.subscribe("elsewhere", json!({ "types": ["s3.*"], "document": "data.key" })).await;
    let off = json!({ "types": ["*"], "workflow": "single", "enabled": false });
    acme.subscribe("off", off).await;
    let run = first(&acme.send(&json!([event("1"), event("2")])).await);
    acme.send(&event("2")).await;

    let shown = acme.shown("paid").await;
    let activity = &shown["activity"];
    assert_eq!((&shown["types"], &shown["priority"]), (&json!(["order.*"]), &json!(0)));
    let counts = ["events", "started", "repeated", "refused"].map(|count| activity[count].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 1, 0]);
    assert_eq!(activity["last_event_id"], "2");
    assert!(activity["last_event_at"].is_string() && activity["last_run"].is_string());
    assert_ne!(activity["last_run"], run["run_id"], "the second was the last");
    let list = server.get("/api/v1/subscriptions", &acme.key).await.body();
    let names: Vec<&str> =
        list["subscriptions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["elsewhere", "off", "paid"]);
    assert_eq!(acme.shown("off").await["activity"]["events"], 0, "what is switched off is not counted");

    assert_eq!(acme.put("paid", single()).await.status, StatusCode::OK);
    let remove = async || server.json(Method::DELETE, "/api/v1/subscriptions/paid", &acme.key, &Value::Null).await;
    assert_eq!(remove().await.status, StatusCode::NO_CONTENT);
    assert_eq!(remove().await.code(), "no_such_subscription");
    assert_eq!(acme.send(&event("3")).await.body()["events"][0]["runs"], json!([]));
}

#[tokio::test]
async fn a_trial_tells_what_would_start_and_starts_nothing() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    let subscription = json!({ "types": ["order.*"], "workflow": "single", "priority": 7,
        "filter": [{ "path": "data.total", "op": "gt", "value": 10 }],
        "input": { "amount": { "$event": "data.total" } } });
    acme.subscribe("paid", subscription).await;
    acme.subscribe("scans", json!({ "types": ["s3.*"], "document": "data.key" })).await;
    let test = async |name: &str, event: &Value| {
        let path = format!("/api/v1/subscriptions/{name}/test");
        server.json(Method::POST, &path, &acme.key, event).await.body()
    };

    let trial = test("paid", &event("1")).await;
    let start = &trial["would_start"];
    assert_eq!(
        (&trial["matches"], &start["workflow"], &start["priority"]),
        (&json!(true), &json!("single"), &json!(7))
    );
    assert_eq!((&start["input"]["amount"], &start["input"]["_event"]["id"]), (&json!(12), &json!("1")));
    let poor = json!({ "id": "1", "source": "shop", "type": "order.paid", "data": { "total": 10 } });
    let trial = test("paid", &poor).await;
    assert_eq!((&trial["matches"], &trial["would_start"]), (&json!(false), &Value::Null));
    assert!(trial["misses"][0].as_str().unwrap().contains("data.total"), "{trial}");

    let trial = test("scans", &notification("imports/acme/M%C3%A4rz+2026.pdf", "01")).await;
    assert_eq!(trial["would_start"]["document"], "imports/acme/M\u{e4}rz 2026.pdf");
    assert_eq!(trial["would_start"]["file_name"], "M\u{e4}rz 2026.pdf");
    let trial = test("scans", &notification("imports/other/a.pdf", "01")).await;
    assert_eq!(trial["refusal"]["code"], "document_foreign");
    assert_eq!(acme.runs().await, 0);

    let run = first(&acme.send(&event("1")).await);
    assert_eq!(test("paid", &event("1")).await["started_before"], run["run_id"]);
}

#[tokio::test]
async fn a_new_object_in_a_bucket_starts_the_document_workflow_on_it() {
    let server = Server::guarded().await;
    let (acme, other) = (Tenant::at(&server, "acme").await, Tenant::at(&server, "other").await);
    for tenant in [&acme, &other] {
        tenant.subscribe("scans", json!({ "types": ["s3.object_created"], "document": "data.key" })).await;
    }
    server.import("imports/acme/M\u{e4}rz 2026.pdf", b"%PDF-1.7 one");
    let told = notification("imports/acme/M%C3%A4rz+2026.pdf", "01");

    let started = first(&acme.tell(&told).await);
    assert_eq!(started["created"], true, "{started}");
    let run = server.get(started["status_url"].as_str().unwrap(), &acme.key).await.body();
    assert_eq!(run["workflow"], "prompt-studio-pipeline");
    let again = first(&acme.tell(&told).await);
    assert_eq!((&again["created"], &again["run_id"]), (&json!(false), &started["run_id"]), "a redelivery");
    server.import("imports/acme/M\u{e4}rz 2026.pdf", b"%PDF-1.7 two");
    let over = first(&acme.tell(&notification("imports/acme/M%C3%A4rz+2026.pdf", "02")).await);
    assert_eq!(over["created"], true, "an overwritten object");

    let refused = async |tenant: &Tenant<'_>, key: &str| {
        let answer = first(&tenant.tell(&notification(key, "03")).await);
        assert_eq!((&answer["run_id"], &answer["created"]), (&Value::Null, &json!(false)));
        answer["refusal"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&other, "imports/acme/M%C3%A4rz+2026.pdf").await, "document_foreign");
    assert_eq!(refused(&acme, "imports/acme/gone.pdf").await, "document_missing");
    assert_eq!(refused(&acme, "imports/acme/../other/a.pdf").await, "document_unusable");
    assert_eq!(refused(&acme, "runs/1/text.pdf").await, "document_foreign");
    server.import("imports/acme/large.pdf", &vec![0; crate::server::MAX_UPLOAD + 1]);
    assert_eq!(refused(&acme, "imports/acme/large.pdf").await, "document_too_large");
    let text = acme.tell(&notification("imports/acme/notes.txt", "01")).await.body();
    assert_eq!(text["events"][0]["runs"], json!([]), "only PDFs are documents unless a filter says so");
    let mut removed = notification("imports/acme/a.pdf", "01");
    removed["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    assert_eq!(acme.tell(&removed).await.body(), json!({ "events": [], "ignored": 1 }));
    assert_eq!((acme.runs().await, other.runs().await), (2, 0));
    let activity = acme.shown("scans").await["activity"].clone();
    assert_eq!((&activity["started"], &activity["refused"]), (&json!(2), &json!(4)));
    assert!(activity["last_refusal"].as_str().unwrap().starts_with("document_too_large"), "{activity}");
}

#[tokio::test]
async fn events_come_in_the_forms_of_their_specification() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    let send = async |kind: &str, body: &Value| {
        let call = server.call(Method::POST, "/api/v1/events", &acme.key).header(CONTENT_TYPE, kind);
        Answer::of(call.body(body.to_string()).send().await.unwrap()).await
    };
    let (one, list) = (event("1"), json!([event("1")]));
    for (kind, body) in [
        ("application/cloudevents+json; charset=UTF-8", &one),
        ("application/cloudevents-batch+json", &list),
        ("application/json", &one),
        ("application/json", &list),
        ("application/cloudevents-batch+json", &json!([])),
    ] {
        assert_eq!(send(kind, body).await.status, StatusCode::ACCEPTED, "{kind} {body}");
    }
    for (kind, body) in [("application/cloudevents+json", &list), ("application/cloudevents-batch+json", &one)] {
        assert_eq!(send(kind, body).await.code(), "event_invalid", "{kind} {body}");
    }
    let answer = send("text/plain", &one).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported"));
}

#[tokio::test]
async fn a_thousand_events_are_taken_at_once_and_no_more_runs_than_that() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    acme.subscribe("paid", single()).await;
    let thousand: Vec<Value> = (0..1_000).map(|number| event(&number.to_string())).collect();

    let answer = acme.send(&json!(thousand)).await.body();
    let events = answer["events"].as_array().unwrap();
    assert_eq!(events.iter().filter(|event| event["runs"][0]["created"] == true).count(), 1_000);

    acme.subscribe("too", single()).await;
    let answer = acme.send(&json!(thousand)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "too_many_runs"));
    let mut more = thousand;
    more.push(event("1000"));
    let answer = acme.send(&json!(more)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "event_invalid"));
}

#[tokio::test]
async fn events_count_for_the_limit_of_runs_and_repeated_ones_do_not() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    acme.subscribe("paid", single()).await;
    let settings = Settings { runs_per_minute: NonZeroU32::new(2), ..Settings::default() };
    server.access.tenants.put(&"acme".parse().unwrap(), &settings).await.unwrap();
    let two = json!([event("1"), event("2")]);

    assert_eq!(first(&acme.send(&two).await)["created"], true);
    for _ in 0..3 {
        assert_eq!(first(&acme.send(&two).await)["created"], false);
    }
    let answer = acme.send(&json!([event("1"), event("3")])).await;

    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(acme.runs().await, 2);
}
