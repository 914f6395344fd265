//! How a task says what went wrong, and by its class what to do about it.

use serde::{Deserialize, Serialize};

/// What kind of failure it was. The class alone decides whether and when the task is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// A provider asked us to slow down (HTTP 429).
    RateLimited,
    /// A provider is away for now (HTTP 503).
    Unavailable,
    /// A provider failed on its own account (other HTTP 5xx).
    Server,
    /// Anything else that may go away: a lost connection, a timeout, a killed child process.
    Transient,
    /// Trying again cannot help: bad input, refused credentials, an unreadable document.
    Permanent,
}

impl ErrorClass {
    /// The word used on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Server => "server",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }
}

/// An error as it is recorded and shown: a stable code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct TaskError {
    /// What kind of failure it was.
    pub class: ErrorClass,
    /// Stable, `snake_case`, documented in `docs/errors.md`: `file_encrypted`, `timeout_hard`, …
    pub code: String,
    /// One sentence for a person: what happened and, where known, what to do.
    pub message: String,
}

impl TaskError {
    /// An error of the given class.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into() }
    }

    /// An error that no retry can help.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// An error that may go away by itself.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }
}
