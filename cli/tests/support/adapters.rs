//! Requests that name a model by the adapter that leads to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::model_server::{ModelServer, Reply};
use crate::serving::{Server, form};

const COMPATIBLE: &str = "openaicompatible|b6d10f33-2c41-49fc-a8c2-58d2b247fc09";

/// A model that always says the same.
fn saying(answer: &'static str) -> ModelServer {
    ModelServer::start(Arc::new(move |_, _| Reply::Value(json!(answer))))
}

async fn put(server: &Server, id: &str, adapter: Value) {
    let (path, body) = (format!("/api/v1/adapters/{id}"), adapter.to_string().into_bytes());
    let (status, kept) = server.call(Method::PUT, &path, body, &[("content-type", "application/json")]).await;
    assert!(status.is_success(), "{kept}");
    assert!(!kept.to_string().contains("sk-"), "{kept}");
}

fn of_kind(adapter_id: &str, kind: &str, settings: Value) -> Value {
    json!({ "adapter_name": "ours", "adapter_id": adapter_id, "adapter_type": kind, "adapter_metadata": settings })
}

fn model_at(url: &str, model: &str) -> Value {
    of_kind(COMPATIBLE, "LLM", json!({ "api_base": url, "model": model, "api_key": format!("sk-{model}") }))
}

/// The result of a run with one question for that adapter.
async fn ask(server: &Server, llm: &str) -> Value {
    let accepted = submit(server, llm, &["supplier"]).await;
    server.result(&accepted).await
}

/// Starts a run with these questions for that adapter.
async fn submit(server: &Server, llm: &str, questions: &[&str]) -> Value {
    let outputs: Vec<Value> = questions
        .iter()
        .map(|name| json!({ "name": name, "prompt": format!("Who is the {name}?"), "type": "text" }))
        .collect();
    let request = json!({ "tool_settings": { "llm": llm }, "outputs": outputs });
    let request = request.to_string();
    let (body, kind) = form(&[
        ("name=\"file\"; filename=\"note.md\"", b"# Delivery note\n\nSupplier: Flotilla\n"),
        ("name=\"request\"", request.as_bytes()),
    ]);
    let (status, accepted) = server.call(Method::POST, "/api/v1/runs", body, &[("content-type", kind)]).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    accepted
}

#[tokio::test]
async fn a_request_that_names_an_adapter_is_answered_by_its_model_and_any_other_by_the_deployments() {
    let state = tempfile::tempdir().unwrap();
    let (own, first, second) = (saying("own"), saying("first"), saying("second"));
    let url = own.url();
    let server =
        Server::start(state.path(), &["--model-url", &url, "--model", "plain", "--outbound-allow", "127.0.0.1"]);
    put(&server, "first", model_at(&first.url(), "alpha")).await;
    put(&server, "second", model_at(&second.url(), "beta")).await;

    for (llm, answer, model) in [("", "own", "plain"), ("first", "first", "alpha"), ("second", "second", "beta")] {
        let result = ask(&server, llm).await;
        assert_eq!((&result["output"]["supplier"], &result["model"]), (&json!(answer), &json!(model)), "{result}");
        assert_eq!(result["warnings"], Value::Null, "an adapter that is used is nothing to warn of");
    }
    assert_eq!(first.keys(), ["Bearer sk-alpha"]);
    assert_eq!(second.keys(), ["Bearer sk-beta"]);
    assert_eq!(own.keys(), [""], "no key of a tenant goes to the deployment's own server");
    let (_, usage) = server.get("/api/v1/usage?group=model").await;
    for model in ["plain", "alpha", "beta"] {
        assert!(usage.to_string().contains(&format!("\"{model}\"")), "{usage}");
    }

    // What is changed is followed by the next run.
    put(&server, "first", model_at(&second.url(), "alpha")).await;
    assert_eq!(ask(&server, "first").await["output"]["supplier"], "second");
}

#[tokio::test]
async fn an_adapter_that_cannot_be_used_fails_the_run_with_a_code_and_a_fix() {
    let state = tempfile::tempdir().unwrap();
    let model = saying("never");
    let server = Server::start(state.path(), &[]);
    put(&server, "inside", model_at(&model.url(), "alpha")).await;
    put(&server, "vectors", of_kind("qdrant|41f64fda-2e4c-4365-89fd-9ce91bee74d0", "VECTOR_DB", json!({}))).await;
    put(&server, "rock", of_kind("bedrock|8d18571f-5e96-4505-bd28-ad0379c64064", "LLM", json!({ "model": "m" }))).await;
    put(&server, "half", of_kind(COMPATIBLE, "LLM", json!({ "model": "m" }))).await;

    for (llm, code, says) in [
        ("missing", "adapter_unknown", "GET /api/v1/adapters"),
        (COMPATIBLE, "adapter_unknown", "POST /api/v1/adapters"),
        ("vectors", "adapter_wrong_type", "VECTOR_DB"),
        ("rock", "adapter_unsupported", "openaicompatible"),
        ("half", "adapter_misconfigured", "api_base"),
        ("inside", "model_address_refused", "--outbound-allow 127.0.0.1"),
    ] {
        let result = ask(&server, llm).await;
        let error = &result["errors"]["chunk-embed"];
        assert_eq!((&result["status"], &error["code"]), (&json!("failed"), &json!(code)), "{llm}: {result}");
        assert!(error["message"].as_str().unwrap().contains(says), "{llm}: {error}");
    }
    assert_eq!(model.calls(), 0);
}

/// How many finished answers lie in a state folder.
fn finished(state: &Path) -> usize {
    let mut folders = vec![(state.join("objects/runs"), false)];
    let mut found = 0;
    while let Some((folder, of_answers)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                let below = of_answers || entry.ends_with("memo");
                folders.push((entry, below));
            } else if of_answers && entry.extension().is_some_and(|extension| extension == "json") {
                found += 1;
            }
        }
    }
    found
}

#[tokio::test]
async fn a_stage_that_is_tried_again_after_the_adapter_has_changed_uses_no_answer_of_the_former_model() {
    let state = tempfile::tempdir().unwrap();
    let former = ModelServer::start(Arc::new(|_, body| {
        if body.contains("Who is the buyer?") { Reply::Silence } else { Reply::Value(json!("former")) }
    }));
    let latter = saying("latter");
    let more = ["--outbound-allow", "127.0.0.1"];
    let server = Server::start(state.path(), &more);
    put(&server, "ours", model_at(&former.url(), "same")).await;
    let accepted = submit(&server, "ours", &["supplier", "buyer"]).await;
    let one = async {
        while finished(state.path()) == 0 || former.calls() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), one).await.expect("no answer is kept");
    put(&server, "ours", model_at(&latter.url(), "same")).await;
    drop(server);

    let server = Server::start(state.path(), &more);
    let result = server.result(&accepted).await;

    assert_eq!(result["output"], json!({ "supplier": "latter", "buyer": "latter" }), "{result}");
    assert_eq!((former.calls(), latter.calls()), (2, 2));
}
