//! What every call goes through, whatever it asks for: an id, limits, a log line, counts, and an answer in one form.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use clap::Args;
use futures::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::codes::Code;
use super::partial::Explained;
use super::{Problem, compat};

mod access;
mod cors;
mod identity;
mod limits;
mod pace;
mod tls;

pub use cors::Origin;
pub(super) use identity::RequestId;
pub(super) use pace::Stalled;
pub use tls::TlsError;

/// How long an answer may take to begin: longer than the longest wait that a call may ask for. What comes in as a form or
/// a document has no such limit, only a least speed.
const LONGEST: Duration = Duration::from_secs(90);

/// When to try again what is not possible now, in seconds, unless the answer knows better.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

/// Where documents come in, which may take long.
const UPLOADS: [&str; 2] = ["/api/v1/runs", "/api/v1/documents"];

/// How clients reach the API.
#[derive(Clone, Debug, Default, Args)]
pub struct Front {
    /// Origin of a web page that may call the API from a browser, such as `https://app.example.com`; may be given several
    /// times. `*`: any [default: none].
    #[arg(long = "cors-origin", value_name = "ORIGIN", env = "FLOTILLA_CORS_ORIGIN", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,
    /// Serve HTTPS with this certificate and the chain behind it: a PEM file.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate: a PEM file.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

impl Front {
    /// What serves HTTPS, where that is asked for.
    ///
    /// # Errors
    /// [`TlsError`] when the files cannot be used.
    pub fn tls(&self) -> Result<Option<tokio_rustls::TlsAcceptor>, TlsError> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref()).map(|(cert, key)| tls::acceptor(cert, key)).transpose()
    }
}

/// The layer around all routes.
pub(super) async fn attend(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let origin = cors::allowed(&front.cors_origins, request.headers());
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("call", request.id = %id);
    let mut response = match cors::preflight(&request, origin.as_ref()) {
        Some(answer) => answer,
        None => answer(request, next, route.as_ref()).instrument(span.clone()).await,
    };
    response = complete(response, &path, &id);
    if route.as_ref().is_some_and(|route| compat::is_old(route.as_str())) {
        response = compat::in_old_words(response).await;
    }
    cors::expose(response.headers_mut(), &front.cors_origins, origin);
    let call = access::Call { id, method, route, started };
    access::noted(call, response, &span)
}

/// The answer of the route, or why the call does not get there.
async fn answer(request: Request, next: Next, route: Option<&MatchedPath>) -> Response {
    if let Err(problem) = limits::check(&request) {
        return (limits::CLOSE, problem).into_response();
    }
    let (request, rest) = pace::kept(request);
    let response = run(request, next, route).await;
    if response.headers().contains_key(header::CONNECTION) || rest.drained().await {
        return response;
    }
    (limits::CLOSE, response).into_response()
}

/// What the route makes of the call, in whatever way it ends.
async fn run(request: Request, next: Next, route: Option<&MatchedPath>) -> Response {
    let may_take_long = request.method() == Method::POST && route.is_some_and(|route| may_take_long(route.as_str()));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = if may_take_long {
        answer.await
    } else {
        match tokio::time::timeout(LONGEST, answer).await {
            Ok(answered) => answered,
            Err(_) => {
                let detail = format!("there was no answer in {} seconds; try again later", LONGEST.as_secs());
                return Problem::new(Code::TookTooLong, detail).into_response();
            }
        }
    };
    answered.unwrap_or_else(|_| {
        tracing::error!("a request could not be served: its handler panicked");
        Problem::new(Code::Internal, "the server could not do this; its log says why").into_response()
    })
}

/// Whether a call may bring a document, or wait as long as operators say.
fn may_take_long(route: &str) -> bool {
    UPLOADS.contains(&route) || compat::is_old(route)
}

/// What every answer has; an error becomes a problem of this call.
fn complete(mut response: Response, path: &str, id: &RequestId) -> Response {
    let problem = response.extensions_mut().remove::<Problem>();
    let is_worded = response.extensions().get::<compat::Worded>().is_some();
    if let Some(problem) = problem.or_else(|| unnamed(&response).filter(|_| !is_worded)) {
        let told = problem.of_call(path, id).into_response();
        let (kept, mut told) = (std::mem::take(response.headers_mut()), told);
        keep(told.headers_mut(), kept);
        response = told;
    }
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(identity::HEADER, id.header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.entry(header::RETRY_AFTER).or_insert(AGAIN);
    }
    response
}

/// Headers that came with an error and are not about its body.
fn keep(headers: &mut HeaderMap, from: HeaderMap) {
    const OF_BODIES: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CACHE_CONTROL];
    let mut last = None;
    for (name, value) in from {
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| !OF_BODIES.contains(name)) {
            headers.append(name, value);
        }
    }
}

/// An error that came from below the routes, which know nothing of problems.
fn unnamed(response: &Response) -> Option<Problem> {
    if response.extensions().get::<Explained>().is_some() {
        return None;
    }
    let code = match response.status() {
        StatusCode::NOT_FOUND => Code::NoSuchRoute,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::MediaTypeUnsupported,
        status if status.is_client_error() => Code::RequestMalformed,
        status if status.is_server_error() => Code::Internal,
        _ => return None,
    };
    Some(Problem::new(code, code.meaning()))
}
