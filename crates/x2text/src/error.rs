//! What can go wrong at a reader of documents, and what class of failure it is.

use std::time::Duration;

use protocol::{ErrorClass, TaskError};

/// A document that was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The built-in reader says why.
    #[error(transparent)]
    Text(#[from] text::Error),
    /// The service could not be reached, did not answer in time, or the connection broke.
    #[error("{service} could not be reached: {reason}")]
    Unreachable {
        /// Which service.
        service: &'static str,
        /// What the transport said.
        reason: String,
    },
    /// The address is none that may be reached.
    #[error("{service} may not be reached at the address that its adapter names: {reason}")]
    AddressRefused {
        /// Which service.
        service: &'static str,
        /// Why, and how an operator allows it.
        reason: String,
    },
    /// The service answers with an address elsewhere, to which neither document nor key is taken.
    #[error(
        "{service} redirects to {to:?}, and documents and keys follow no redirect; let the adapter's url lead there"
    )]
    Redirected {
        /// Which service.
        service: &'static str,
        /// Where to, without a query.
        to: String,
    },
    /// The service answered with an error status.
    #[error("{service} answered HTTP {status}: {message}")]
    Status {
        /// Which service.
        service: &'static str,
        /// HTTP status code.
        status: u16,
        /// What it said, shortened and without the key.
        message: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// An answer could not be understood.
    #[error("the answer of {service} to {call} cannot be read: {detail}")]
    Unreadable {
        /// Which service.
        service: &'static str,
        /// What it was asked.
        call: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is more than is taken.
    #[error(
        "the answer of {service} is too large: {limit}; split the document, or read fewer pages (pages_to_extract)"
    )]
    TooLarge {
        /// Which service.
        service: &'static str,
        /// What is exceeded, as a clause.
        limit: String,
    },
    /// The service could not read the document.
    #[error("{service} could not read the document: {message}")]
    Document {
        /// Which service.
        service: &'static str,
        /// What it said, shortened.
        message: String,
    },
    /// The service is in a state that nobody described.
    #[error(
        "{service} gives the status {status:?}, which is none that is known; older servers put there what went wrong"
    )]
    UnknownStatus {
        /// Which service.
        service: &'static str,
        /// What it said, shortened.
        status: String,
    },
    /// The service took too long.
    #[error(
        "{service} had not read the document after {} s{}; the adapter's wait_timeout gives it more time",
        limit.as_secs(), last.as_deref().map(|last| format!(" ({last})")).unwrap_or_default()
    )]
    Overdue {
        /// Which service.
        service: &'static str,
        /// How long it had.
        limit: Duration,
        /// What the last look at it gave, where that is of interest.
        last: Option<String>,
    },
    /// The text was handed out and did not arrive, twice.
    #[error(
        "{service} handed the text out twice and it did not arrive either time; look at the connection, then run it again"
    )]
    Lost {
        /// Which service.
        service: &'static str,
    },
    /// The document cannot be opened here.
    #[error("the document cannot be read from disk: {0}")]
    File(String),
    /// What has to be fetched or kept cannot be.
    #[error("{}", .0.message)]
    Store(TaskError),
}

impl Error {
    /// The stable code, documented in `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Text(error) => error.code(),
            Self::Unreachable { .. } => "x2text_unreachable",
            Self::AddressRefused { .. } => "x2text_address_refused",
            Self::Redirected { .. } => "x2text_redirected",
            Self::Status { status: 401 | 403, .. } => "x2text_unauthorized",
            Self::Status { status: 402, .. } => "x2text_quota_exceeded",
            Self::Status { status: 429, .. } => "x2text_rate_limited",
            Self::Status { status: 500.., .. } => "x2text_failed",
            Self::Status { .. } => "x2text_refused",
            Self::Unreadable { .. } => "x2text_answer_unreadable",
            Self::TooLarge { .. } => "x2text_answer_too_large",
            Self::Document { .. } => "x2text_document_failed",
            Self::UnknownStatus { .. } => "x2text_status_unknown",
            Self::Overdue { .. } => "x2text_overdue",
            Self::Lost { .. } => "x2text_text_lost",
            Self::File(_) => "io",
            Self::Store(error) => &error.code,
        }
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Text(error) => error.class(),
            Self::Store(error) => error.class,
            Self::Status { status: 429, .. } => ErrorClass::RateLimited,
            Self::Status { status: 503, .. } => ErrorClass::Unavailable,
            Self::Status { status: 500.., .. } => ErrorClass::Server,
            Self::Status { status: 408 | 425, .. } | Self::Unreachable { .. } | Self::File(_) => ErrorClass::Transient,
            // Asking the same again costs the same and gives the same.
            Self::Status { .. }
            | Self::AddressRefused { .. }
            | Self::Redirected { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Document { .. }
            | Self::UnknownStatus { .. }
            | Self::Overdue { .. }
            | Self::Lost { .. } => ErrorClass::Permanent,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.class() != ErrorClass::Permanent
    }

    /// How long the service asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<&Error> for TaskError {
    fn from(error: &Error) -> Self {
        Self::new(error.class(), error.code(), error.to_string())
    }
}
