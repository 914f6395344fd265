//! Keys, tenants and what nobody may see.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
use std::time::{Duration, Instant};

use dispatcher::access::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// Every address with what has to be filled in, as the OpenAPI document lists them.
async fn operations(server: &Server) -> Vec<(Method, String)> {
    let document = server.get("/api/v1/openapi.json", "").await.body();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        // What anybody may read says so.
        let methods = methods.as_object().unwrap().iter().filter(|(_, one)| one["security"] != json!([{}]));
        methods.map(|(method, _)| (method.to_uppercase().parse().unwrap(), path.clone()))
    });
    operations.collect()
}

/// A run of a tenant, and everything else it can have.
async fn belongings(server: &Server, key: &str) -> String {
    let schedule = json!({ "workflow": "single", "cron": "0 6 * * *" });
    assert_eq!(server.json(Method::PUT, "/api/v1/schedules/morning", key, &schedule).await.status, 201);
    let run = json!({ "workflow": "single", "input": "the secret of acme" });
    let run = server.json(Method::POST, "/api/v1/runs", key, &run).await;
    assert_eq!(run.status, StatusCode::ACCEPTED, "{run:?}");
    run.body()["run_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_operation_asks_for_a_key() {
    let server = Server::guarded().await;
    let operations = operations(&server).await;
    assert!(operations.len() > 5, "{operations:?}");
    for (method, path) in operations {
        for key in ["", "flk_0000000000000000000000000000000000000000000000000000000000000000"] {
            let answer = server.json(method.clone(), &path, key, &Value::Null).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.code(), if key.is_empty() { "key_missing" } else { "key_invalid" });
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn no_address_shows_or_changes_what_another_tenant_has() {
    let server = Server::guarded().await;
    let (acme, other) = (server.key("acme", &[Scope::Write]).await, server.key("other", &[Scope::Write]).await);
    let run = belongings(&server, &acme).await;
    let before = server.get(&format!("/api/v1/runs/{run}"), &acme).await.body();
    for (method, path) in operations(&server).await {
        let path = path.replace("{id}", &run).replace("{name}", "morning").replace("{delivery}", &run);
        let answer = server.json(method.clone(), &path, &other, &Value::Null).await;
        assert!(!answer.text.contains("the secret of acme"), "{method} {path}: {answer:?}");
        assert!(!answer.status.is_success() || !answer.text.contains(&run), "{method} {path}: {answer:?}");
        assert!(!answer.status.is_server_error(), "{method} {path}: {answer:?}");
    }
    assert_eq!(server.get(&format!("/api/v1/runs/{run}"), &other).await.code(), "no_such_run");
    assert_eq!(server.get("/api/v1/schedules/morning", &other).await.code(), "no_such_schedule");
    assert_eq!(server.get(&format!("/api/v1/runs/{run}"), &acme).await.body(), before);
    assert_eq!(server.get("/api/v1/schedules/morning", &acme).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_means_every_run_means_their_own() {
    let server = Server::guarded().await;
    let (acme, other) = (server.key("acme", &[Scope::Write]).await, server.key("other", &[Scope::Write]).await);
    let run = belongings(&server, &acme).await;
    let all = json!({ "all": true });
    for path in ["/api/v1/runs/cancel", "/api/v1/runs/retry"] {
        let answer = server.json(Method::POST, path, &other, &all).await;
        assert_eq!((answer.status.is_success(), &answer.body()["matched"]), (true, &json!(0)), "{path}: {answer:?}");
    }
    let retry = server.json(Method::POST, &format!("/api/v1/runs/{run}/retry"), &other, &json!({})).await;
    assert_eq!(retry.code(), "no_such_run");
    assert_eq!(server.get("/api/v1/usage?group=run", &other).await.body()["lines"], json!([]));
    let own = server.json(Method::POST, "/api/v1/runs/cancel", &acme, &all).await;
    assert_eq!(own.body()["cancelled"], json!(1), "{own:?}");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let server = Server::guarded().await;
    let run = json!({ "workflow": "single" });
    let calls = [
        (Method::GET, "/api/v1/runs", Value::Null, [true, true, false, true]),
        (Method::GET, "/api/v1/usage", Value::Null, [true, true, false, true]),
        (Method::POST, "/api/v1/runs/cancel", json!({ "all": true, "dry_run": true }), [false, true, false, true]),
        (Method::POST, "/api/v1/runs", run, [false, true, false, true]),
        (Method::GET, "/api/v1/queues", Value::Null, [false, false, true, true]),
        (Method::GET, "/metrics", Value::Null, [false, false, true, true]),
        (Method::GET, "/api/v1/backends", Value::Null, [false, false, true, true]),
        (Method::DELETE, "/api/v1/backends/choice", Value::Null, [false, false, false, true]),
        (Method::GET, "/api/v1/tenants", Value::Null, [false, false, false, true]),
        (Method::GET, "/api/v1/audit", Value::Null, [false, false, false, true]),
    ];
    let scopes = [Scope::Read, Scope::Write, Scope::Operate, Scope::Admin];
    for (place, scope) in scopes.into_iter().enumerate() {
        let key = server.key("acme", &[scope]).await;
        for (method, path, body, allowed) in &calls {
            let answer = server.json(method.clone(), path, &key, body).await;
            assert_eq!(answer.status.is_success(), allowed[place], "{scope} {method} {path}: {answer:?}");
            if !allowed[place] {
                assert_eq!(answer.code(), "scope_missing");
            }
        }
    }
}

#[tokio::test]
async fn an_administrator_sets_a_tenant_up_and_gives_it_a_key() {
    let server = Server::guarded().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let limits = json!({ "weight": 2, "max_concurrent_runs": 5, "requests_per_minute": 1000 });
    assert_eq!(server.json(Method::PUT, "/api/v1/tenants/acme", &admin, &limits).await.status, StatusCode::CREATED);
    assert_eq!(server.json(Method::PUT, "/api/v1/tenants/acme", &admin, &limits).await.status, StatusCode::OK);
    let wanted = json!({ "name": "ci", "scopes": ["write"] });
    let issued = server.json(Method::POST, "/api/v1/tenants/acme/keys", &admin, &wanted).await;
    assert_eq!((issued.status, &issued.headers["cache-control"]), (StatusCode::CREATED, &"no-store".parse().unwrap()));
    let (token, id) = (issued.body()["token"].clone(), issued.body()["id"].clone());
    let (token, id) = (token.as_str().unwrap(), id.as_str().unwrap());

    let me = server.get("/api/v1/me", token).await.body();
    assert_eq!((&me["tenant"], &me["scopes"]), (&json!("acme"), &json!(["write"])));
    let list = server.get("/api/v1/tenants/acme/keys", &admin).await;
    assert_eq!(list.body()["keys"][0]["name"], "ci");
    assert!(!list.text.contains(token));

    let revoked = server.json(Method::DELETE, &format!("/api/v1/tenants/acme/keys/{id}"), &admin, &Value::Null).await;
    assert_eq!(revoked.status, StatusCode::OK);
    let since = Instant::now();
    while server.get("/api/v1/me", token).await.status != StatusCode::UNAUTHORIZED {
        assert!(since.elapsed() < Duration::from_secs(5), "a revoked key is good for longer than it may");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let audit = server.get("/api/v1/audit", &admin).await;
    let actions: Vec<Value> = audit.body()["entries"].as_array().unwrap().iter().map(|e| e["action"].clone()).collect();
    assert_eq!(actions, ["key.revoked", "key.issued", "tenant.put", "tenant.put"]);
    assert!(!audit.text.contains(token));
}

#[tokio::test]
async fn what_cannot_be_set_up_is_told_by_field() {
    let server = Server::guarded().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let cases = [
        (Method::PUT, "/api/v1/tenants/a%20b", json!({}), "tenant_invalid"),
        (Method::PUT, "/api/v1/tenants/acme", json!({ "weight": 0 }), "tenant_invalid"),
        (Method::PUT, "/api/v1/tenants/acme", json!({ "wieght": 1 }), "tenant_invalid"),
        (Method::PUT, "/api/v1/tenants/acme", json!([]), "tenant_invalid"),
        (Method::POST, "/api/v1/tenants/nobody/keys", json!({ "name": "n", "scopes": ["read"] }), "no_such_tenant"),
        (
            Method::POST,
            "/api/v1/tenants/default/keys",
            json!({ "name": "", "scopes": ["read"] }),
            "key_request_invalid",
        ),
        (Method::POST, "/api/v1/tenants/default/keys", json!({ "name": "n", "scopes": [] }), "key_request_invalid"),
        (
            Method::POST,
            "/api/v1/tenants/default/keys",
            json!({ "name": "n", "scopes": ["root"] }),
            "key_request_invalid",
        ),
        (
            Method::POST,
            "/api/v1/tenants/default/keys",
            json!({ "name": "n", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z" }),
            "key_request_invalid",
        ),
        (Method::DELETE, "/api/v1/tenants/default/keys/%00", Value::Null, "path_invalid"),
        (Method::GET, "/api/v1/tenants?after=%00", Value::Null, "query_invalid"),
    ];
    for (method, path, body, code) in cases {
        let answer = server.json(method.clone(), path, &admin, &body).await;
        assert!(answer.status.is_client_error(), "{method} {path} {body}: {answer:?}");
        assert_eq!(answer.code(), code, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_switched_off_or_calls_too_often_is_turned_away() {
    let server = Server::guarded().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let (off, eager) = (server.key("off", &[Scope::Write]).await, server.key("eager", &[Scope::Write]).await);
    let limits = json!({ "requests_per_minute": 3, "runs_per_minute": 2 });
    server.json(Method::PUT, "/api/v1/tenants/off", &admin, &json!({ "enabled": false })).await;
    server.json(Method::PUT, "/api/v1/tenants/eager", &admin, &limits).await;

    assert_eq!(server.get("/api/v1/runs", &off).await.code(), "tenant_disabled");
    let two = json!({ "runs": [{ "workflow": "single" }, { "workflow": "single" }] });
    assert_eq!(server.json(Method::POST, "/api/v1/runs", &eager, &two).await.status, StatusCode::ACCEPTED);
    let refused = server.json(Method::POST, "/api/v1/runs", &eager, &json!({ "workflow": "single" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(server.get("/api/v1/runs", &eager).await.status, StatusCode::OK, "the third request");
    assert_eq!(server.get("/api/v1/runs", &eager).await.code(), "rate_limited");
}

#[tokio::test]
async fn an_administrator_may_act_for_another_tenant_and_nobody_else() {
    let server = Server::guarded().await;
    let (admin, acme) = (server.key("default", &[Scope::Admin]).await, server.key("acme", &[Scope::Write]).await);
    let run = belongings(&server, &acme).await;
    let as_acme = |key: &str, tenant: &str| {
        server.call(Method::GET, &format!("/api/v1/runs/{run}"), key).header("Flotilla-Tenant", tenant).send()
    };
    assert_eq!(as_acme(&admin, "acme").await.unwrap().status(), StatusCode::OK);
    assert_eq!(as_acme(&admin, "other").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(as_acme(&admin, "../acme").await.unwrap().status(), StatusCode::BAD_REQUEST);
    let other = server.key("other", &[Scope::Write]).await;
    assert_eq!(as_acme(&other, "acme").await.unwrap().status(), StatusCode::FORBIDDEN);
}
