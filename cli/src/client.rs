//! The HTTP API of a running fleet, as the command line calls it.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take; longer than the longest wait that the API grants.
const PATIENCE: Duration = Duration::from_secs(120);

/// Most of an answer that is shown when it is not one of Flotilla's, in characters.
const EXCERPT: usize = 200;

/// Which fleet.
#[derive(Clone, Debug, Args)]
pub(crate) struct Remote {
    /// The dispatcher, or a `flotilla serve`.
    #[arg(long, value_name = "URL", env = "FLOTILLA_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The key to show, where one is required. Better given by environment: arguments are visible to everybody on the machine.
    #[arg(long, value_name = "KEY", env = "FLOTILLA_KEY", hide_env_values = true)]
    pub(crate) key: Option<Key>,
}

/// A key that is not shown by accident.
#[derive(Clone)]
pub(crate) struct Key(HeaderValue);

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let value = HeaderValue::from_str(&format!("Bearer {}", key.trim()));
        let mut value = value.map_err(|_| "a key has printable characters alone")?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Calls one fleet.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: Option<Key>,
}

/// A call that did not work out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The URL makes no sense.
    #[error("{url:?} is no address of a fleet ({why}); give one like http://127.0.0.1:8080 with --url or FLOTILLA_URL")]
    BadUrl { url: String, why: String },
    /// Nobody is there, or the connection broke off.
    #[error(
        "there is no fleet at {url}; start one there (`flotilla serve`, or a dispatcher), or name another with --url or \
         FLOTILLA_URL"
    )]
    Unreachable { url: String, source: reqwest::Error },
    /// The connection broke off half-way, or the answer took too long.
    #[error(
        "the fleet at {url} did not answer to the end; try again, and look at the dispatcher's log if it happens again"
    )]
    BrokenOff { url: String, source: reqwest::Error },
    /// The fleet refused, and says why.
    #[error("{0}")]
    Refused(Problem),
    /// Somebody is there who is not Flotilla, or of a version that speaks differently.
    #[error(
        "{url} answered {status} with something else than this version of flotilla expects ({excerpt}); is --url right?"
    )]
    Strange { url: String, status: StatusCode, excerpt: String },
    /// What should be sent cannot be written.
    #[error("the call cannot be written as JSON")]
    Unwritable(#[from] serde_json::Error),
}

/// An error as the API tells it (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Problem {
    /// HTTP status code.
    #[serde(default)]
    pub(crate) status: u16,
    /// Stable, for programs.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) detail: String,
    /// Fields at fault.
    #[serde(default)]
    pub(crate) errors: Vec<Fault>,
}

/// A field at fault.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Fault {
    path: String,
    message: String,
    #[serde(default)]
    fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)?;
        for Fault { path, message, fix } in &self.errors {
            write!(f, "\n  {path}: {message}")?;
            if !fix.is_empty() {
                write!(f, "; {fix}")?;
            }
        }
        Ok(())
    }
}

impl Error {
    /// Whether the call itself was wrong, rather than something on the way or on the other side.
    pub(crate) fn is_bad_call(&self) -> bool {
        match self {
            Self::BadUrl { .. } | Self::Unwritable(_) => true,
            Self::Refused(problem) => (400..500).contains(&problem.status),
            Self::Unreachable { .. } | Self::BrokenOff { .. } | Self::Strange { .. } => false,
        }
    }
}

