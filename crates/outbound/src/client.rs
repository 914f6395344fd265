//! HTTP under a policy: checked addresses, checked redirects, bounded time, bounded answers, no proxies.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect;
use reqwest::{Method, StatusCode, Url};
use tokio::time::Instant;

use crate::addresses::is_public;
use crate::resolver::{NotFound, Resolver};
use crate::{Error, Policy, Refusal, Upload};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How many redirects are followed unless the request says otherwise.
const REDIRECTS: usize = 3;

/// How long an exchange may take unless the request says otherwise.
const WITHIN: Duration = Duration::from_secs(30);

/// Longest answer that is read unless the request says otherwise, in bytes.
const AT_MOST: usize = 1 << 20;

/// HTTP to addresses that tenants name. Cheap to clone; connections are kept and used again.
#[derive(Clone, Debug)]
pub struct Client {
    policy: Arc<Policy>,
    links: Arc<[OnceLock<reqwest::Client>; 4]>,
}

/// What is asked of whom, and how much patience there is.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Content,
    redirects: usize,
    within: Duration,
    at_most: usize,
}

/// What a request carries.
#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    File(Upload),
}

/// A header that HTTP cannot carry. Its value is not repeated: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {0:?} holds characters that no header can hold")]
pub struct InvalidHeader(String);

/// A whole answer, of whatever status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Vec<u8>,
    /// Who answered in the end.
    pub url: Url,
}

/// An answer whose body is still coming in.
#[derive(Debug)]
pub struct Incoming {
    response: reqwest::Response,
    left: usize,
    at_most: usize,
    within: Duration,
    host: String,
}

impl Request {
    /// Asks for what is at an address. Redirects are followed.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url.into(), Content::Bytes(Vec::new()))
    }

    /// Sends something to an address. Redirects are not followed: they come back as the answer.
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { redirects: 0, ..Self::new(Method::POST, url.into(), Content::Bytes(body.into())) }
    }

    /// Sends a file to an address, piece by piece: it is never held in memory. Redirects are not followed.
    #[must_use]
    pub fn upload(url: impl Into<String>, upload: Upload) -> Self {
        Self { redirects: 0, ..Self::new(Method::POST, url.into(), Content::File(upload)) }
    }

    fn new(method: Method, url: String, body: Content) -> Self {
        let (headers, redirects, within, at_most) = (HeaderMap::new(), REDIRECTS, WITHIN, AT_MOST);
        Self { method, url, headers, body, redirects, within, at_most }
    }

    /// Adds a header, or replaces it.
    ///
    /// # Errors
    /// [`InvalidHeader`]
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let invalid = || InvalidHeader(name.to_owned());
        let value = HeaderValue::from_str(value).map_err(|_| invalid())?;
        self.headers.insert(name.parse::<HeaderName>().map_err(|_| invalid())?, value);
        Ok(self)
    }

    /// Follows so many redirects, and no more.
    #[must_use]
    pub fn redirects(self, redirects: usize) -> Self {
        Self { redirects, ..self }
    }

    /// Gives up when the whole answer is not there by then.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Reads answers of at most so many bytes.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { at_most: bytes, ..self }
    }
}

impl Client {
    /// A client under that policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy: Arc::new(policy), links: Arc::default() }
    }

    /// What it may reach.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Error`]; an answer of whatever status is none.
    pub async fn send(&self, request: Request) -> Result<Answer, Error> {
        let mut incoming = self.open(request).await?;
        let (status, headers, url) = (incoming.status(), incoming.headers().clone(), incoming.url().clone());
        let mut body = Vec::new();
        while let Some(part) = incoming.chunk().await? {
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, headers, body, url })
    }

    /// Sends a request and leaves the body of the answer to the caller. Only what is asked for with GET follows redirects.
    ///
    /// # Errors
    /// [`Error`]; an answer of whatever status is none.
    pub async fn open(&self, request: Request) -> Result<Incoming, Error> {
        let Request { method, url, mut headers, body, redirects, within, at_most } = request;
        let mut url = self.policy.check(&url)?;
        let ends = Instant::now() + within;
        let mut followed = 0;
        loop {
            let host = host(&url);
            let left = ends.saturating_duration_since(Instant::now());
            let asking = self.link(&url)?.request(method.clone(), url.clone()).headers(headers.clone()).timeout(left);
            let asking = match &body {
                Content::Bytes(bytes) => asking.body(bytes.clone()),
                Content::File(upload) => upload.body_of(asking).await?,
            };
            // Names are resolved by threads that cannot be hurried; the limit holds for them too.
            let asked = tokio::time::timeout_at(ends, asking.send()).await;
            let response = match asked {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(self.failed(error, &url, within)),
                Err(_) => return Err(Error::TooSlow { host, limit: within }),
            };
            let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) && method == Method::GET;
            let Some(location) = response.headers().get(LOCATION).filter(|_| leads && redirects > 0) else {
                if response.content_length().is_some_and(|length| length > at_most as u64) {
                    return Err(Error::TooLarge { host, limit: at_most });
                }
                return Ok(Incoming { response, left: at_most, at_most, within, host });
            };
            if followed == redirects {
                return Err(Error::TooManyRedirects { host, limit: redirects });
            }
            followed += 1;
            let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
            let next = url.join(&location).map_err(|_| Error::Redirect { host, location })?;
            self.policy.check_url(&next)?;
            if next.origin() != url.origin() {
                // What was meant for one host is not told to another.
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
            }
            url = next;
        }
    }

    /// The connections to addresses of that kind.
    fn link(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        let (secure, usual) = (url.scheme() == "https", self.policy.is_usual(url));
        let place = &self.links[usize::from(secure) * 2 + usize::from(usual)];
        if let Some(link) = place.get() {
            return Ok(link);
        }
        let policy = Arc::clone(&self.policy);
        let resolver = if usual { Resolver::new(policy) } else { Resolver::of_allowed(policy) };
        // Whoever comes second finds the same provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(WITHIN)
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(resolver)
            // A proxy would resolve names by itself, and reach whatever it likes.
            .no_proxy();
        if !secure {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let built = builder.build().map_err(|error| Error::Configuration(chain(&error)))?;
        Ok(place.get_or_init(|| built))
    }

    fn failed(&self, error: reqwest::Error, url: &Url, within: Duration) -> Error {
        let host = host(url);
        if let Some(refusal) = cause::<Refusal>(&error) {
            return Error::Refused(match refusal {
                // It could be reached in another way.
                Refusal::Address { address, .. } if is_public(*address) => self.policy.unusual(url),
                refusal => refusal.clone(),
            });
        }
        if let Some(NotFound(reason)) = cause::<NotFound>(&error) {
            return Error::Unresolved { host, reason: reason.clone() };
        }
        broken(error, host, within)
    }
}

impl Answer {
    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Incoming {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Who answered in the end.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TooSlow`], or the connection broke.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let part = match self.response.chunk().await {
            Ok(part) => part,
            Err(error) => return Err(broken(error, self.host.clone(), self.within)),
        };
        let Some(part) = part else { return Ok(None) };
        match self.left.checked_sub(part.len()) {
            Some(left) => self.left = left,
            None => return Err(Error::TooLarge { host: self.host.clone(), limit: self.at_most }),
        }
        Ok(Some(part.to_vec()))
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn broken(error: reqwest::Error, host: String, limit: Duration) -> Error {
    if error.is_timeout() && !error.is_connect() {
        return Error::TooSlow { host, limit };
    }
    Error::Unreachable { host, reason: chain(&error.without_url()) }
}

/// The first error of that type among an error's causes.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and its causes in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
