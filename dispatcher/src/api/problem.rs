//! Errors as `application/problem+json` (RFC 9457) with a stable code.

use std::time::Duration;

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::request::{InvalidRequest, UnreadableRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::runs::IDEMPOTENCY;
use crate::{results, submission};

/// An error as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A short phrase for the status.
    title: &'static str,
    /// HTTP status code.
    status: u16,
    /// Stable, for programs.
    code: &'static str,
    /// One sentence for a person: what is wrong and how to fix it.
    detail: String,
    /// Fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    errors: Vec<protocol::request::Problem>,
    /// When to try again.
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without fields at fault.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { title, status: status.as_u16(), code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// The same, with advice when to try again.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// A request whose content is at fault, in these places.
    pub(super) fn invalid(code: &'static str, detail: &str, errors: Vec<protocol::request::Problem>) -> Self {
        Self::at_fault(StatusCode::UNPROCESSABLE_ENTITY, code, detail, errors)
    }

    /// A request that contradicts what is there, in these places.
    pub(super) fn conflicting(code: &'static str, detail: &str, errors: Vec<protocol::request::Problem>) -> Self {
        Self::at_fault(StatusCode::CONFLICT, code, detail, errors)
    }

    fn at_fault(status: StatusCode, code: &'static str, detail: &str, errors: Vec<protocol::request::Problem>) -> Self {
        Self { errors, ..Self::new(status, code, detail) }
    }

    /// Something on our side failed. The details go to the log, not to the client.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, source = ?error.source(), "a request could not be served");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not do this; its log says why")
    }
}

impl From<InvalidRequest> for Problem {
    fn from(invalid: InvalidRequest) -> Self {
        let detail = format!("the request has {} problem(s)", invalid.problems.len());
        Self { errors: invalid.problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "request_invalid", detail) }
    }
}

impl From<UnreadableRequest> for Problem {
    fn from(unreadable: UnreadableRequest) -> Self {
        match unreadable {
            UnreadableRequest::Invalid(invalid) => invalid.into(),
            UnreadableRequest::NotJson(error) => {
                Self::new(StatusCode::BAD_REQUEST, "request_not_json", format!("the request is not JSON: {error}"))
            }
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query_invalid", rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "body_invalid", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "path_invalid", rejection.body_text())
    }
}

impl From<submission::Error> for Problem {
    fn from(error: submission::Error) -> Self {
        use backends::fleet::Error::Ledger;
        match &error {
            submission::Error::WrongDocument { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "document_mismatch", error.to_string())
            }
            submission::Error::Fleet(Ledger(ledger::Error::IdempotencyConflict(key))) => {
                let key = key.strip_prefix(IDEMPOTENCY).unwrap_or(key);
                let detail = format!("Idempotency-Key {key:?} was used before with another document or request");
                Self::new(StatusCode::CONFLICT, "idempotency_conflict", detail)
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<results::Error> for Problem {
    fn from(error: results::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<ledger::Error> for Problem {
    fn from(error: ledger::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<backends::fleet::Error> for Problem {
    fn from(error: backends::fleet::Error) -> Self {
        Self::internal(&error)
    }
}

impl From<MultipartError> for Problem {
    fn from(error: MultipartError) -> Self {
        let status = error.status();
        let code = if status == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "multipart_invalid" };
        Self::new(status, code, format!("the upload cannot be read: {}", error.body_text()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let wait = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        if let Some(wait) = wait {
            let seconds = HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"flotilla\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
