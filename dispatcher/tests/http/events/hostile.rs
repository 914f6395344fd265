//! Events and subscriptions of somebody who means harm.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Tenant, event, first, single};
use crate::server::{Answer, Server};

#[tokio::test]
async fn hostile_events_are_refused_whole_and_start_nothing() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    acme.subscribe("all", json!({ "types": ["*"], "workflow": "single" })).await;
    let raw = async |path: &str, body: Vec<u8>| {
        let call = server.call(Method::POST, path, &acme.key).header(CONTENT_TYPE, "application/json");
        Answer::of(call.body(body).send().await.unwrap()).await
    };
    let nested = format!(
        "{{\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let deep = (0..80).fold(json!(1), |value, _| json!({ "a": value }));
    let huge = "x".repeat(20 * 1024 * 1024);
    for path in ["/api/v1/events", "/api/v1/events/s3", "/api/v1/subscriptions/all/test"] {
        let answer = raw(path, nested.clone().into_bytes()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "nesting_too_deep"), "{path}");
        let answer = raw(path, format!("\"{huge}\"").into_bytes()).await;
        assert_eq!(answer.code(), "too_large", "{path}");
        for body in [&b"\xff\xfe"[..], b"", b"null", b"7", b"{}", b"[[]]", b"{\"Records\": {}}"] {
            let answer = raw(path, body.to_vec()).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{path} {body:?}: {answer:?}");
        }
    }
    let good = event("good");
    for bad in [
        json!({ "id": 7, "source": "s", "type": "t" }),
        json!({ "id": "1", "source": "s" }),
        json!({ "id": "x".repeat(3_000), "source": "s", "type": "t" }),
        json!({ "id": "1\0", "source": "s", "type": "t" }),
        json!({ "id": "1", "source": "s", "type": "t", "extra": { "deep": true } }),
        json!("event"),
    ] {
        let answer = acme.send(&json!([good, bad])).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "event_invalid"), "{bad}");
        assert!(answer.body()["errors"][0]["path"].as_str().unwrap().starts_with("$[1]"), "{answer:?}");
    }
    let deep = json!({ "id": "1", "source": "s", "type": "t", "data": deep });
    assert_eq!(acme.send(&deep).await.code(), "nesting_too_deep");
    assert_eq!(acme.runs().await, 0);
}

#[tokio::test]
async fn hostile_subscriptions_are_refused_with_every_problem() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    let bad = json!({ "types": ["a*b"], "workflow": "ghost", "colour": 1,
        "filter": [{ "path": "data", "op": "regex", "value": "(a+)+$" }, { "path": "..", "op": "eq", "value": 1 }],
        "input": { "x": { "$event": "data", "and": 1 } } });

    let answer = acme.put("a.b", bad).await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "subscription_invalid"));
    let answer = answer.body();
    let mut places: Vec<&str> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    places.sort_unstable();
    let expected =
        ["$.colour", "$.filter[0].op", "$.filter[1].path", "$.input.x.$event", "$.types[0]", "$.workflow", "name"];
    assert_eq!(places, expected);
    let large = json!({ "types": ["a"], "workflow": "single", "description": "x".repeat(300_000) });
    assert_eq!(acme.put("large", large).await.code(), "too_large");
    let foreign = json!({ "types": ["a"], "workflow": "single\0" });
    assert_eq!(acme.put("nul", foreign).await.code(), "subscription_invalid");
    for number in 0..100 {
        acme.subscribe(&format!("s{number}"), single()).await;
    }
    assert_eq!(acme.put("one-more", single()).await.code(), "too_many_subscriptions");
    assert_eq!(acme.put("s7", single()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_large_event_cannot_be_multiplied_by_templates() {
    let server = Server::guarded().await;
    let acme = Tenant::at(&server, "acme").await;
    let input: Vec<Value> = vec![json!({ "$event": "data" }); 100];
    acme.subscribe("copies", json!({ "types": ["*"], "workflow": "single", "input": input })).await;

    let event = json!({ "id": "1", "source": "s", "type": "t", "data": "x".repeat(4 * 1024 * 1024) });
    let answer = first(&acme.send(&event).await);

    assert_eq!(answer["refusal"]["code"], "event_too_large");
    assert_eq!(acme.runs().await, 0);
}
