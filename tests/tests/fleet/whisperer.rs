//! A service that reads documents the way LLMWhisperer does: a document is handed in, looked after, its text fetched once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};

/// Looks before a document is read.
const LOOKS: usize = 2;

/// Two lines that answer a question, and where they are on a page of 1,000 units.
const TEXT: &str =
    "0x01: Northwind Traders\n0x02:\n0x03: Invoice number: NI-2026-00417\n0x04: Total: 1,250.00 EUR\n<<<\n\u{c}";

/// A running service.
pub(crate) struct Whisperer {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Whisperer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&calls));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, calls }
    }

    /// What was called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

async fn answer(
    State(calls): State<Arc<Mutex<Vec<String>>>>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    _body: Bytes,
) -> (StatusCode, Json<Value>) {
    let name = uri.path().strip_prefix("/api/v2/").unwrap_or_default().to_owned();
    let mut calls = calls.lock().unwrap();
    calls.push(name.clone());
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    let hash = format!("hash-{}", count("whisper"));
    let is_known = name == "whisper" || query.get("whisper_hash") == Some(&hash);
    let line = |base: u32| json!({ "base_y": base, "height": 20, "page": 0, "page_height": 1000 });
    let (status, body) = match name.as_str() {
        _ if !is_known => (404, json!({ "message": "no such whisper_hash" })),
        "whisper" => (202, json!({ "status": "processing", "whisper_hash": hash })),
        "whisper-status" if count("whisper-status") <= LOOKS => (200, json!({ "status": "processing" })),
        "whisper-status" => (200, json!({ "status": "processed" })),
        "whisper-retrieve" if count("whisper-retrieve") > count("whisper") => (400, json!({ "message": "retrieved" })),
        "whisper-retrieve" => (200, json!({ "result_text": TEXT })),
        "highlights" => (200, json!({ "1": line(100), "3": line(500), "4": line(600) })),
        _ => (404, json!({ "message": "no such call" })),
    };
    (StatusCode::from_u16(status).unwrap(), Json(body))
}
