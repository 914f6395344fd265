//! Errors in the body that the replaced system gave them: `{error, name, code, payload}`, with the status in `code`.
//!
//! Handlers, extractors and layers say what is wrong as everywhere else; the layer around all of them writes it in the old
//! words.

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::super::Problem;
use super::super::codes::Code;

/// Longest problem, in bytes: a hundred fields at fault take a small part of it.
const LONGEST: usize = 4 * 1024 * 1024;

/// An error as callers of the replaced system know it.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Refusal {
    /// One sentence for a person: what is wrong and how to fix it.
    error: String,
    /// What kind of error it is: `BadRequest`, `UnprocessableEntity`, `RateLimit`, …
    name: String,
    /// HTTP status code.
    code: u16,
    /// `code`: stable, for programs. `errors`: what is at fault. `task_id`: the run, if there is one.
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
}

impl Refusal {
    /// A refusal of a call.
    pub(super) fn new(code: Code, error: impl Into<String>) -> Self {
        Self::of_run(code.status(), code.as_str(), error)
    }

    /// What became of a run, with its code.
    pub(super) fn of_run(status: StatusCode, code: &str, error: impl Into<String>) -> Self {
        let payload = Map::from_iter([("code".to_owned(), json!(code))]);
        Self { error: error.into(), name: name(status), code: status.as_u16(), payload }
    }

    /// The same, with more to know.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(key.to_owned(), value.into());
        self
    }

    /// What is wrong, in one sentence, and what there is to know besides.
    pub(super) fn into_parts(self) -> (String, Map<String, Value>) {
        (self.error, self.payload)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Extension(Worded), Json(self)).into_response()
    }
}

/// Marks an answer as one that is in its final words.
#[derive(Clone)]
pub(in super::super) struct Worded;

/// What a handler answers instead of what it was asked for.
#[derive(Debug)]
pub(in super::super) struct Failure(Box<Response>);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal.into_response()))
    }
}

impl<E> From<E> for Failure
where
    Problem: From<E>,
{
    fn from(error: E) -> Self {
        Self(Box::new(Problem::from(error).into_response()))
    }
}

impl Failure {
    /// A response as it is.
    pub(super) fn later(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The replaced system's word for a status.
fn name(status: StatusCode) -> String {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "RateLimit".to_owned(),
        status => status.canonical_reason().unwrap_or("Error").replace(' ', ""),
    }
}

/// What is read of a problem.
#[derive(Deserialize)]
struct Told {
    code: String,
    detail: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Fields of a problem that say nothing new beside the refusal's.
const SAID: [&str; 4] = ["type", "title", "status", "instance"];

/// A problem in the words of the replaced system; any other answer as it is.
pub(in super::super) async fn in_old_words(response: Response) -> Response {
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/problem+json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let told: Option<Told> = to_bytes(body, LONGEST).await.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let refusal = match told {
        Some(Told { code, detail, more }) => {
            let more = more.into_iter().filter(|(key, _)| !SAID.contains(&key.as_str()));
            let refusal = Refusal::of_run(parts.status, &code, detail);
            more.fold(refusal, |refusal, (key, value)| refusal.with(&key, value))
        }
        None => Refusal::new(Code::Internal, "the server could not do this; its log says why"),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let (words, body) = Json(refusal).into_response().into_parts();
    parts.headers.extend(words.headers);
    Response::from_parts(parts, body)
}
