//! The addresses of the replaced system, with somebody at work: documents in, answers in its words out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::repository;
use crate::model_server::{ModelServer, Reply};
use crate::serving::{Server, form};

const INVOICE: &str = "imports/default/invoice.pdf";

/// A state folder with the example invoice where callers may name it.
fn state() -> TempDir {
    let state = tempfile::tempdir().unwrap();
    let imports = state.path().join("objects/imports/default");
    std::fs::create_dir_all(&imports).unwrap();
    std::fs::copy(repository("examples/invoice.pdf"), imports.join("invoice.pdf")).unwrap();
    state
}

/// The example's questions about the invoice in the object store.
fn payload(run_id: &str) -> Value {
    let request = std::fs::read(repository("examples/invoice.request.json")).unwrap();
    let mut payload: Value = serde_json::from_slice(&request).unwrap();
    payload["run_id"] = json!(run_id);
    payload["file_path"] = json!(INVOICE);
    payload
}

async fn post(server: &Server, path: &str, body: &Value) -> (StatusCode, Value) {
    server.call(Method::POST, path, body.to_string().into_bytes(), &[("content-type", "application/json")]).await
}

/// What is said of a run when it has ended.
async fn ended(server: &Server, accepted: &Value) -> Value {
    let path = format!("/extract/status/{}", accepted["task_id"].as_str().unwrap());
    let wait = async {
        loop {
            let (status, body) = server.get(&path).await;
            match status {
                StatusCode::OK => return body,
                StatusCode::ACCEPTED => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other}: {body}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the run does not end")
}

fn model(
    state: &Path,
    script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    more: &[&str],
) -> (ModelServer, Server) {
    let model = ModelServer::start(Arc::new(script));
    let url = model.url();
    let server = Server::start(state, &[&["--model-url", &url, "--model", "test"], more].concat());
    (model, server)
}

#[tokio::test]
async fn the_example_invoice_is_answered_by_both_addresses_for_prompts() {
    let state = state();
    let server = Server::start(state.path(), &[]);
    for address in ["/answer-prompt", "/single-pass-extraction"] {
        let mut payload = payload("r-1");
        payload["outputs"][0]["required"] = json!("all");
        payload["tool_settings"]["enable_highlight"] = json!(true);
        payload["colour"] = json!("unknown");

        let (status, answer) = post(&server, address, &payload).await;
        let (_, again) = post(&server, address, &payload).await;

        assert_eq!(status, StatusCode::OK, "{address}: {answer}");
        assert_eq!(answer["output"]["invoice_number"], "NI-2026-00417", "{address}");
        assert_eq!(answer["output"]["total_amount"], json!(4697.76));
        let metadata = &answer["metadata"];
        assert_eq!((&metadata["run_id"], &metadata["file_name"]), (&json!("r-1"), &json!("invoice.pdf")));
        assert_eq!(metadata["context"]["invoice_number"], json!(["NI-2026-00417"]));
        assert_eq!(metadata["required_fields"], json!({ "invoice_number": "all" }));
        let place = metadata["highlight_data"]["invoice_number"][0].as_array().unwrap();
        assert_eq!((place.len(), &place[0]), (4, &json!(0.0)), "{metadata}");
        assert!(metadata.get("extraction_llm").is_none(), "nothing was consumed: {metadata}");
        assert!(metadata["warnings"].to_string().contains("$.colour"), "{metadata}");
        assert!(answer["metrics"]["invoice_number"]["indexing"]["time_taken(s)"].is_number(), "{answer}");
        assert_eq!(again, answer, "the same call is the same run");
    }
}

#[tokio::test]
async fn the_example_invoice_can_be_processed_in_the_background_from_the_store_and_from_a_form() {
    let state = state();
    let server = Server::start(state.path(), &[]);
    let invoice = std::fs::read(repository("examples/invoice.pdf")).unwrap();
    let request = json!({ "outputs": [{ "name": "number", "prompt": "What is the invoice number?" }] }).to_string();
    let (body, kind) =
        form(&[("name=\"file\"; filename=\"invoice.pdf\"", &invoice), ("name=\"request\"", request.as_bytes())]);

    let (_, stored) = post(&server, "/prompt-studio/process", &payload("r-1")).await;
    let (status, sent) = server.call(Method::POST, "/prompt-studio/process", body, &[("content-type", kind)]).await;
    let execute = json!({ "document_path": INVOICE, "use_abstraction": true });
    let (executing, executed) = post(&server, "/api/v2/workflows/execute", &execute).await;

    assert_eq!((status, executing), (StatusCode::ACCEPTED, StatusCode::ACCEPTED), "{sent} {executed}");
    assert_eq!((&executed["backend"], &executed["use_abstraction"]), (&json!("embedded"), &json!(true)));
    for (accepted, name) in [(&stored, "invoice_number"), (&sent, "number"), (&executed, "invoice_number")] {
        let ended = ended(&server, accepted).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        assert_eq!(ended["result"]["output"][name], "NI-2026-00417", "{ended}");
        let (_, native) = server.get(accepted["result_url"].as_str().unwrap()).await;
        assert_eq!(native["output"], ended["result"]["output"]);
    }
}

#[tokio::test]
async fn the_text_of_the_example_invoice_is_the_same_waited_for_or_not_and_can_be_read_again() {
    let state = state();
    let server = Server::start(state.path(), &[]);
    let payload = json!({
        "x2text_instance_id": "", "file_path": INVOICE, "run_id": "r-1",
        "execution_source": "tool", "enable_highlight": true, "tags": ["a"], "usage_kwargs": {},
    });

    let (status, waited) = post(&server, "/extract", &payload).await;
    let (accepted, run) = post(&server, "/extract/async", &payload).await;
    let ended_once = ended(&server, &run).await;

    assert_eq!((status, accepted), (StatusCode::OK, StatusCode::ACCEPTED), "{waited} {run}");
    assert!(waited["extracted_text"].as_str().unwrap().contains("NI-2026-00417"), "{waited}");
    assert!(waited["metadata"]["warnings"].to_string().contains("enable_highlight"), "{waited}");
    assert_eq!(run["task_id"], waited["metadata"]["task_id"], "the same ids");
    assert_eq!((&ended_once["status"], &ended_once["result"]), (&json!("completed"), &waited));
    assert_eq!(ended(&server, &run).await, ended_once);
}

#[tokio::test]
async fn an_index_has_the_same_id_for_the_same_text_and_settings() {
    let state = state();
    let server = Server::start(state.path(), &[]);
    let index = |run: &str, chunk_size: u32| {
        json!({
            "run_id": run, "tool_id": "t", "extracted_text": "<html> Invoice number: 7", "file_path": "/data/SOURCE", "reindex": true,
            "file_hash": "ab".repeat(32), "embedding_instance_id": "openai|e", "vector_db_instance_id": "qdrant|v",
            "x2text_instance_id": "noOpX2text|x", "chunk_size": chunk_size, "chunk_overlap": 0, "execution_source": "tool",
        })
    };

    let (status, one) = post(&server, "/index", &index("r-1", 512)).await;
    let (_, two) = post(&server, "/index", &index("r-2", 512)).await;
    let (_, three) = post(&server, "/index", &index("r-2", 256)).await;
    let (_, file) = post(&server, "/index", &json!({ "file_path": INVOICE })).await;

    assert_eq!(status, StatusCode::OK, "{one}");
    assert_eq!(one["doc_id"].as_str().map(str::len), Some(64), "{one}");
    assert_eq!(two["doc_id"], one["doc_id"]);
    assert_ne!(three["doc_id"], one["doc_id"]);
    assert_eq!(file["metadata"]["file_name"], "invoice.pdf", "{file}");
}

#[tokio::test]
async fn the_text_of_a_document_can_be_asked_under_the_documents_name_and_hash() {
    let state = state();
    std::fs::write(state.path().join("objects/imports/default/EXTRACT"), "Invoice number: 7\n").unwrap();
    let server = Server::start(state.path(), &[]);
    let payload = json!({
        "file_path": "imports/default/EXTRACT", "file_name": "invoice.pdf", "file_hash": "ab".repeat(32),
        "outputs": [{ "name": "number", "prompt": "What is the invoice number?" }],
    });

    let (status, answer) = post(&server, "/answer-prompt", &payload).await;

    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["output"]["number"], "7");
    assert_eq!(answer["metadata"]["file_name"], "invoice.pdf");
    let (status, strict) = post(&server, "/prompt-studio/process", &payload).await;
    assert_eq!((status.as_u16(), &strict["payload"]["code"]), (422, &json!("document_mismatch")), "{strict}");
}

#[tokio::test]
async fn a_summary_needs_a_language_model_and_tells_what_it_consumed() {
    let state = state();
    let payload = json!({ "context": "A long story.", "summarize_prompt": "Make it short.", "prompt_keys": ["hero"],
                          "llm_adapter_instance_id": "" });
    let server = Server::start(state.path(), &[]);
    let (status, refused) = post(&server, "/summarize", &payload).await;
    assert_eq!((status.as_u16(), &refused["payload"]["code"]), (422, &json!("summary_needs_model")), "{refused}");
    assert_eq!(refused["name"], "UnprocessableEntity");
    drop(server);

    let said = |_: usize, body: &str| {
        assert!(body.contains("Make it short.") && body.contains("hero") && body.contains("A long story."), "{body}");
        Reply::Value(json!("Short."))
    };
    let (_model, server) = model(state.path(), said, &[]);
    let (status, summary) = post(&server, "/summarize", &payload).await;

    assert_eq!(status, StatusCode::OK, "{summary}");
    assert_eq!(summary["data"], "Short.");
    let used = &summary["metadata"]["summarize_llm"][0];
    assert_eq!((&used["model_name"], &used["total_tokens"]), (&json!("test"), &json!(110)), "{summary}");
    assert_eq!((&used["cost_in_dollars"], &used["pricing_unknown"]), (&Value::Null, &json!(true)));
}

#[tokio::test]
async fn one_prompt_that_fails_costs_its_own_answer_and_all_of_them_are_an_error() {
    let state = state();
    let script =
        |_: usize, body: &str| if body.contains("bad?") { Reply::Status(400) } else { Reply::Value(json!("7")) };
    let (_model, server) = model(state.path(), script, &[]);
    let ask = |prompts: &[&str]| {
        let outputs: Vec<Value> = prompts.iter().map(|prompt| json!({ "name": prompt, "prompt": prompt })).collect();
        json!({ "file_path": INVOICE, "outputs": outputs })
    };

    let (status, partly) = post(&server, "/answer-prompt", &ask(&["good?", "bad?"])).await;
    let (failed, none) = post(&server, "/answer-prompt", &ask(&["bad?"])).await;

    assert_eq!(status, StatusCode::OK, "{partly}");
    assert_eq!(partly["output"], json!({ "good?": "7", "bad?": null }));
    assert_eq!(partly["metadata"]["errors"]["bad?"]["code"], "model_refused", "{partly}");
    assert_eq!(partly["metadata"]["extraction_llm"][0]["input_tokens"], 100, "{partly}");
    assert_eq!((failed.as_u16(), &none["payload"]["code"]), (422, &json!("no_prompt_answered")), "{none}");
    assert!(none["payload"]["task_id"].is_string(), "{none}");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_a_422_with_its_reason_whenever_it_is_asked() {
    let state = state();
    let server = Server::start(state.path(), &[]);
    let (body, kind) = form(&[("name=\"file\"; filename=\"scan.png\"", b"\x89PNG\r\n\x1a\n")]);

    let (status, refused) = server.call(Method::POST, "/extract", body, &[("content-type", kind)]).await;
    let ended = ended(&server, &refused["payload"]).await;

    assert_eq!((status.as_u16(), &refused["payload"]["code"]), (422, &json!("file_corrupt")), "{refused}");
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &refused["error"]));
}

