//! One call over HTTP, and what its failures mean.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::config::{Config, Secret, endpoint};
use super::patience::patiently;
use crate::Error;

/// Longest answer that is read, in bytes.
const LONGEST_BODY: usize = 8 << 20;
/// Longest message of a provider that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;
/// A message that has this many characters in common with the document repeats it.
const REPEATED: usize = 24;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait that a provider is believed to ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection to one server.
pub(super) struct Client {
    link: Link,
    endpoint: Url,
    api_key: Option<Secret>,
    timeout: Duration,
}

/// How the server is reached.
enum Link {
    /// As the operator said, wherever that is.
    Free(reqwest::Client),
    /// As far as a policy allows.
    Guarded(outbound::Client),
}

/// What came back: status, headers, body.
type Answer = (StatusCode, HeaderMap, Vec<u8>);

/// A failed call.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    /// What the server said about a request that it does not accept, to find out what to leave out. It may repeat the
    /// document and goes no further.
    pub(super) complaint: Option<String>,
    /// Whether trying again within seconds may help.
    pub(super) passing: bool,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, complaint: None, passing: false }
    }
}

impl Client {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let endpoint = endpoint(&config.base_url)?;
        // The second adapter finds the first one's provider installed, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect could take key and document elsewhere.
        let mut builder = reqwest::Client::builder()
            .timeout(config.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none());
        if endpoint.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| Error::Configuration(chain(&error)))?;
        Ok(Self::over(Link::Free(http), endpoint, config))
    }

    pub(super) fn guarded(config: &Config, way_out: outbound::Client) -> Result<Self, Error> {
        let client = Self::over(Link::Guarded(way_out.clone()), endpoint(&config.base_url)?, config);
        // Where a name leads is known when it is reached; whoever named an address is told at once.
        let refused = way_out.policy().check(client.endpoint.as_str()).err();
        let refused = refused.map(|refusal| Error::AddressRefused { url: client.shown(), reason: refusal.to_string() });
        refused.map_or(Ok(client), Err)
    }

    fn over(link: Link, endpoint: Url, config: &Config) -> Self {
        Self { link, endpoint, api_key: config.api_key.clone(), timeout: config.timeout }
    }

    /// Sends a request and returns the body of a successful answer. `document` is what errors must not repeat.
    pub(super) async fn post(&self, request: &Value, document: &str) -> Result<Vec<u8>, Refused> {
        patiently(|| self.try_post(request, document)).await
    }

    async fn try_post(&self, request: &Value, document: &str) -> Result<Vec<u8>, Refused> {
        let (status, headers, body) = match &self.link {
            Link::Free(http) => self.ask(http, request).await?,
            Link::Guarded(way_out) => self.ask_guarded(way_out, request).await?,
        };
        if status.is_success() { Ok(body) } else { Err(self.refused(status, &headers, &body, document)) }
    }

    async fn ask(&self, http: &reqwest::Client, request: &Value) -> Result<Answer, Refused> {
        let mut call = http.post(self.endpoint.clone()).json(request);
        if let Some(key) = &self.api_key {
            call = call.bearer_auth(key.expose());
        }
        let response = call.send().await.map_err(|error| self.unreachable(error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        Ok((status, headers, body))
    }

    async fn ask_guarded(&self, way_out: &outbound::Client, request: &Value) -> Result<Answer, Refused> {
        let unsendable = |error: outbound::InvalidHeader| Error::Configuration(error.to_string());
        let mut call = outbound::Request::post(self.endpoint.as_str(), request.to_string())
            .within(self.timeout)
            .at_most(LONGEST_BODY)
            .header("content-type", "application/json")
            .map_err(unsendable)?;
        if let Some(key) = &self.api_key {
            call = call.header("authorization", &format!("Bearer {}", key.expose())).map_err(unsendable)?;
        }
        let answer = way_out.send(call).await.map_err(|error| self.kept_out(error))?;
        Ok((answer.status, answer.headers, answer.body))
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Refused> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + part.len() > LONGEST_BODY {
                return Err(Error::Unreadable(format!("it is longer than {LONGEST_BODY} bytes")).into());
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> Refused {
        let passing = error.is_connect() && !error.is_timeout();
        let reason = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else {
            chain(&error.without_url())
        };
        Refused { error: Error::Unreachable { url: self.shown(), reason }, complaint: None, passing }
    }

    /// What a failure on the guarded way means.
    fn kept_out(&self, error: outbound::Error) -> Refused {
        use outbound::Error as Failed;
        let (url, passing) = (self.shown(), matches!(error, Failed::Unreachable { .. }));
        let error = match error {
            Failed::Refused(refusal) => Error::AddressRefused { url, reason: refusal.to_string() },
            Failed::TooLarge { limit, .. } => Error::Unreadable(format!("it is longer than {limit} bytes")),
            Failed::Configuration(reason) => Error::Configuration(reason),
            other => Error::Unreachable { url, reason: other.to_string() },
        };
        Refused { error, complaint: None, passing }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], document: &str) -> Refused {
        let said = message(body);
        let lower = said.to_lowercase();
        let too_long = lower.contains("context")
            && ["length", "size", "exceed", "token", "window"].iter().any(|word| lower.contains(word));
        let message = self.redacted(&said, document);
        let error = match status.as_u16() {
            400 | 413 | 422 if too_long => Error::ContextExceeded(message),
            status => Error::Status { status, message, retry_after: retry_after(headers) },
        };
        let negotiable = matches!(status.as_u16(), 400 | 404 | 415 | 422 | 501) && !too_long;
        Refused { error, complaint: negotiable.then_some(said), passing: matches!(status.as_u16(), 502 | 504) }
    }

    /// The address without its query, which may hold a key.
    fn shown(&self) -> String {
        let mut url = self.endpoint.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.to_string()
    }

    /// A provider's message, shortened, without the key and without words of the document.
    fn redacted(&self, said: &str, document: &str) -> String {
        let mut message: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(key) = self.api_key.as_ref().map(Secret::expose).filter(|key| !key.is_empty()) {
            message = message.replace(key, "***");
        }
        if let Some((cut, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
            message.truncate(cut);
            message.push('…');
        }
        if repeats(&message, document) { "(left out: it repeats the document)".to_owned() } else { message }
    }
}

/// Whether a message holds a stretch of the document. Spacing is not compared.
fn repeats(message: &str, document: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let (message, document) = (plain(message), plain(document));
    let starts: Vec<usize> = message.char_indices().map(|(at, _)| at).chain([message.len()]).collect();
    starts.windows(REPEATED + 1).any(|window| document.contains(&message[window[0]..window[REPEATED]]))
}

/// What an error body says: the `error.message` of the protocol, other common places, or all of it.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(json) = serde_json::from_str::<Value>(&text) else { return text.trim().to_owned() };
    let found =
        ["/error/message", "/message", "/detail", "/error"].iter().find_map(|place| json.pointer(place)?.as_str());
    let kind = ["/error/type", "/error/code", "/type"].iter().find_map(|place| json.pointer(place)?.as_str());
    match (found, kind) {
        (Some(message), Some(kind)) => format!("{message} ({kind})"),
        (Some(message), None) => message.to_owned(),
        (None, _) => json.to_string(),
    }
}

/// How long to wait, from seconds or an HTTP date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_second();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
            Duration::from_secs(u64::try_from(at).ok()?.saturating_sub(now))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
