//! Failures of the server in the words of the port.

use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::Error;

pub(super) enum Failure {
    /// There is no such object.
    Missing,
    /// Anything else, the bucket's absence included.
    Other(io::Error),
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let missing = error.raw_response().is_some_and(|response| response.status().as_u16() == 404);
        // An answer to HEAD has no body and therefore no code.
        if missing && error.code() != Some("NoSuchBucket") {
            Self::Missing
        } else {
            Self::Other(io::Error::other(error))
        }
    }
}

impl Failure {
    pub(super) fn of(self, key: &str) -> Error {
        match self {
            Self::Missing => Error::NotFound(key.to_owned()),
            Self::Other(error) => broken(key)(error),
        }
    }
}

/// An operation on `key` that failed half-way.
pub(super) fn broken(key: &str) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Io { key: key.to_owned(), source }
}
