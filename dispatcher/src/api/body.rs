//! Bodies that are JSON.

use axum::extract::Request;
use axum::http::StatusCode;
use protocol::shape::Problems;
use serde::de::DeserializeOwned;
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

/// The same for a body that has to be an object, read as `T`.
pub(super) async fn object<T: DeserializeOwned>(request: Request, code: &'static str) -> Result<T, Problem> {
    let value = json(request, SMALL).await?;
    // serde would take a list for the fields in their order.
    if !value.is_object() {
        return Err(problem_at(code, "$", "is not a JSON object"));
    }
    serde_json::from_value(value).map_err(|error| problem_at(code, "$", &format!("cannot be used: {error}")))
}

/// A body whose content is at fault in one place.
pub(super) fn problem_at(code: &'static str, path: &str, message: &str) -> Problem {
    let mut problems = Problems::default();
    problems.report(path, message, "correct it");
    Problem::invalid(code, "this cannot be used as it is", problems.into_list())
}

/// Whether a text can be the id of a record: nothing that a database refuses or that says nothing.
pub(super) fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A place in a list, as an earlier page gave it.
pub(super) fn place(id: String, name: &str) -> Result<String, Problem> {
    if is_id(&id) {
        return Ok(id);
    }
    let detail = format!("`{name}` takes what an earlier page gave as `next`");
    Err(Problem::new(StatusCode::BAD_REQUEST, "query_invalid", detail))
}
