//! Keys over several dispatchers, and that nothing of them is ever written to a log.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fleet::{Document, Fleet};
use crate::process::{LOOK, Process};

/// Everything that a process can be told about in confidence.
const ADMIN_KEY: &str = "an-admin-key-that-nobody-may-read-in-a-log";
const FLEET_KEY: &str = "a-fleet-key-that-nobody-may-read-in-a-log";
const MASTER_KEY: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";
const API_KEY: &str = "sk-a-model-key-that-nobody-may-read-in-a-log";

async fn guarded(fleet: &Fleet) -> Process {
    let environment = [
        ("FLOTILLA_AUTH", "keys"),
        ("FLOTILLA_ADMIN_KEY", ADMIN_KEY),
        ("FLOTILLA_FLEET_KEY", FLEET_KEY),
        ("FLOTILLA_MASTER_KEY", MASTER_KEY),
        ("FLOTILLA_LOG", "trace"),
    ];
    fleet.start_with("dispatcher", &environment.map(|(name, value)| (name, Path::new(value)))).await
}

async fn call(fleet: &Fleet, url: String, method: Method, key: &str, body: &Value) -> (StatusCode, Value) {
    let answer = fleet.client.request(method, url).bearer_auth(key).json(body).send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_key_is_good_at_every_dispatcher_until_it_is_revoked_at_one() {
    let fleet = Fleet::without_processes().await;
    let (one, other) = (guarded(&fleet).await, guarded(&fleet).await);
    let admin = async |process: &Process, method: Method, path: &str, body: Value| {
        call(&fleet, process.url(path), method, ADMIN_KEY, &body).await
    };
    assert_eq!(admin(&one, Method::PUT, "/api/v1/tenants/acme", json!({})).await.0, StatusCode::CREATED);
    let wanted = json!({ "name": "of a spec", "scopes": ["read"] });
    let (status, issued) = admin(&one, Method::POST, "/api/v1/tenants/acme/keys", wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{issued}");
    let (token, id) = (issued["token"].as_str().unwrap(), issued["id"].as_str().unwrap());
    let me = async |process: &Process| call(&fleet, process.url("/api/v1/me"), Method::GET, token, &Value::Null).await;
    assert_eq!(me(&one).await.1["tenant"], "acme");
    assert_eq!(me(&other).await.1["tenant"], "acme");

    let path = format!("/api/v1/tenants/acme/keys/{id}");
    assert_eq!(admin(&one, Method::DELETE, &path, Value::Null).await.0, StatusCode::OK);
    let revoked = Instant::now();
    while me(&other).await.0 != StatusCode::UNAUTHORIZED {
        assert!(revoked.elapsed() < Duration::from_secs(5), "the other dispatcher believes in it for too long");
        tokio::time::sleep(LOOK).await;
    }
    fleet.stop(vec![one, other]).await;
}

#[tokio::test]
async fn no_secret_is_written_to_a_log_at_any_level() {
    let fleet = Fleet::without_processes().await;
    let dispatcher = guarded(&fleet).await;
    let created = fleet.command("dispatcher").args(["create-key", "--scope", "write"]).output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let token = String::from_utf8(created.stdout).unwrap().trim().to_owned();
    let adapter = json!({
        "adapter_name": "ours",
        "adapter_id": "openai|502ecf49-e47c-445c-9907-6d4b90c5cd17",
        "adapter_type": "LLM",
        "adapter_metadata": { "api_key": API_KEY },
    });
    let (status, kept) = call(&fleet, dispatcher.url("/api/v1/adapters"), Method::POST, &token, &adapter).await;
    assert_eq!(status, StatusCode::CREATED, "{kept}");
    let wrong = format!("{token}0");
    let (status, _) = call(&fleet, dispatcher.url("/api/v1/runs"), Method::GET, &wrong, &Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let document = Document::one_question(fleet.folder());
    let submit = ["submit", document.path.to_str().unwrap(), "--json"];
    let submitted = fleet.flotilla_with(&dispatcher, &submit, &[("FLOTILLA_KEY", &token)]);
    assert!(submitted.status.success(), "{}", String::from_utf8_lossy(&submitted.stderr));
    let without = fleet.flotilla(&dispatcher, &submit);
    assert!(String::from_utf8_lossy(&without.stderr).contains("FLOTILLA_KEY"), "{without:?}");

    let folder = fleet.folder().to_path_buf();
    dispatcher.terminate();
    let mut dispatcher = dispatcher;
    dispatcher.ends_well().await;
    let logs: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert!(logs.contains("the dispatcher listens") && logs.len() > 1_000, "{logs}");
    for secret in [ADMIN_KEY, FLEET_KEY, MASTER_KEY, API_KEY, &token, &wrong] {
        assert!(!logs.contains(secret), "{secret} stands in a log");
    }
}
