//! One line in the log and one count for every call.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use metrics::{counter, histogram};
use tokio::time::Instant;
use tracing::Span;

use super::RequestId;

/// Calls by route, method and status.
const REQUESTS: &str = "flotilla_http_requests_total";

/// Time until an answer begins, by route.
const SECONDS: &str = "flotilla_http_request_seconds";

/// A call, as it is noted.
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) method: Method,
    /// The template, never the path: names and numbers in it are nobody else's business, and there are too many to count.
    pub(super) route: Option<MatchedPath>,
    pub(super) started: Instant,
}

/// Counts the call and notes it when its answer has been sent.
pub(super) fn noted(call: Call, response: Response, span: &Span) -> Response {
    let route = call.route();
    let (method, status) = (known(&call.method), response.status());
    counter!(REQUESTS, "route" => route.clone(), "method" => method, "status" => status.as_u16().to_string())
        .increment(1);
    histogram!(SECONDS, "route" => route).record(call.started.elapsed());
    if !tracing::enabled!(target: "http", tracing::Level::INFO) {
        return response;
    }
    match response.body().size_hint().exact() {
        Some(bytes) => {
            span.in_scope(|| call.note(status, bytes));
            response
        }
        // A stream is noted at its end.
        None => response.map(|body| Body::new(Counted { body, bytes: 0, call, status, span: span.clone() })),
    }
}

impl Call {
    fn route(&self) -> String {
        self.route.as_ref().map_or("none", |route| route.as_str()).to_owned()
    }

    fn note(&self, status: StatusCode, bytes: u64) {
        let (method, route) = (known(&self.method), self.route());
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = status.as_u16();
        // Ordinary calls are too many for a log that people read.
        if status >= 500 {
            tracing::info!(target: "http", { request.id = %self.id, http.method = method, http.route = route, http.status = status, http.ms = ms, http.bytes = bytes }, "a call was answered");
        } else {
            tracing::debug!(target: "http", { request.id = %self.id, http.method = method, http.route = route, http.status = status, http.ms = ms, http.bytes = bytes }, "a call was answered");
        }
    }
}

/// Any client can make up methods; a metric must not grow with them.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A stream that tells at its end, or when the client has gone, how much of it was sent.
struct Counted {
    body: Body,
    bytes: u64,
    call: Call,
    status: StatusCode,
    span: Span,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.span.in_scope(|| self.call.note(self.status, self.bytes));
    }
}
