//! Inngest's own API, as we call it.

use std::sync::Arc;
use std::time::Duration;

use protocol::Backend as Name;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::keys::{NotVerified, SigningKey};
use super::settings::refused;
use crate::port::Error;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What we call ourselves, in the form `language:version`.
pub(super) const SDK: &str = concat!("rust-flotilla:v", env!("CARGO_PKG_VERSION"));

/// The server, as dispatchers and workers ask it.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    url: Url,
    event_url: Url,
    keys: Arc<Keys>,
}

/// What opens doors.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) event: String,
    pub(super) signing: Option<SigningKey>,
    pub(super) fallback: Option<SigningKey>,
    /// Calls are not signed.
    pub(super) dev: bool,
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter().chain(&self.fallback)
    }

    /// Whether a call is from Inngest; `now` in seconds since 1970.
    pub(super) fn verify(&self, header: Option<&str>, body: &[u8], now: i64) -> Result<(), NotVerified> {
        if self.dev {
            return Ok(());
        }
        let mut verdict = Err(NotVerified::Missing);
        for key in self.all() {
            verdict = key.verify(header, body, now);
            if verdict.is_ok() {
                break;
            }
        }
        verdict
    }
}

impl Api {
    pub(super) fn new(url: Url, event_url: Url, keys: Keys) -> Result<Self, Error> {
        // Whoever comes second finds the same provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        if url.scheme() == "http" && event_url.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| refused(format!("there can be no HTTP client: {error}")))?;
        Ok(Self { http, url, event_url, keys: Arc::new(keys) })
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Sends an event. The seed makes the server's own id of it follow from ours.
    pub(super) async fn send_event(&self, event: &Value, seed: Option<&str>) -> Result<(), Error> {
        let mut call = self.http.post(at(&self.event_url, &["e", &self.keys.event])).json(event);
        if let Some(seed) = seed {
            call = call.header("x-inngest-event-id-seed", seed);
        }
        let response = call.send().await.map_err(|error| self.away(&error))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(refused("it does not take the key in --inngest-event-key (INNGEST_EVENT_KEY)".to_owned()))
            }
            _ => Err(unexpected("an event", response).await),
        }
    }

    /// Makes our functions known. Returns whether that changed anything.
    pub(super) async fn register(&self, app: &Value) -> Result<bool, Error> {
        let url = at(&self.url, &["fn", "register"]);
        let response = self.call("our functions", || self.http.post(url.clone()).json(app)).await?;
        let answer: Value = read(response).await?.unwrap_or_default();
        if answer["ok"] == false {
            return Err(refused(format!("it does not take our functions: {}", answer["error"])));
        }
        Ok(answer["modified"].as_bool().unwrap_or(false))
    }

    /// The events that a run was started by, when they are too large for a call.
    pub(super) async fn events_of(&self, run: &str) -> Result<Vec<Value>, Error> {
        Ok(self.get(&["v0", "runs", run, "batch"]).await?.unwrap_or_default())
    }

    /// What it remembers of a run's steps, when that is too large for a call.
    pub(super) async fn steps_of(&self, run: &str) -> Result<Map<String, Value>, Error> {
        Ok(self.get(&["v0", "runs", run, "actions"]).await?.unwrap_or_default())
    }

    /// The runs that an event started, as the API shows them; empty where it does not know the event.
    pub(super) async fn runs_of(&self, event: &str) -> Result<Vec<Value>, Error> {
        let answer: Value = self.get(&["v1", "events", event, "runs"]).await?.unwrap_or_default();
        Ok(answer["data"].as_array().cloned().unwrap_or_default())
    }

    /// Whether it answers and takes our keys.
    pub(super) async fn ping(&self) -> Result<(), Error> {
        let mut url = at(&self.url, &["v1", "events"]);
        url.set_query(Some("limit=1"));
        let response = self.call("a question", || self.http.get(url.clone())).await?;
        read::<Value>(response).await.map(drop)
    }

    /// Asks the worker to make its functions known, and returns their ids.
    pub(super) async fn sync(&self, serve_url: &Url) -> Result<Vec<String>, Error> {
        let asking = self.http.request(Method::PUT, serve_url.clone()).send().await;
        let response = asking.map_err(|error| {
            unavailable(format!("no worker answers at {serve_url} ({}); see --inngest-serve-url", chain(&error)))
        })?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            let functions = answer["functions"].as_array().into_iter().flatten();
            return Ok(functions.filter_map(|id| id.as_str().map(str::to_owned)).collect());
        }
        Err(unavailable(format!("the worker at {serve_url} answered {status}: {}", answer["message"])))
    }

    /// An answer, or nothing where there is no such thing.
    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Error> {
        let url = at(&self.url, path);
        let response = self.call("a question", || self.http.get(url.clone())).await?;
        read(response).await
    }

    /// Calls with the first key that is taken.
    async fn call(&self, what: &str, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let mut keys = self.keys.all().peekable();
        loop {
            let key = keys.next();
            let call = match key {
                Some(key) => request().bearer_auth(key.bearer()),
                None => request(),
            };
            let call = call.header("x-inngest-sdk", SDK).header("x-inngest-framework", "flotilla");
            let response = call.send().await.map_err(|error| self.away(&error))?;
            match response.status() {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    if keys.peek().is_none() {
                        return Err(refused(format!(
                            "it does not take {what} with the key in --inngest-signing-key (INNGEST_SIGNING_KEY)"
                        )));
                    }
                }
                _ => return Ok(response),
            }
        }
    }

    fn away(&self, error: &reqwest::Error) -> Error {
        unavailable(format!("{} does not answer ({}); see --inngest-url", self.url, chain(error)))
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<Option<T>, Error> {
    match response.status() {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => match response.json().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => Err(unavailable(format!("its answer cannot be read: {}", chain(&error)))),
        },
        _ => Err(unexpected("a question", response).await),
    }
}

async fn unexpected(what: &str, response: Response) -> Error {
    let status = response.status();
    let told: Value = response.json().await.unwrap_or_default();
    let reason = format!("to {what} it answered {status}: {}", told.get("error").unwrap_or(&told));
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return refused(reason);
    }
    unavailable(reason)
}

pub(super) fn unavailable(reason: String) -> Error {
    Error::Unavailable { backend: Name::Inngest, reason }
}

fn at(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// An error with its reasons. Errors of the client name the address that was asked, which holds the event key.
fn chain(error: &reqwest::Error) -> String {
    let mut reasons = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(reason) = source {
        reasons.push(reason.to_string());
        source = reason.source();
    }
    if reasons.is_empty() { "no answer".to_owned() } else { reasons.join(": ") }
}
