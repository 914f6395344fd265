//! Who may choose backends, and what becomes of choices that cannot be.

use dispatcher::access::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

const CHOICE: &str = "/api/v1/backends/choice";

#[tokio::test]
async fn operators_look_and_administrators_choose() {
    let server = Server::guarded().await;
    let choice = json!({ "default": "fleet" });
    for (scope, looks, chooses) in [(Scope::Write, 403, 403), (Scope::Operate, 200, 403), (Scope::Admin, 200, 200)] {
        let key = server.key("default", &[scope]).await;
        for path in ["/api/v1/backends", "/api/v1/backends/comparison"] {
            assert_eq!(server.get(path, &key).await.status.as_u16(), looks, "{scope} {path}");
        }
        let chosen = server.json(Method::PUT, CHOICE, &key, &choice).await;
        assert_eq!(chosen.status.as_u16(), chooses, "{scope}: {chosen:?}");
        let reset = server.json(Method::DELETE, CHOICE, &key, &Value::Null).await;
        assert_eq!(reset.status.as_u16(), chooses, "{scope}: {reset:?}");
    }
    let admin = server.key("default", &[Scope::Admin]).await;
    let audit = server.get("/api/v1/audit", &admin).await.body();
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<&Value> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["backends.reset", "backends.chosen"]);
    assert_eq!(entries[1]["details"], choice);
}

#[tokio::test]
async fn a_choice_that_cannot_be_is_told_by_every_path_and_changes_nothing() {
    let server = Server::guarded().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    let told = json!({ "workflows": { "single": "fleet" } });
    assert_eq!(server.json(Method::PUT, CHOICE, &admin, &told).await.status, StatusCode::OK);
    let cases = [
        (json!([]), "request_invalid", vec!["$"]),
        (json!({ "default": 1, "workflow": {} }), "request_invalid", vec!["$.default", "$.workflow"]),
        (
            json!({ "default": "fleet:0", "workflows": { "single": "fleet,fleet" }, "shadows": { "single": "fleet:200" } }),
            "request_invalid",
            vec!["$.default", "$.workflows.single", "$.shadows.single"],
        ),
        (json!({ "workflows": { "nobody": "fleet" } }), "request_invalid", vec!["$.workflows.nobody"]),
        (
            json!({ "workflows": { "deliver-webhook": "fleet" } }),
            "request_invalid",
            vec!["$.workflows.deliver-webhook"],
        ),
        (
            json!({ "default": "embedded", "shadows": { "single": "temporal" } }),
            "backend_unfit",
            vec!["$.default", "$.shadows.single"],
        ),
    ];
    for (choice, code, paths) in cases {
        let refused = server.json(Method::PUT, CHOICE, &admin, &choice).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{choice}");
        let body = refused.body();
        let found: Vec<&Value> = body["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
        assert_eq!(found, paths, "{body}");
        assert!(body["errors"].as_array().unwrap().iter().all(|error| error["fix"] != ""), "{body}");
    }
    assert_eq!(server.get("/api/v1/backends", &admin).await.body()["said"], told);
}

#[tokio::test]
async fn only_operators_name_the_backend_of_a_run() {
    let server = Server::guarded().await;
    let run = json!({ "workflow": "single", "backend": "fleet" });
    let calls = [run.clone(), json!({ "runs": [{ "workflow": "single" }, run] })];
    for (scopes, status) in [
        (&[Scope::Write][..], 403),
        (&[Scope::Write, Scope::Operate], 202),
        (&[Scope::Operate], 403),
        (&[Scope::Admin], 202),
    ] {
        let key = server.key("acme", scopes).await;
        for body in &calls {
            let answer = server.json(Method::POST, "/api/v1/runs", &key, body).await;
            assert_eq!(answer.status.as_u16(), status, "{scopes:?}: {answer:?}");
            if status == 403 {
                assert_eq!(answer.code(), "scope_missing");
            }
        }
    }
    let key = server.key("acme", &[Scope::Write]).await;
    let unnamed = json!({ "workflow": "single", "backend": null });
    assert_eq!(server.json(Method::POST, "/api/v1/runs", &key, &unnamed).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn runs_are_found_by_backend() {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write]).await;
    let run = server.json(Method::POST, "/api/v1/runs", &key, &json!({ "workflow": "single" })).await.body();
    let found = server.get("/api/v1/runs?backend=fleet&shadows=true", &key).await.body();
    assert_eq!((&found["runs"][0]["run_id"], &found["runs"][0]["backend"]), (&run["run_id"], &json!("fleet")));
    assert_eq!(server.get("/api/v1/runs?backend=temporal", &key).await.body()["runs"], json!([]));
    for query in ["backend=sidekiq", "shadows=perhaps"] {
        assert_eq!(server.get(&format!("/api/v1/runs?{query}"), &key).await.code(), "query_invalid", "{query}");
    }
}

#[tokio::test]
async fn a_signal_needs_a_run_that_is_under_way_and_a_backend_that_takes_it() {
    let server = Server::guarded().await;
    let (key, other) = (server.key("acme", &[Scope::Write]).await, server.key("other", &[Scope::Write]).await);
    let run = server.json(Method::POST, "/api/v1/runs", &key, &json!({ "workflow": "single" })).await.body();
    let path = format!("{}/signals/go", run["status_url"].as_str().unwrap());
    let send = async |path: &str, key: &str| server.json(Method::POST, path, key, &json!({ "a": 1 })).await.code();

    assert_eq!(send(&path, &other).await, "no_such_run");
    assert_eq!(send(&path, &key).await, "backend_unfit");
    assert_eq!(send(&path.replace("/go", "/g.o"), &key).await, "request_invalid");
    let large = json!("x".repeat(65 * 1024));
    assert_eq!(server.json(Method::POST, &path, &key, &large).await.code(), "too_large");
    let cancel = path.replace("/signals/go", "/cancel");
    assert_eq!(server.json(Method::POST, &cancel, &key, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(send(&path, &key).await, "run_ended");
}

#[tokio::test]
async fn a_comparison_is_of_ones_own_runs_in_a_time() {
    let server = Server::guarded().await;
    let (admin, acme) = (server.key("default", &[Scope::Admin]).await, server.key("acme", &[Scope::Admin]).await);
    let run = server.json(Method::POST, "/api/v1/runs", &acme, &json!({ "workflow": "single" })).await;
    assert_eq!(run.status, StatusCode::ACCEPTED);
    let path = "/api/v1/backends/comparison";
    let own = server.get(path, &acme).await.body();
    assert_eq!((&own["runs"], &own["backends"][0]["under_way"]), (&json!(1), &json!(1)), "{own}");
    assert_eq!(own["backends"][0]["latency_seconds"], json!(null));
    assert_eq!(server.get(path, &admin).await.body()["runs"], json!(0));
    let earlier = server.get(&format!("{path}?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"), &acme).await.body();
    assert_eq!(earlier["backends"], json!([]));
    for query in [
        "since=soon",
        "since=1h&from=2026-01-01T00:00:00Z",
        "to=2026-01-01T00:00:00Z&from=2026-01-02T00:00:00Z",
        "sinse=1h",
    ] {
        assert_eq!(server.get(&format!("{path}?{query}"), &acme).await.code(), "query_invalid", "{query}");
    }
}