#[tokio::test]
async fn the_result_of_a_run_that_nobody_waited_for_is_read_later() {
    let state = state();
    let (_model, server) = model(state.path(), |_, _| Reply::Silence, &["--compat-wait", "1"]);

    let (status, over) = post(&server, "/answer-prompt", &payload("r-1")).await;

    assert_eq!((status.as_u16(), &over["payload"]["code"]), (504, &json!("wait_over")), "{over}");
    drop(server);
    let server = Server::start(state.path(), &[]);
    let ended = ended(&server, &over["payload"]).await;
    assert_eq!(ended["result"]["output"]["invoice_number"], "NI-2026-00417", "{ended}");
}

#[tokio::test]
async fn whoever_waits_when_the_server_stops_is_told_the_run() {
    let state = state();
    let (model, mut server) = model(state.path(), |_, _| Reply::Silence, &[]);
    let pid = server.child.id().to_string();

    let call = async { post(&server, "/answer-prompt", &payload("r-1")).await };
    let stop = async {
        while model.calls() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    };
    let ((status, told), ()) = tokio::join!(call, stop);

    assert_eq!((status.as_u16(), &told["payload"]["code"]), (503, &json!("stopping")), "{told}");
    assert!(told["payload"]["task_id"].is_string(), "{told}");
    server.child.wait().unwrap();
}
