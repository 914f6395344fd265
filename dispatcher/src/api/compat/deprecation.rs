//! Tells callers where to go from here: RFC 9745 (Deprecation), RFC 8594 (Sunset), RFC 5829 (successor-version).

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::super::Api;

/// Since when the synchronous address is deprecated: 2026-11-26, as seconds.
const SINCE: HeaderValue = HeaderValue::from_static("@1795651200");

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The address that all others lead to.
const NATIVE: HeaderValue = HeaderValue::from_static("</api/v1/runs>; rel=\"successor-version\"");

/// For an address that will go: says so, when if that is known, and what replaces it.
pub(super) async fn deprecated(
    State((api, successor)): State<(Api, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(DEPRECATION, SINCE);
    if let Some(sunset) = api.compat.sunset.as_deref().and_then(|date| HeaderValue::from_str(date).ok()) {
        headers.insert(SUNSET, sunset);
    }
    if let Ok(link) = HeaderValue::from_str(&format!("<{successor}>; rel=\"successor-version\"")) {
        headers.append(header::LINK, link);
    }
    response
}

/// For an address that stays: says what new callers use instead.
pub(super) async fn succeeded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().append(header::LINK, NATIVE);
    response
}
