//! Documents at addresses: fetched under the policy, and taken in like uploads.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode as Status, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::server::{Answer, MAX_UPLOAD, Server};

/// Somebody else's server with documents; counts who comes.
struct Files {
    url: String,
    calls: Arc<AtomicUsize>,
}

impl Files {
    async fn start() -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let (counter, changes, outages) = (Arc::clone(&calls), AtomicUsize::new(0), AtomicUsize::new(0));
        let (changes, outages) = (Arc::new(changes), Arc::new(outages));
        let app = Router::new()
            .route("/a/Invoice%207.pdf", get(async || "%PDF-1.7 seven"))
            .route("/changing.pdf", {
                get(async move || format!("%PDF-1.7 {}", changes.fetch_add(1, Ordering::SeqCst) / 2))
            })
            .route("/archive.pdf", get(async || [b'P', b'K', 3, 4].into_iter().chain([0; 60]).collect::<Vec<u8>>()))
            .route("/large.pdf", get(async || vec![b'x'; MAX_UPLOAD + 1]))
            .route("/endless.pdf", {
                // No length is announced.
                let part = || Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024]);
                let parts = move || futures::stream::iter(std::iter::repeat_with(part).take(1 + MAX_UPLOAD / 65_536));
                get(async move || axum::body::Body::from_stream(parts()))
            })
            .route("/private.pdf", get(async || Status::FORBIDDEN))
            .route("/away.pdf", {
                get(async move || match outages.fetch_add(1, Ordering::SeqCst) {
                    0 => Status::SERVICE_UNAVAILABLE.into_response(),
                    _ => "%PDF-1.7 back".into_response(),
                })
            })
            .route("/moved.pdf", get(async || Redirect::temporary("/a/Invoice%207.pdf")))
            .route("/inside.pdf", get(async || Redirect::temporary("http://169.254.169.254/latest/secret")))
            .route("/nowhere.pdf", get(async || (Status::FOUND, [(header::LOCATION, "http://[?token=t-1")])))
            .layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
                counter.fetch_add(1, Ordering::SeqCst);
                next.run(request)
            }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, calls }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn submit(server: &Server, body: &Value) -> Answer {
    server.json(Method::POST, "/api/v1/runs", "", body).await
}

