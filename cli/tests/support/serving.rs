//! `flotilla serve`: submit, status, result and cancel over HTTP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{flotilla, repository};
use crate::model_server::{ModelServer, Reply};

/// A running server, stopped with this value.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) base: String,
    client: Client,
}

impl Server {
    pub(crate) fn start(state: &Path, more: &[&str]) -> Self {
        // Plain HTTP on this machine: no certificates, but the client wants a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut command = flotilla();
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(state).args(more).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        let base = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base, client: Client::builder().timeout(Duration::from_secs(60)).build().unwrap() }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, Vec::new(), &[]).await
    }

    pub(crate) async fn submit_example(&self) -> Value {
        let document = std::fs::read(repository("examples/contract.md")).unwrap();
        let (status, accepted) = self.call(Method::POST, "/api/v1/runs?name=contract.md", document, &[]).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
        accepted
    }

    /// Waits until the result is there.
    pub(crate) async fn result(&self, accepted: &Value) -> Value {
        let wait = async {
            loop {
                let (status, body) = self.get(accepted["result_url"].as_str().unwrap()).await;
                match status {
                    StatusCode::OK => return body,
                    StatusCode::ACCEPTED => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => panic!("{other}: {body}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the run does not end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A multipart body by hand, as any client would send it.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> (Vec<u8>, &'static str) {
    let mut body = Vec::new();
    for (disposition, content) in parts {
        body.extend_from_slice(format!("--edge\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    (body, "multipart/form-data; boundary=edge")
}

#[tokio::test]
async fn a_document_submitted_with_its_questions_can_be_watched_and_its_result_read_again_and_again() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let invoice = std::fs::read(repository("examples/invoice.pdf")).unwrap();
    let request = std::fs::read(repository("examples/invoice.request.json")).unwrap();
    let (body, kind) =
        form(&[("name=\"file\"; filename=\"../invoice.pdf\"", &invoice), ("name=\"request\"", &request)]);

    let (status, accepted) = server.call(Method::POST, "/api/v1/runs", body, &[("content-type", kind)]).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let result = server.result(&accepted).await;
    let (_, again) = server.get(accepted["result_url"].as_str().unwrap()).await;
    let (_, run) = server.get(accepted["status_url"].as_str().unwrap()).await;
    let (_, list) = server.get("/api/v1/runs?limit=1").await;

    assert_eq!(result["output"]["invoice_number"], "NI-2026-00417");
    assert_eq!(result["document"]["name"], "invoice.pdf");
    assert_eq!(again, result);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(list["runs"][0]["run_id"], accepted["run_id"]);
    let (_, metrics) = server.get("/metrics").await;
    let counted = r#"flotilla_tasks_ended_total{task="collate",queue="default",outcome="succeeded"} 1"#;
    assert!(metrics.as_str().unwrap().contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_run_under_way_answers_202_and_can_be_cancelled_once() {
    let state = tempfile::tempdir().unwrap();
    let model = ModelServer::start(Arc::new(|_, _| Reply::Silence));
    let url = model.url();
    let server = Server::start(state.path(), &["--model-url", &url, "--model", "test"]);
    let accepted = server.submit_example().await;
    let run = accepted["status_url"].as_str().unwrap();
    while model.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let (pending, _) = server.get(&format!("{run}/result")).await;
    let (cancelled, body) = server.call(Method::POST, &format!("{run}/cancel"), Vec::new(), &[]).await;
    let (done, result) = server.get(&format!("{run}/result")).await;

    assert_eq!(pending, StatusCode::ACCEPTED);
    assert_eq!(cancelled, StatusCode::OK);
    assert_eq!(body["status"], "cancelled");
    assert_eq!(done, StatusCode::OK);
    assert_eq!(result["status"], "cancelled");
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_run_and_another_body_is_a_conflict() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let submit = async |body: &[u8]| {
        server.call(Method::POST, "/api/v1/runs?name=a.txt", body.to_vec(), &[("idempotency-key", "k-1")]).await
    };

    let (_, first) = submit(b"Total: 5 EUR").await;
    let (status, second) = submit(b"Total: 5 EUR").await;
    let (conflict, problem) = submit(b"Total: 6 EUR").await;

    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(second["run_id"], first["run_id"]);
    assert_eq!(second["created"], false);
    assert_eq!(conflict, StatusCode::CONFLICT);
    assert_eq!(problem["code"], "idempotency_conflict");
    assert!(problem["detail"].as_str().unwrap().contains("\"k-1\""), "{problem}");
}

#[tokio::test]
async fn hostile_calls_get_a_clear_4xx() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &["--max-upload", "1"]);
    let (no_file, kind) = form(&[("name=\"request\"", b"{}")]);
    let (bad_request, _) = form(&[("name=\"file\"; filename=\"a\"", b"x"), ("name=\"request\"", br#"{"outputs": 7}"#)]);
    let (not_json, _) = form(&[("name=\"file\"; filename=\"a\"", b"x"), ("name=\"request\"", b"{")]);
    let (two_requests, _) =
        form(&[("name=\"file\"; filename=\"a\"", b"x"), ("name=\"request\"", b"{}"), ("name=\"request\"", b"{}")]);
    let cases = [
        ("no file", no_file, kind, 422, "file_missing"),
        ("bad request", bad_request, kind, 422, "request_invalid"),
        ("not JSON", not_json, kind, 400, "request_not_json"),
        ("two requests", two_requests, kind, 422, "one_request_only"),
        ("JSON that names no workflow", b"{}".to_vec(), "application/json", 422, "request_invalid"),
        ("broken form", b"--edge\r\nnonsense".to_vec(), kind, 400, "multipart_invalid"),
        ("too large", vec![b'x'; 2 * 1024 * 1024], "text/plain", 413, "too_large"),
    ];
    for (what, body, kind, expected, code) in cases {
        let (status, problem) = server.call(Method::POST, "/api/v1/runs", body, &[("content-type", kind)]).await;
        assert_eq!((status.as_u16(), &problem["code"]), (expected, &json!(code)), "{what}: {problem}");
    }
    for path in ["/api/v1/runs/nonsense", "/api/v1/runs/0190aaaa-0000-7000-8000-000000000000", "/nowhere"] {
        let (status, problem) = server.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {problem}");
        assert!(problem["detail"].is_string(), "{path}: {problem}");
    }
    for (path, code) in [
        ("/api/v1/runs?limit=abc", "query_invalid"),
        ("/api/v1/runs?before=abc", "query_invalid"),
        ("/api/v1/runs/%ff", "path_invalid"),
        ("/api/v1/runs/%ff/result", "path_invalid"),
    ] {
        let (status, problem) = server.get(path).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!(code)), "{path}: {problem}");
    }
    let (status, _) = server.get("/readyz").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_killed_server_finishes_its_runs_after_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let model = ModelServer::start(Arc::new(|_, _| Reply::Silence));
    let url = model.url();
    let server = Server::start(state.path(), &["--model-url", &url, "--model", "test"]);
    let accepted = server.submit_example().await;
    while model.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(server);

    let server = Server::start(state.path(), &[]);
    let result = server.result(&accepted).await;

    assert_eq!(result["status"], "succeeded", "{result}");
}

#[tokio::test]
async fn a_server_asked_to_stop_ends_well() {
    let state = tempfile::tempdir().unwrap();
    let mut server = Server::start(state.path(), &[]);

    let asked = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(asked.success());

    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn runs_are_told_to_a_collector_before_the_server_ends() {
    let told: Arc<Mutex<Vec<Value>>> = Arc::default();
    let keep = Arc::clone(&told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collect = move |body: String| async move { keep.lock().unwrap().push(serde_json::from_str(&body).unwrap()) };
    let app = Router::new().route("/v1/traces", axum::routing::post(collect));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let state = tempfile::tempdir().unwrap();
    let mut server = Server::start(state.path(), &["--otlp-endpoint", &endpoint]);
    let accepted = server.submit_example().await;
    server.result(&accepted).await;
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();

    assert!(ended.success(), "{ended}");
    let trace = accepted["run_id"].as_str().unwrap().replace('-', "");
    let told = told.lock().unwrap();
    let batches = told.iter().flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap());
    let names: Vec<&str> =
        batches.filter(|span| span["traceId"] == trace).map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("task ")).count(), 6, "{names:?}");
    assert!(names.contains(&"run prompt-studio-pipeline"), "{names:?}");
}
