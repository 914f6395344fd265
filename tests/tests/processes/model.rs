//! A model server that answers when it is woken, so that a spec decides how long a task is under way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A model that sleeps.
pub(crate) struct Model {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    awake: watch::Sender<bool>,
}

impl Model {
    /// Starts a server whose answers wait for [`Model::wake`].
    pub(crate) async fn asleep() -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let awake = watch::Sender::new(false);
        let (counter, bell) = (Arc::clone(&calls), awake.subscribe());
        let answer = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut bell = bell.clone();
            async move {
                bell.wait_for(|awake| *awake).await.unwrap();
                Json(completion())
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/v1/chat/completions", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, calls, awake }
    }

    /// From now on answers come at once, those that were waited for too.
    pub(crate) fn wake(&self) {
        self.awake.send_replace(true);
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The flags that make a worker ask it.
    pub(crate) fn flags(&self) -> Vec<String> {
        let url = format!("http://{}/v1", self.address);
        ["--model-url", &url, "--model", "sleeper"].map(str::to_owned).to_vec()
    }
}

fn completion() -> Value {
    json!({
        "choices": [{
            "index": 0,
            "finish_reason": "stop",
            "message": { "role": "assistant", "content": r#"{"value": "Flotilla", "quote": null}"# },
        }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 },
    })
}
