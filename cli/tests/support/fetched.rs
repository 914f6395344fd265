//! Documents that are fetched from an address.

use axum::Router;
use axum::routing::get;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::repository;
use crate::serving::Server;

#[tokio::test]
async fn a_document_at_an_address_is_answered_like_one_that_was_handed_in() {
    let invoice = std::fs::read(repository("examples/invoice.pdf")).unwrap();
    let app = Router::new().route("/files/{name}", get(async move || invoice));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/files/Invoice%207.pdf", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &["--outbound-allow", "127.0.0.1"]);
    let outputs = json!([{ "name": "number", "prompt": "What is the invoice number?", "type": "text" }]);
    let body = json!({ "document_url": url, "request": { "outputs": outputs } }).to_string().into_bytes();

    let (status, accepted) =
        server.call(Method::POST, "/api/v1/runs", body, &[("content-type", "application/json")]).await;

    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let result = server.result(&accepted).await;
    assert_eq!(result["output"]["number"], "NI-2026-00417", "{result}");
    assert_eq!(result["document"]["name"], "Invoice 7.pdf");
}
