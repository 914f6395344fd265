//! The way of spans to the collector: gathered for a second, sent together, dropped when nobody takes them.

use std::error::Error as _;
use std::time::Duration;

use metrics::counter;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{DROPPED, Span, encoding};

/// How many spans are sent together.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before a batch is sent again that the collector may take later. New spans queue up meanwhile.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// How much of an answer is read.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Sends batches until it is told to stop, and then what is left.
pub(super) struct Delivery {
    client: Client,
    url: Url,
    resource: Value,
    waiting: mpsc::Receiver<Span>,
    stop: CancellationToken,
    /// Whether the last batch was dropped: that it goes wrong is said once, not with every batch.
    away: bool,
}

/// Why a batch was not taken.
struct Failure {
    reason: String,
    /// Whether the collector may take it later.
    passing: bool,
}

impl Delivery {
    pub(super) fn new(
        url: Url,
        resource: Value,
        waiting: mpsc::Receiver<Span>,
        stop: CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        // Whoever else speaks HTTP in this process installs the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().timeout(PATIENCE).redirect(Policy::none());
        if url.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build()?, url, resource, waiting, stop, away: false })
    }

    pub(super) async fn run(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                return;
            }
            self.deliver(&batch).await;
        }
    }

    /// The next spans; none when there will be no more.
    async fn gather(&mut self) -> Vec<Span> {
        let mut batch = Vec::new();
        let Self { waiting, stop, .. } = self;
        tokio::select! {
            () = stop.cancelled() => waiting.close(),
            _ = waiting.recv_many(&mut batch, BATCH) => {}
        }
        let mut linger = std::pin::pin!(sleep(LINGER));
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                biased;
                // Of a closed queue this is what is left, and then nothing.
                count = waiting.recv_many(&mut batch, room) => if count == 0 { break },
                () = stop.cancelled() => break,
                () = &mut linger => break,
            }
        }
        batch
    }

    async fn deliver(&mut self, batch: &[Span]) {
        let body = encoding::request(&self.resource, batch).to_string();
        let mut pauses = PAUSES.into_iter();
        loop {
            let Failure { reason, passing } = match self.post(body.clone()).await {
                Ok(refused) => return self.taken(refused),
                Err(failure) => failure,
            };
            let pause = pauses.next().filter(|_| passing && !self.stop.is_cancelled());
            let Some(pause) = pause else { return self.dropped(batch.len(), &reason) };
            self.stop.run_until_cancelled(sleep(pause)).await;
        }
    }

    /// Sends a batch; returns how many of its spans the collector refused.
    async fn post(&self, body: String) -> Result<u64, Failure> {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(Failure::unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(encoding::refused(&answer(response).await.map_err(Failure::unreachable)?));
        }
        Err(Failure { reason: format!("it answered {status}"), passing: matches!(status.as_u16(), 429 | 502..=504) })
    }

    fn taken(&mut self, refused: u64) {
        if refused > 0 {
            tracing::warn!(spans = refused, "the collector refused spans");
            counter!(DROPPED).increment(refused);
        }
        if std::mem::take(&mut self.away) {
            tracing::info!("the collector takes spans again");
        }
    }

    fn dropped(&mut self, spans: usize, reason: &str) {
        counter!(DROPPED).increment(spans as u64);
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(reason, "the collector takes no spans; they are dropped until it does");
        }
    }
}

impl Failure {
    fn unreachable(error: reqwest::Error) -> Self {
        // The address may hold a password.
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        Self { reason, passing: true }
    }
}

/// The beginning of an answer, which is all of it unless something else than a collector answers.
async fn answer(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut answer = Vec::new();
    while let Some(part) = response.chunk().await? {
        answer.extend_from_slice(&part);
        if answer.len() > LONGEST_ANSWER {
            break;
        }
    }
    Ok(answer)
}
