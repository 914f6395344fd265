//! A model server that answers when it is woken, so that a spec decides how long a task is under way, and that remembers
//! the keys it was shown.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A model that sleeps.
pub(crate) struct Model {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    keys: Arc<Mutex<Vec<String>>>,
    awake: watch::Sender<bool>,
}

impl Model {
    /// Starts a server whose answers wait for [`Model::wake`].
    pub(crate) async fn asleep() -> Self {
        Self::saying("Flotilla", false).await
    }

    /// Starts a server that gives this answer at once.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::saying(answer, true).await
    }

    async fn saying(value: &'static str, awake: bool) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let keys = Arc::new(Mutex::new(Vec::new()));
        let awake = watch::Sender::new(awake);
        let (counter, shown, bell) = (Arc::clone(&calls), Arc::clone(&keys), awake.subscribe());
        let answer = move |headers: HeaderMap| {
            counter.fetch_add(1, Ordering::SeqCst);
            let key = headers.get("authorization").map(|key| key.to_str().unwrap().to_owned());
            shown.lock().unwrap().push(key.unwrap_or_default());
            let mut bell = bell.clone();
            async move {
                bell.wait_for(|awake| *awake).await.unwrap();
                Json(completion(value))
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/v1/chat/completions", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, calls, keys, awake }
    }

    /// From now on answers come at once, those that were waited for too.
    pub(crate) fn wake(&self) {
        self.awake.send_replace(true);
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What each call showed as its authorization; empty for none.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The flags that make a worker ask it.
    pub(crate) fn flags(&self) -> Vec<String> {
        ["--model-url", &self.url(), "--model", "sleeper"].map(str::to_owned).to_vec()
    }
}

fn completion(value: &str) -> Value {
    json!({
        "choices": [{
            "index": 0,
            "finish_reason": "stop",
            "message": { "role": "assistant", "content": json!({ "value": value, "quote": null }).to_string() },
        }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 },
    })
}
