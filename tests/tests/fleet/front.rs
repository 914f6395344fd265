//! What the front door promises about every call, whatever it asks for.

use std::time::Duration;

use dispatcher::api::Front;
use protocol::{RunId, RunState, Workflow};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::door::{Door, json as json_of};
use crate::harness::{First, TestFleet, deed};
use crate::world::World;

/// A fleet whose only task gives back its input; `"hang"` never ends.
async fn echoing(world: &World) -> (TestFleet, Workflow) {
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<First>(deed(|_, input| {
            Box::pin(async move {
                if input["input"] == json!("hang") || input == json!("hang") {
                    std::future::pending::<()>().await;
                }
                Ok(json!({ "echo": input }))
            })
        }))
    })
    .await;
    let mut flow = Workflow::named("echo");
    let _ = flow.task::<First>().add();
    (fleet, flow)
}

pub(crate) async fn every_answer_carries_the_id_of_its_call_and_every_error_explains_itself(world: &World) {
    let (fleet, _) = echoing(world).await;
    let door = Door::open(&fleet).await;

    let named = door.call(Method::GET, "/livez").header("x-request-id", "order-7").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "order-7");
    assert_eq!(named.headers()["x-content-type-options"], "nosniff");
    let odd = door.call(Method::GET, "/livez").header("x-request-id", "a b").send().await.unwrap();
    assert_ne!(odd.headers()["x-request-id"], "a b");

    let refused = door.get("/api/v1/runs/nothing?secret=1").await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let id = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem = json_of(refused).await;
    assert_eq!(problem["code"], "no_such_run");
    assert_eq!(problem["instance"], "/api/v1/runs/nothing");
    assert_eq!(problem["request_id"], id);

    let link = problem["type"].as_str().unwrap().to_owned();
    let page = door.call(Method::GET, &link).header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.text().await.unwrap().contains("no_such_run"));
    let told = door.call(Method::GET, &link).header("accept", "application/json").send().await.unwrap();
    assert_eq!(json_of(told).await["status"], 404);
    let all = door.call(Method::GET, "/problems").header("accept", "application/json").send().await.unwrap();
    assert!(json_of(all).await.as_array().unwrap().len() > 20);
    assert_eq!(door.get("/problems/nonsense").await.status(), StatusCode::NOT_FOUND);

    let counted = door.get("/metrics").await.text().await.unwrap();
    let line = r#"flotilla_http_requests_total{route="/api/v1/runs/{id}",method="GET",status="404"} 1"#;
    assert!(counted.contains(line), "{counted}");
    assert!(counted.contains("flotilla_http_request_seconds_bucket{route=\"/api/v1/runs/{id}\""), "{counted}");
    assert!(!counted.contains("nothing"), "a path became a label");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn what_a_client_has_already_is_not_sent_again_and_head_is_get_without_a_body(world: &World) {
    let (fleet, flow) = echoing(world).await;
    let door = Door::open(&fleet).await;
    let run = door.start(&flow, &json!(1)).await;
    fleet.ends(run, RunState::Succeeded).await;
    let schedule = json!({ "workflow": "echo", "cron": "0 6 * * *" });
    let put = door.call(Method::PUT, "/api/v1/schedules/daily").json(&schedule).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::CREATED);

    for path in [
        format!("/api/v1/runs/{run}"),
        format!("/api/v1/runs/{run}/result"),
        "/api/v1/workflows/echo".to_owned(),
        "/api/v1/schedules/daily".to_owned(),
    ] {
        let first = door.get(&path).await;
        assert_eq!(first.status(), StatusCode::OK, "{path}");
        assert_eq!(first.headers()["cache-control"], "private, no-cache", "{path}");
        let tag = first.headers()["etag"].clone();
        let length = first.headers()["content-length"].clone();
        let again = door.call(Method::GET, &path).header("if-none-match", &tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.headers()["etag"], tag, "{path}");
        let head = door.call(Method::HEAD, &path).send().await.unwrap();
        assert_eq!((head.status(), &head.headers()["etag"]), (StatusCode::OK, &tag), "{path}");
        assert_eq!(head.headers()["content-length"], length, "{path}");
        assert!(head.text().await.unwrap().is_empty(), "{path}");
    }
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_client_that_prefers_to_wait_gets_the_result_or_learns_that_it_takes_longer(world: &World) {
    let (fleet, flow) = echoing(world).await;
    let door = Door::open(&fleet).await;

    let answer = door.submit(&flow, &json!("quick"), "respond-async, wait=30").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["preference-applied"], "wait=30");
    let status = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["content-location"], format!("{status}/result"));
    let result = json_of(answer).await;
    assert_eq!(result["status"], "succeeded", "{result}");
    assert_eq!(status, format!("/api/v1/runs/{}", result["run_id"].as_str().unwrap()));
    let again = door.call(Method::GET, &format!("{status}/result")).header("prefer", "wait=30").send().await.unwrap();
    assert!(!again.headers().contains_key("preference-applied"), "there was nothing to wait for");
    assert_eq!(json_of(again).await, result);

    let answer = door.submit(&flow, &json!("hang"), "wait=1").await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.headers()["preference-applied"], "wait=1");
    assert!(answer.headers().contains_key("retry-after"));
    let hanging: RunId = serde_json::from_value(json_of(answer).await["run_id"].clone()).unwrap();
    let path = format!("/api/v1/runs/{hanging}");
    let waited = door.call(Method::GET, &format!("{path}/result")).header("prefer", "wait=1").send().await.unwrap();
    assert_eq!(waited.status(), StatusCode::ACCEPTED);
    assert_eq!(json_of(waited).await["status"], "running");

    // Whoever waits learns of the end when it comes.
    let waiting = door.call(Method::GET, &format!("{path}/result")).header("prefer", "wait=60").send();
    let cancelling = async {
        let cancelled = door.call(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(cancelled.status(), StatusCode::OK);
    };
    let (waited, ()) = tokio::join!(waiting, cancelling);
    assert_eq!(json_of(waited.unwrap()).await["status"], "cancelled");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_run_that_retention_has_removed_is_gone_and_no_other_is(world: &World) {
    let (fleet, _) = echoing(world).await;
    let door = Door::open(&fleet).await;
    let old = RunId::from_uuid("0190a6e5-7d1e-7a30-9a55-0c6fb2a4e001".parse().unwrap());
    for (run, status, code) in [(old, 410, "run_expired"), (RunId::new(), 404, "no_such_run")] {
        for what in ["", "/result", "/events", "/events/stream"] {
            let answer = door.get(&format!("/api/v1/runs/{run}{what}")).await;
            assert_eq!(answer.status().as_u16(), status, "{run}{what}");
            assert_eq!(json_of(answer).await["code"], code, "{run}{what}");
        }
    }
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn only_listed_web_pages_may_call(world: &World) {
    let (fleet, _) = echoing(world).await;
    let page = "https://app.example.com";
    let front = Front { cors_origins: vec![page.parse().unwrap()], ..Front::default() };
    let door = Door::open_with(dispatcher::api::Api { front, ..fleet.api() }).await;
    let ask = |origin: &str| {
        door.call(Method::OPTIONS, "/api/v1/runs")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
    };
    let allowed = ask(page).await.unwrap();
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers()["access-control-allow-origin"], page);
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let refused = ask("https://evil.example.org").await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!refused.headers().contains_key("access-control-allow-origin"));
    let read = door.call(Method::GET, "/api/v1/runs").header("origin", page).send().await.unwrap();
    assert_eq!(read.headers()["access-control-allow-origin"], page);
    assert_eq!(read.headers()["vary"], "origin");
    door.close().await;

    let closed = Door::open(&fleet).await;
    let read = closed.call(Method::GET, "/api/v1/runs").header("origin", page).send().await.unwrap();
    assert!(!read.headers().contains_key("access-control-allow-origin"), "nobody was listed");
    closed.close().await;
    fleet.stop().await;
}

pub(crate) async fn calls_are_encrypted_where_a_certificate_is_given(world: &World) {
    let (fleet, _) = echoing(world).await;
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let front = Front { tls_cert: Some(cert), tls_key: Some(key), ..Front::default() };
    let door = Door::open_with(dispatcher::api::Api { front, ..fleet.api() }).await;

    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = |roots: Vec<reqwest::Certificate>| {
        reqwest::Client::builder().tls_certs_only(roots).timeout(Duration::from_secs(20)).build().unwrap()
    };
    let port = door.address.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/livez");
    let answer = client(vec![trusted]).get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    assert!(client(Vec::new()).get(&url).send().await.is_err(), "nobody vouches for it");
    let plain = door.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", false).await;
    assert_ne!(plain.status, 200);
    door.close().await;
    fleet.stop().await;
}
