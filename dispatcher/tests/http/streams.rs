//! Streams of events and the keys that opened them.

use std::time::Duration;

use dispatcher::access::{NewKey, Scope, Scopes};
use protocol::TenantId;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::server::Server;

/// Longer than a stream without news waits before it looks again, and than a key is remembered.
const PATIENCE: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_stream_ends_with_the_key_that_opened_it() {
    let server = Server::guarded().await;
    let tenant: TenantId = "acme".parse().unwrap();
    let scopes = Scopes::of([Scope::Write, Scope::Read]);
    let new =
        NewKey { tenant: tenant.clone(), name: "of a stream".to_owned(), scopes, expires_at: None, issued_by: None };
    let issued = server.access.keys.issue(new).await.unwrap();
    let run = json!({ "workflow": "single", "input": 1 });
    let run = server.json(Method::POST, "/api/v1/runs", &issued.token, &run).await;
    let path = format!("/api/v1/runs/{}/events/stream", run.body()["run_id"].as_str().unwrap());
    assert_eq!(server.get(&path, "").await.code(), "key_missing");

    let mut stream = server.call(Method::GET, &path, &issued.token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    server.access.keys.revoke(&tenant, &issued.key.id).await.unwrap();
    let started = Instant::now();
    let mut text = Vec::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("it goes on").unwrap() {
        assert!(started.elapsed() < PATIENCE, "it goes on with {piece:?}");
        text.extend_from_slice(&piece);
    }
    assert!(!String::from_utf8_lossy(&text).contains("event: end"), "the run has not ended");
}
