//! Bodies that are JSON.

use axum::extract::Request;
use axum::http::StatusCode;
use serde_json::Value;

use super::{Problem, upload};

/// Largest workflow or schedule, in bytes.
pub(super) const SMALL: usize = 1024 * 1024;

/// The value of a body of at most `most` bytes: a text in UTF-8, with or without a byte order mark.
pub(super) async fn json(request: Request, most: usize) -> Result<Value, Problem> {
    let mut body = request.into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(piece) = upload::next(&mut body).await? {
        if text.len() + piece.len() > most {
            let detail = format!("the request is larger than {most} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        text.extend_from_slice(&piece);
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    serde_json::from_slice(text).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "request_not_json", format!("the request is not JSON: {error}"))
    })
}
