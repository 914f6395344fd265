//! Bodies that are JSON.

use axum::http::StatusCode;
use serde_json::Value;

use super::Problem;

/// The value of a text in UTF-8, with or without a byte order mark.
pub(super) fn json(text: &[u8]) -> Result<Value, Problem> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "request_not_json", format!("the request is not JSON: {error}"))
    })
}
