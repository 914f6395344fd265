//! A tenant's server that is told about runs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

/// How long to wait for messages before the spec calls it stuck.
const PATIENCE: Duration = Duration::from_secs(40);

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: i64,
    /// `webhook-signature`
    pub signature: String,
    /// The body, unread.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

/// Answers 204 unless it was told otherwise.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    received: Vec<Received>,
    /// Statuses of the next answers, with seconds of `Retry-After`.
    answers: VecDeque<(u16, Option<u32>)>,
}

impl Receiver {
    /// Listens at `/hook` on a port of its own.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self { address: listener.local_addr()?, state: Arc::default() };
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(receiver)
    }

    /// Where messages go.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Gives these answers to the next messages, before it is content again: statuses, with seconds of `Retry-After`.
    #[must_use]
    pub fn answering(self, answers: &[(u16, Option<u32>)]) -> Self {
        self.lock().answers.extend(answers);
        self
    }

    /// What came until now.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// Waits until so many messages came.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        let started = Instant::now();
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain for {count} message(s): {received:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let received = Received {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap_or_default(),
        signature: text("webhook-signature"),
        body: body.to_vec(),
        at: Instant::now(),
    };
    let mut shared = receiver.lock();
    shared.received.push(received);
    let (status, after) = shared.answers.pop_front().unwrap_or((204, None));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match after {
        Some(seconds) => (status, [(header::RETRY_AFTER, seconds.to_string())]).into_response(),
        None => status.into_response(),
    }
}