impl Client {
    /// A client of that fleet. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::BadUrl`].
    pub(crate) fn new(remote: &Remote) -> Result<Self, Error> {
        let bad = |why: String| Error::BadUrl { url: remote.url.clone(), why };
        let url = Url::parse(&remote.url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("it is neither http:// nor https://".to_owned()));
        }
        // The model adapter may have installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        if url.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| bad(error.to_string()))?;
        Ok(Self { http, url: remote.url.trim_end_matches('/').to_owned(), key: remote.key.clone() })
    }

    /// `GET path`: what is there. Paths begin with a slash and come after the URL.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let (status, bytes) = self.answer(self.request(Method::GET, path)).await?;
        self.parse(status, &bytes)
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn post<B: Serialize + ?Sized + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        self.send(Method::POST, path, body).await
    }

    /// Any other method with a JSON body.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn send<B: Serialize + ?Sized + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body)?;
        let request = self.request(method, path).header("content-type", "application/json").body(body);
        let (status, bytes) = self.answer(request).await?;
        self.parse(status, &bytes)
    }

    /// The beginning of a call that [`Self::answer`] makes.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url)).timeout(PATIENCE);
        match &self.key {
            Some(Key(value)) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    /// Makes a call: status and body of a successful answer.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Error> {
        let lost = |source: reqwest::Error| {
            let (url, source) = (self.url.clone(), source.without_url());
            if source.is_connect() { Error::Unreachable { url, source } } else { Error::BrokenOff { url, source } }
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(lost)?.to_vec();
        if status.is_success() {
            return Ok((status, bytes));
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Error::Refused(Problem { status: status.as_u16(), ..problem })),
            Err(_) => Err(self.strange(status, &bytes)),
        }
    }

    /// Reads the body of an answer.
    ///
    /// # Errors
    /// [`Error::Strange`].
    pub(crate) fn parse<T: DeserializeOwned>(&self, status: StatusCode, bytes: &[u8]) -> Result<T, Error> {
        // A call without an answer, such as a deletion, is null.
        let text = if bytes.is_empty() { b"null" } else { bytes };
        serde_json::from_slice(text).map_err(|_| self.strange(status, bytes))
    }

    fn strange(&self, status: StatusCode, bytes: &[u8]) -> Error {
        let text = String::from_utf8_lossy(bytes);
        let mut excerpt = String::new();
        for word in text.split_whitespace() {
            if excerpt.chars().count() + word.chars().count() >= EXCERPT {
                excerpt.push('…');
                break;
            }
            let _ = write!(excerpt, "{}{word}", if excerpt.is_empty() { "" } else { " " });
        }
        if excerpt.is_empty() {
            "nothing at all".clone_into(&mut excerpt);
        }
        Error::Strange { url: self.url.clone(), status, excerpt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, Error> {
        Client::new(&Remote { url: url.to_owned(), key: None })
    }

    #[test]
    fn an_address_that_is_none_is_a_bad_call_and_says_what_one_looks_like() {
        for url in ["", "localhost:8080", "ftp://fleet", "http://"] {
            let error = client(url).unwrap_err();
            assert!(error.is_bad_call(), "{url}");
            assert!(error.to_string().contains("http://127.0.0.1:8080"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_where_nobody_is_names_what_to_start() {
        // Bound and closed again: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let error = client(&url).unwrap().get::<serde_json::Value>("/api/v1/runs").await.unwrap_err();
        assert!(!error.is_bad_call());
        let text = error.to_string();
        assert!(text.contains(&url) && text.contains("flotilla serve") && text.contains("dispatcher"), "{text}");
    }

    #[test]
    fn a_problem_shows_its_sentence_its_code_and_every_field_at_fault() {
        let problem: Problem = serde_json::from_str(
            r#"{"title": "Unprocessable", "status": 422, "code": "request_invalid", "detail": "the request has 1 problem(s)",
                "errors": [{"path": "outputs[0].type", "message": "unknown type", "fix": "use text"}]}"#,
        )
        .unwrap();
        assert_eq!(
            problem.to_string(),
            "the request has 1 problem(s) (request_invalid)\n  outputs[0].type: unknown type; use text"
        );
    }

    #[test]
    fn what_is_no_answer_of_flotilla_is_shown_in_short() {
        let client = client("http://127.0.0.1:1/").unwrap();
        let page = format!("<html>\n{}</html>", "word ".repeat(500));
        let error = client.parse::<Vec<u8>>(StatusCode::OK, page.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("http://127.0.0.1:1 answered 200 OK") && error.len() < 500, "{error}");
    }
}
