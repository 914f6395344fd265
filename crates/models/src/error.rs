//! What can go wrong at a provider, and what class of failure it is.

use std::time::Duration;

use protocol::{ErrorClass, TaskError};

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider could not be reached or did not answer in time.
    #[error("the model at {url} could not be reached: {reason}")]
    Unreachable {
        /// Where it was looked for, without credentials.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The address is none that may be reached.
    #[error("the model at {url} may not be reached: {reason}")]
    AddressRefused {
        /// Where it was looked for, without credentials.
        url: String,
        /// Why, and how an operator allows it.
        reason: String,
    },
    /// The provider answered with an error status.
    #[error("the model answered HTTP {status}: {message}")]
    Status {
        /// HTTP status code.
        status: u16,
        /// The provider's message, shortened.
        message: String,
        /// The provider's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Question and document together are longer than the model's context.
    #[error("the question does not fit the model's context: {0}")]
    ContextExceeded(String),
    /// The answer broke off at the token limit.
    #[error("the model's answer broke off at its token limit")]
    Truncated,
    /// The answer could not be understood.
    #[error("the model's answer could not be read: {0}")]
    Unreadable(String),
    /// The adapter is not usable as configured.
    #[error("the model adapter is not usable: {0}")]
    Configuration(String),
}

impl Error {
    /// What kind of failure it was.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Status { status: 429, .. } => ErrorClass::RateLimited,
            Self::Status { status: 503, .. } => ErrorClass::Unavailable,
            Self::Status { status: 500.., .. } => ErrorClass::Server,
            Self::Status { status: 408 | 409, .. } | Self::Unreachable { .. } => ErrorClass::Transient,
            // Models are asked at temperature 0: asking the same again costs the same and gives the same.
            Self::Truncated | Self::Unreadable(_) => ErrorClass::Permanent,
            Self::Status { .. } | Self::ContextExceeded(_) | Self::Configuration(_) | Self::AddressRefused { .. } => {
                ErrorClass::Permanent
            }
        }
    }

    /// How long the provider asked us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Stable code for results and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "model_unreachable",
            Self::AddressRefused { .. } => "model_address_refused",
            Self::Status { status: 429, .. } => "model_rate_limited",
            Self::Status { status: 401 | 403, .. } => "model_unauthorized",
            Self::Status { status: 500.., .. } => "model_failed",
            Self::Status { .. } => "model_refused",
            Self::ContextExceeded(_) => "model_context_exceeded",
            Self::Truncated => "model_answer_truncated",
            Self::Unreadable(_) => "model_answer_unreadable",
            Self::Configuration(_) => "model_misconfigured",
        }
    }
}

impl From<&Error> for TaskError {
    fn from(error: &Error) -> Self {
        Self::new(error.class(), error.code(), error.to_string())
    }
}
