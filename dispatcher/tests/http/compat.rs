//! The addresses of the replaced system: what is taken in, what is refused, and in which words. No worker runs.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use dispatcher::access::Scope;
use objects::Objects;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Answer, MAX_UPLOAD, Server};

/// Addresses that take a document.
const WITH_DOCUMENT: [&str; 7] = [
    "/prompt-studio/process",
    "/extract",
    "/extract/async",
    "/index",
    "/answer-prompt",
    "/single-pass-extraction",
    "/api/v2/workflows/execute",
];

/// A server with a document where acme may name it, and acme's key.
async fn with_document() -> (Server, String) {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write]).await;
    server.objects.put("imports/acme/letter.txt", b"Invoice number: 7", "text/plain").await.unwrap();
    (server, key)
}

async fn post(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    server.json(Method::POST, path, key, body).await
}

async fn runs(server: &Server, key: &str) -> usize {
    server.get("/api/v1/runs", key).await.body()["runs"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_document_named_by_its_key_is_accepted_with_the_words_of_the_seeds_and_its_state_can_be_asked() {
    let (server, key) = with_document().await;
    let payload = json!({
        "run_id": "r-1", "execution_id": "e-1", "tool_id": "t", "file_name": "letter.txt", "execution_source": "tool",
        "file_path": "imports/acme/letter.txt", "log_events_id": "l", "platform_key": "s3cret", "colour": "unknown",
        "tool_settings": { "llm": "openai|502ecf49-e47c-445c-9907-6d4b90c5cd17", "chunk_size": "512" },
        "outputs": [{ "name": "number", "prompt": "What is the number?", "chunk-size": 0, "vector_db": "qdrant|x" }],
    });

    let accepted = post(&server, "/prompt-studio/process", &key, &payload).await;

    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    assert_eq!(accepted.headers["link"], "</api/v1/runs>; rel=\"successor-version\"");
    let body = accepted.body();
    assert_eq!(body["status"], "accepted");
    assert_eq!(body["stages"].as_array().unwrap().len(), 6);
    assert!(body["message"].is_string() && body["estimated_completion_time"].is_string(), "{body}");
    let task_id = body["task_id"].as_str().unwrap();
    let status = server.get(&format!("/extract/status/{task_id}"), &key).await;
    assert_eq!(status.status, StatusCode::ACCEPTED);
    assert_eq!(status.body()["task_id"], *task_id);
    assert!(["pending", "processing"].contains(&status.body()["status"].as_str().unwrap()), "{status:?}");
    let other = server.key("other", &[Scope::Write]).await;
    assert_eq!(server.get(&format!("/extract/status/{task_id}"), &other).await.code(), "no_such_run");
}

#[tokio::test]
async fn the_same_ids_with_the_same_payload_are_the_same_run_and_with_another_one_a_conflict() {
    let (server, key) = with_document().await;
    let payload = |prompt: &str| {
        let outputs = json!([{ "name": "a", "prompt": prompt }]);
        json!({ "run_id": "r-1", "file_path": "imports/acme/letter.txt", "outputs": outputs })
    };

    let first = post(&server, "/prompt-studio/process", &key, &payload("What?")).await.body();
    let again = post(&server, "/prompt-studio/process", &key, &payload("What?")).await.body();
    let changed = post(&server, "/prompt-studio/process", &key, &payload("Why?")).await;
    let elsewhere = post(&server, "/extract/async", &key, &payload("What?")).await.body();

    assert_eq!((&again["task_id"], &again["created"]), (&first["task_id"], &json!(false)));
    assert_eq!((changed.status, changed.code().as_str()), (StatusCode::CONFLICT, "idempotency_conflict"));
    assert!(changed.body()["error"].as_str().unwrap().contains("run_id"), "{changed:?}");
    assert_ne!(elsewhere["task_id"], first["task_id"], "one run of theirs is a call to each address");
    assert_eq!(runs(&server, &key).await, 2);
}

#[tokio::test]
async fn an_index_with_other_settings_is_another_run_of_the_same_ids() {
    let (server, key) = with_document().await;
    let index = |size: u32, text: &str| {
        json!({ "run_id": "r-1", "extracted_text": text, "file_path": "/data/a.pdf", "chunk_size": size, "chunk_overlap": 0,
                "file_hash": "ab".repeat(32) })
    };
    // Nobody works here: the calls end with the time, and name the run.
    let first = post(&server, "/index", &key, &index(100, "text")).await.body();
    let larger = post(&server, "/index", &key, &index(200, "text")).await.body();
    let changed = post(&server, "/index", &key, &index(100, "another text")).await;

    assert_eq!(first["code"], 504, "{first}");
    assert_ne!(first["payload"]["task_id"], larger["payload"]["task_id"]);
    assert_eq!(changed.code(), "idempotency_conflict");
}

#[tokio::test]
async fn a_path_that_the_tenant_may_not_read_is_refused_and_nothing_is_started() {
    let (server, key) = with_document().await;
    let objects = &server.objects;
    for foreign in ["imports/other/secret.txt", "documents/other/secret", "runs/r/secret.json", "imports/secret.txt"] {
        objects.put(foreign, b"the secret of other", "text/plain").await.unwrap();
    }
    objects.put("imports/acme/large.txt", &vec![b'x'; MAX_UPLOAD + 1], "text/plain").await.unwrap();
    let cases = [
        ("imports/other/secret.txt", 403, "path_not_allowed"),
        ("imports/acme", 403, "path_not_allowed"),
        ("imports/acme/", 422, "request_invalid"),
        ("imports/acme2/x", 403, "path_not_allowed"),
        ("imports/secret.txt", 403, "path_not_allowed"),
        ("documents/other/secret", 403, "path_not_allowed"),
        ("runs/r/secret.json", 403, "path_not_allowed"),
        ("doc_zz", 403, "path_not_allowed"),
        ("secret.txt", 403, "path_not_allowed"),
        ("imports/acme/../other/secret.txt", 422, "request_invalid"),
        ("imports/acme/..\\..\\other/secret.txt", 422, "request_invalid"),
        ("/imports/acme/letter.txt", 422, "request_invalid"),
        ("C:/letter.txt", 422, "request_invalid"),
        ("imports/acme/letter.txt\0.pdf", 422, "request_invalid"),
        ("imports/acme//letter.txt", 422, "request_invalid"),
        ("imports/acme/./letter.txt", 422, "request_invalid"),
        ("imports/acme/\u{202e}letter.txt", 422, "request_invalid"),
        ("imports/acme/nothing.txt", 404, "no_such_document"),
        ("documents/acme/nothing", 404, "no_such_document"),
        (&format!("doc_{}", "ab".repeat(32)), 404, "no_such_document"),
        ("imports/acme/large.txt", 413, "too_large"),
        ("", 422, "request_invalid"),
    ];
    for (path, status, code) in cases {
        let field = |address: &str| if address.contains("/v2/") { "document_path" } else { "file_path" };
        for address in WITH_DOCUMENT {
            let answer = post(&server, address, &key, &json!({ field(address): path })).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{address} {path:?}: {answer:?}"
            );
            assert!(!answer.text.contains("the secret"), "{answer:?}");
        }
    }
    assert_eq!(runs(&server, &key).await, 0);
}

#[tokio::test]
async fn errors_have_the_body_of_the_replaced_system_and_the_right_status() {
    let (server, key) = with_document().await;
    let reader = server.key("acme", &[Scope::Read]).await;
    let wrong = json!({ "file_path": "imports/acme/letter.txt", "outputs": [{ "name": "a", "prompt": "?", "type": "nubmer" }] });
    let text = |body: &'static str| server.call(Method::POST, "/answer-prompt", &key).body(body).send();
    let answers = [
        (post(&server, "/extract", "", &wrong).await, 401, "Unauthorized", "key_missing"),
        (post(&server, "/extract", "flk_0", &wrong).await, 401, "Unauthorized", "key_invalid"),
        (post(&server, "/extract", &reader, &wrong).await, 403, "Forbidden", "scope_missing"),
        (server.get("/extract", &key).await, 405, "MethodNotAllowed", "method_not_allowed"),
        (Answer::of(text("{").await.unwrap()).await, 400, "BadRequest", "request_not_json"),
        (Answer::of(text("").await.unwrap()).await, 400, "BadRequest", "request_not_json"),
        (Answer::of(text("[]").await.unwrap()).await, 422, "UnprocessableEntity", "request_invalid"),
        (post(&server, "/answer-prompt", &key, &wrong).await, 422, "UnprocessableEntity", "request_invalid"),
        (post(&server, "/summarize", &key, &json!({})).await, 422, "UnprocessableEntity", "request_invalid"),
        (
            post(&server, "/summarize", &key, &json!({ "context": 7 })).await,
            422,
            "UnprocessableEntity",
            "request_invalid",
        ),
        (
            post(&server, "/api/v2/workflows/execute", &key, &json!({ "use_abstraction": "maybe" })).await,
            422,
            "UnprocessableEntity",
            "request_invalid",
        ),
        (server.get("/extract/status/nonsense", &key).await, 404, "NotFound", "no_such_run"),
        (server.get("/extract/status/%ff", &key).await, 400, "BadRequest", "path_invalid"),
    ];
    for (answer, status, name, code) in answers {
        let body = answer.body();
        assert_eq!(answer.headers["content-type"], "application/json", "{answer:?}");
        assert_eq!(
            (answer.status.as_u16(), &body["code"], &body["name"]),
            (status, &json!(status), &json!(name)),
            "{body}"
        );
        assert_eq!(body["payload"]["code"], code, "{body}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
    }
    let fields = post(&server, "/answer-prompt", &key, &wrong).await.body();
    assert_eq!(fields["payload"]["errors"][0]["path"], "$.outputs[0].type");
}

#[tokio::test]
async fn a_call_that_waits_ends_with_504_and_the_run_which_goes_on() {
    let (server, key) = with_document().await;
    let payload = json!({ "run_id": "r-1", "file_path": "imports/acme/letter.txt" });

    let over = post(&server, "/extract", &key, &payload).await;

    assert_eq!((over.status, over.code().as_str()), (StatusCode::GATEWAY_TIMEOUT, "wait_over"), "{over:?}");
    assert_eq!(over.body()["name"], "GatewayTimeout");
    assert!(over.headers["deprecation"].to_str().unwrap().starts_with('@'), "{over:?}");
    assert_eq!(over.headers["sunset"], "Wed, 30 Jun 2027 00:00:00 GMT");
    assert_eq!(over.headers["link"], "</extract/async>; rel=\"successor-version\"");
    let status = server.get(over.body()["payload"]["status_url"].as_str().unwrap(), &key).await;
    assert_eq!(status.status, StatusCode::ACCEPTED, "{status:?}");
    let document = server.get("/api/v1/openapi.json", "").await.body();
    assert_eq!(document["paths"]["/extract"]["post"]["deprecated"], json!(true));
    let again = post(&server, "/extract/async", &key, &payload).await.body();
    assert_eq!(again["task_id"], over.body()["payload"]["task_id"], "the asynchronous address finds the run again");
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_waiting_and_not_the_run() {
    let (server, key) = with_document().await;
    let payload = json!({ "file_path": "imports/acme/letter.txt" }).to_string();

    let call = server.call(Method::POST, "/extract", &key).body(payload).timeout(Duration::from_millis(500));
    assert!(call.send().await.unwrap_err().is_timeout());

    let list = server.get("/api/v1/runs", &key).await.body();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list}");
    assert!(list["runs"][0]["ended_at"].is_null(), "{list}");
}

#[tokio::test]
async fn the_built_in_workflows_take_documents_and_their_names_are_reserved() {
    let (server, _) = with_document().await;
    let admin = server.key("default", &[Scope::Admin]).await;
    for name in ["prompt-studio-pipeline", "text-extraction", "indexing"] {
        let own = json!({ "name": name, "tasks": [{ "name": "a" }] });
        assert_eq!(post(&server, "/api/v1/workflows", &admin, &own).await.code(), "workflow_reserved", "{name}");
        let run = post(&server, "/api/v1/runs", &admin, &json!({ "workflow": name })).await;
        assert_eq!(run.body()["errors"][0]["message"], "takes a document", "{run:?}");
        let schedule = json!({ "workflow": name, "cron": "@daily" });
        let schedule = server.json(Method::PUT, "/api/v1/schedules/s", &admin, &schedule).await;
        assert_eq!(schedule.code(), "schedule_invalid", "{schedule:?}");
        assert_eq!(server.get(&format!("/api/v1/workflows/{name}"), &admin).await.status, StatusCode::OK);
    }
}
