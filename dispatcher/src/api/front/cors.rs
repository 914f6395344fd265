//! Which web pages may call from a browser (CORS, as the Fetch standard has it).

use std::str::FromStr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What a page may send.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer, x-request-id",
);

/// What a page may read, besides what it always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("deprecation, etag, location, preference-applied, retry-after, x-request-id");

/// How long a browser may remember that, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// An origin that may call, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no origin: write scheme and host as https://app.example.com, without a path, or *")]
pub struct InvalidOrigin(String);

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| !host.is_empty() && !host.contains(|c: char| "/?#@*, ".contains(c) || !c.is_ascii());
        if text == "*" || host.is_some_and(is_host) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidOrigin(text.to_owned()))
        }
    }
}

/// The origin of the calling page, if it may call.
pub(super) fn allowed(origins: &[Origin], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let named = |allowed: &Origin| allowed.0 == "*" || allowed.0.as_bytes() == origin.as_bytes();
    origins.iter().any(named).then(|| origin.clone())
}

/// The answer to a browser that asks before it calls.
pub(super) fn preflight(request: &Request, origin: Option<&HeaderValue>) -> Option<Response> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    origin.filter(|_| asks)?;
    let told: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
    ];
    Some((StatusCode::NO_CONTENT, told).into_response())
}

/// Lets the page read the answer. Without origins that may call, nothing is said at all.
pub(super) fn expose(headers: &mut HeaderMap, origins: &[Origin], origin: Option<HeaderValue>) {
    if origins.is_empty() {
        return;
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["*", "https://app.example.com", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in ["", "app.example.com", "https://", "https://a/b", "https://*.example.com", "null", "ftp://a"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_listed_origin_is_allowed() {
        let origins = ["https://app.example.com".parse().unwrap()];
        let from = |origin: &'static str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        assert!(allowed(&origins, &from("https://app.example.com")).is_some());
        for other in ["https://app.example.com.evil.org", "http://app.example.com", "null"] {
            assert_eq!(allowed(&origins, &from(other)), None, "{other}");
        }
        assert_eq!(allowed(&origins, &HeaderMap::new()), None);
        assert_eq!(allowed(&[], &from("https://app.example.com")), None);
    }
}
