//! Errors as `application/problem+json` (RFC 9457) with a stable code.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::request::{InvalidRequest, UnreadableRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::codes::Code;
use super::front::{RequestId, Stalled};
use super::operations::away;
use super::runs::IDEMPOTENCY;
use crate::{results, submission};

/// An error as clients see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where its kind is explained.
    #[serde(rename = "type")]
    kind: &'static str,
    /// A short phrase for the kind.
    title: &'static str,
    /// HTTP status code.
    status: u16,
    /// Stable, for programs.
    #[schema(value_type = String)]
    code: Code,
    /// One sentence for a person: what is wrong and how to fix it.
    detail: String,
    /// Which call it was.
    #[serde(flatten)]
    call: Option<Box<OfCall>>,
    /// Fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    errors: Vec<protocol::request::Problem>,
    /// When to try again.
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// Which call a problem belongs to.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct OfCall {
    /// The path that was called.
    instance: String,
    /// The id of the call, as the server's log has it.
    #[schema(value_type = String)]
    request_id: RequestId,
}

impl Problem {
    /// A problem without fields at fault.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: code.link(),
            title: code.title(),
            status: code.status().as_u16(),
            code,
            detail: detail.into(),
            call: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// The same, with advice when to try again.
    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// A request whose content is at fault, or contradicts what is there, in these places.
    pub(super) fn invalid(code: Code, detail: &str, errors: Vec<protocol::request::Problem>) -> Self {
        Self { errors, ..Self::new(code, detail) }
    }

    /// Something on our side failed. The details go to the log, not to the client.
    pub(super) fn internal(error: &dyn Error) -> Self {
        tracing::error!(error = %error, source = ?error.source(), "a request could not be served");
        Self::new(Code::Internal, "the server could not do this; its log says why")
    }

    /// A body that did not come as it should: too slowly, or not to its end.
    pub(super) fn of_body(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(stalled) = error.downcast_ref::<Stalled>() {
                return Self::new(Code::UploadStalled, stalled.to_string());
            }
            cause = error.source();
        }
        Self::new(Code::BodyBroken, format!("the upload broke off: {error}"))
    }

    /// The same, of a call.
    pub(super) fn of_call(self, path: &str, id: &RequestId) -> Self {
        Self { call: Some(Box::new(OfCall { instance: path.to_owned(), request_id: id.clone() })), ..self }
    }
}

impl From<InvalidRequest> for Problem {
    fn from(invalid: InvalidRequest) -> Self {
        let detail = format!("the request has {} problem(s)", invalid.problems.len());
        Self::invalid(Code::RequestInvalid, &detail, invalid.problems)
    }
}

impl From<UnreadableRequest> for Problem {
    fn from(unreadable: UnreadableRequest) -> Self {
        match unreadable {
            UnreadableRequest::Invalid(invalid) => invalid.into(),
            UnreadableRequest::NotJson(error) => {
                Self::new(Code::RequestNotJson, format!("the request is not JSON: {error}"))
            }
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::QueryInvalid, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(Code::PathInvalid, rejection.body_text())
    }
}

impl From<submission::Error> for Problem {
    fn from(error: submission::Error) -> Self {
        use backends::fleet::Error::Ledger;
        match &error {
            submission::Error::WrongDocument { .. } => Self::new(Code::DocumentMismatch, error.to_string()),
            submission::Error::Fleet(Ledger(ledger::Error::IdempotencyConflict(key))) => {
                let key = key.strip_prefix(IDEMPOTENCY).unwrap_or(key);
                let detail = format!("Idempotency-Key {key:?} was used before with another document or request");
                Self::new(Code::IdempotencyConflict, detail)
            }
            submission::Error::Fleet(error) => away(error),
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
        away(&error)
    }
}

impl From<MultipartError> for Problem {
    fn from(error: MultipartError) -> Self {
        let of_body = Self::of_body(&error);
        match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::TooLarge, "the form is larger than is taken here"),
            _ if of_body.code == Code::UploadStalled => of_body,
            _ => Self::new(Code::MultipartInvalid, format!("the upload cannot be read: {}", error.body_text())),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            let seconds = HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64);
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"flotilla\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        // Whoever knows which call it was completes it.
        response.extensions_mut().insert(self);
        response
    }
}