/// Codes of what is asked for at that address.
async fn refused(server: &Server, url: &str) -> (u16, String, String) {
    let answer = submit(server, &json!({ "document_url": url })).await;
    (answer.status.as_u16(), answer.code(), answer.body()["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_document_at_an_allowed_address_becomes_a_run_and_its_bytes_are_kept() {
    let (files, server) = (Files::start().await, Server::reaching("127.0.0.1").await);
    for path in ["/a/Invoice%207.pdf?signature=s-1", "/moved.pdf"] {
        let body = json!({ "document_url": files.at(path), "request": { "outputs": [] }, "priority": 3 });
        let answer = submit(&server, &body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert!(answer.headers["location"].to_str().unwrap().starts_with("/api/v1/runs/"));
    }
    assert!(server.holds("documents/default", b"%PDF-1.7 seven"));
    let listed = server.get("/api/v1/runs", "").await.body();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["runs"][0]["workflow"], "prompt-studio-pipeline");
}

#[tokio::test]
async fn the_same_key_with_the_same_bytes_is_the_same_run_and_with_others_a_conflict() {
    let (files, server) = (Files::start().await, Server::reaching("127.0.0.1").await);
    let body = json!({ "document_url": files.at("/changing.pdf"), "idempotency_key": "k" });
    let (first, second, third) =
        (submit(&server, &body).await, submit(&server, &body).await, submit(&server, &body).await);
    assert_eq!(first.body()["run_id"], second.body()["run_id"]);
    assert_eq!((&first.body()["created"], &second.body()["created"]), (&json!(true), &json!(false)));
    assert_eq!((third.status, third.code().as_str()), (StatusCode::CONFLICT, "idempotency_conflict"));
}

#[tokio::test]
async fn what_may_not_be_reached_is_not_reached_and_the_answer_says_why() {
    let (files, server) = (Files::start().await, Server::open().await);
    for (url, says) in [
        (files.at("/a/Invoice%207.pdf").as_str(), "--outbound-allow 127.0.0.1"),
        ("https://169.254.169.254/latest/meta-data", "no public address"),
        ("https://[::ffff:10.0.0.1]/", "no public address"),
        ("https://2130706433/", "127.0.0.1"),
        ("http://files.example.com/a.pdf", "plain http"),
        ("https://files.example.com:22/a.pdf", "port 22"),
        ("https://me:secret@files.example.com/a.pdf", "credentials"),
        ("file:///etc/passwd", "file:"),
        ("a.pdf", "no URL"),
        ("", "no URL"),
    ] {
        let (status, code, detail) = refused(&server, url).await;
        assert_eq!((status, code.as_str()), (422, "document_url_refused"), "{url}: {detail}");
        assert!(detail.contains(says) && !detail.contains("secret"), "{url}: {detail}");
    }
    assert_eq!(files.calls(), 0);
    let listed = server.get("/api/v1/runs", "").await.body();
    assert_eq!(listed["runs"], json!([]));
}

#[tokio::test]
async fn each_way_in_which_a_document_cannot_be_fetched_has_a_code() {
    let (files, server) = (Files::start().await, Server::reaching("127.0.0.1").await);
    for (path, status, code) in [
        ("/none.pdf", 422, "document_url_missing"),
        ("/private.pdf", 422, "document_url_missing"),
        ("/large.pdf", 413, "too_large"),
        ("/endless.pdf", 413, "too_large"),
        ("/archive.pdf", 415, "document_unsupported"),
        ("/away.pdf", 424, "document_url_unavailable"),
        ("/inside.pdf", 422, "document_url_refused"),
        ("/nowhere.pdf", 424, "document_url_unavailable"),
    ] {
        let (found, told, detail) = refused(&server, &files.at(path)).await;
        assert_eq!((found, told.as_str()), (status, code), "{path}: {detail}");
        assert!(!detail.contains("t-1"), "{path}: {detail}");
    }
    let (status, code, _) = refused(&server, "http://127.0.0.1:1/a.pdf").await;
    assert_eq!((status, code.as_str()), (424, "document_url_unavailable"));
    let listed = server.get("/api/v1/runs", "").await.body();
    assert_eq!(listed["runs"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_wrong_is_told_before_anything_is_fetched() {
    let (files, server) = (Files::start().await, Server::reaching("127.0.0.1").await);
    let url = files.at("/a/Invoice%207.pdf");
    for (body, path) in [
        (json!({ "document_url": 7 }), "$.document_url"),
        (json!({ "document_url": url, "document": "doc_1" }), "$.document"),
        (json!({ "document_url": url, "request": { "outputs": 7 } }), "$.request.outputs"),
        (json!({ "document_url": url, "priority": "high" }), "$.priority"),
        (json!({ "runs": [{ "document_url": url }] }), "$.runs[0].document_url"),
    ] {
        let answer = submit(&server, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "request_invalid"), "{}", answer.text);
        assert_eq!(answer.body()["errors"][0]["path"], path, "{}", answer.text);
    }
    assert_eq!(files.calls(), 0);
}

#[tokio::test]
async fn an_event_that_names_an_address_starts_a_run_on_what_is_there() {
    let (files, server) = (Files::start().await, Server::reaching("127.0.0.1").await);
    let wanted = json!({ "types": ["order.*"], "document": "data.url" });
    let kept = server.json(Method::PUT, "/api/v1/subscriptions/orders", "", &wanted).await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text);
    let event =
        |id: &str, url: String| json!({ "id": id, "source": "s", "type": "order.paid", "data": { "url": url } });
    let send = async |event: Value| server.json(Method::POST, "/api/v1/events", "", &event).await;

    let started = send(event("1", files.at("/a/Invoice%207.pdf"))).await;
    assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text);
    assert_eq!(started.body()["events"][0]["runs"][0]["created"], true, "{}", started.text);
    let came = files.calls();
    send(event("1", files.at("/a/Invoice%207.pdf"))).await;
    assert_eq!(files.calls(), came, "what an event has started is not fetched again");

    for (path, code) in [
        ("/none.pdf", "document_url_missing"),
        ("/inside.pdf", "document_url_refused"),
        ("/large.pdf", "document_too_large"),
        ("/archive.pdf", "document_unsupported"),
    ] {
        let refused = send(event(path, files.at(path))).await;
        assert_eq!(refused.body()["events"][0]["runs"][0]["refusal"]["code"], code, "{}", refused.text);
    }
    let away = event("9", files.at("/away.pdf"));
    assert_eq!(send(away.clone()).await.code(), "events_incomplete");
    let again = send(away).await;
    assert_eq!(again.body()["events"][0]["runs"][0]["created"], true, "{}", again.text);
}
