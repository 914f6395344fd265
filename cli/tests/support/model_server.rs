//! A small server that speaks the chat completions protocol, for what only a slow or failing model shows.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

/// Decides what to answer to the nth call, from 0.
pub(crate) type Script = Arc<dyn Fn(usize, &str) -> Reply + Send + Sync>;

/// What the server does with a call.
pub(crate) enum Reply {
    /// The model says this value.
    Value(Value),
    /// An HTTP error.
    Status(u16),
    /// Never answers.
    Silence,
}

/// A running server.
pub(crate) struct ModelServer {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl ModelServer {
    /// Starts a server on a free port; the script sees each call's number and body.
    pub(crate) fn start(script: Script) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let keys = Arc::new(Mutex::new(Vec::new()));
        let (counter, shown) = (Arc::clone(&calls), Arc::clone(&keys));
        let answer = move |headers: HeaderMap, body: String| {
            let key = headers.get("authorization").map(|key| key.to_str().unwrap().to_owned());
            shown.lock().unwrap().push(key.unwrap_or_default());
            let (script, counter) = (Arc::clone(&script), Arc::clone(&counter));
            async move { respond(script(counter.fetch_add(1, Ordering::SeqCst), &body)).await }
        };
        let app = Router::new().route("/v1/chat/completions", post(answer));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        // A thread of its own, since some tests have a runtime and others have none.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        Self { address, calls, keys }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What each call showed as its authorization; empty for none.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// How many calls came in.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Value(value) => Json(json!({
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": { "role": "assistant", "content": json!({ "value": value, "quote": null }).to_string() },
            }],
            "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 },
        }))
        .into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Silence => std::future::pending().await,
    }
}
