//! What a tenant may consume on a day.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::num::NonZeroU64;

use dispatcher::access::{Scope, Settings};
use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::{Callback, Outcome, Payload, RunId, TenantId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

async fn submit(server: &Server, key: &str) -> crate::server::Answer {
    server.json(Method::POST, "/api/v1/runs", key, &json!({ "workflow": "single" })).await
}

/// Ends a run as a worker would that consumed that much for it.
async fn consume(server: &Server, tenant: &TenantId, run: RunId, tokens: u64) {
    let record = server.fleet.status(tenant, run).await.unwrap().unwrap();
    let task = &record.run.tasks[0];
    let callback = Callback {
        v: WIRE_VERSION,
        run_id: run,
        task_run_id: task.id,
        attempt: task.attempt,
        worker: "w".to_owned(),
        outcome: Outcome::Done { output: Payload::Inline(json!(1)), fan_out: None },
        started_at: Timestamp::now(),
        ended_at: Timestamp::now(),
        usage: Usage { calls: 1, input_tokens: tokens, ..Usage::default() }.of_model("m"),
    };
    server.fleet.record(vec![callback]).await.unwrap();
}

#[tokio::test]
async fn who_has_used_up_a_budget_starts_nothing_until_midnight_and_reads_all_the_same() {
    let server = Server::guarded().await;
    let (tenant, key) = ("acme".parse::<TenantId>().unwrap(), server.key("acme", &[Scope::Write]).await);
    let other = server.key("other", &[Scope::Write]).await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let started = submit(&server, &key).await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{started:?}");
    let under_way = submit(&server, &key).await.body()["run_id"].as_str().unwrap().to_owned();
    let run: RunId = started.body()["run_id"].as_str().unwrap().parse().unwrap();
    consume(&server, &tenant, run, 1_000).await;
    let settings = json!({ "tokens_per_day": 1000 });
    let put = server.json(Method::PUT, "/api/v1/tenants/acme", &admin, &settings).await;
    assert_eq!((put.status, &put.body()["limits"]["tokens_per_day"]), (StatusCode::CREATED, &json!(1000)));

    let refused = submit(&server, &key).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "budget_exhausted"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=24 * 3600).contains(&wait), "{wait}");
    let document = server.call(Method::POST, "/api/v1/runs?name=a.txt", &key).body("a").send().await.unwrap();
    assert_eq!(document.status(), StatusCode::TOO_MANY_REQUESTS);
    let again = server.json(Method::POST, &format!("/api/v1/runs/{run}/retry"), &key, &json!({ "from": "only" })).await;
    assert_eq!(again.code(), "budget_exhausted");

    let still = server.get(&format!("/api/v1/runs/{under_way}"), &key).await;
    assert_eq!(still.body()["status"], "running", "{still:?}");
    assert_eq!(submit(&server, &other).await.status, StatusCode::ACCEPTED);
    let more = Settings { tokens_per_day: NonZeroU64::new(1_001), ..Settings::default() };
    server.access.tenants.put(&tenant, &more).await.unwrap();
    assert_eq!(submit(&server, &key).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_budget_in_money_needs_prices_and_no_budget_is_nothing() {
    let server = Server::guarded().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let put = async |settings: Value| server.json(Method::PUT, "/api/v1/tenants/acme", &admin, &settings).await;
    let refused = put(json!({ "cost_per_day": 12.5 })).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "tenant_invalid"));
    assert_eq!(refused.body()["errors"][0]["path"], "$.cost_per_day");
    for bad in [json!({ "cost_per_day": 0 }), json!({ "cost_per_day": -1 }), json!({ "tokens_per_day": 0 })] {
        assert_eq!(put(bad).await.code(), "tenant_invalid");
    }
}
