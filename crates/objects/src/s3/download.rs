//! An object on its way here, hashed as it passes by.

use aws_sdk_s3::primitives::ByteStream;
use sha2::{Digest, Sha256};

use super::failure::{Failure, broken};
use super::{S3, SHA256};
use crate::Error;

pub(super) struct Download {
    key: String,
    size: usize,
    /// The SHA-256 that it was stored with; absent when somebody else stored it.
    stored: Option<String>,
    body: ByteStream,
    hasher: Sha256,
}

impl Download {
    /// Asks for the object that callers know as `key` and the server as `path`.
    pub(super) async fn begin(store: &S3, key: &str, path: String) -> Result<Self, Error> {
        let request = store.client.get_object().bucket(&store.bucket).key(path);
        let object = request.send().await.map_err(|error| Failure::from(error).of(key))?;
        Ok(Self {
            key: key.to_owned(),
            size: object.content_length().and_then(|size| size.try_into().ok()).unwrap_or_default(),
            stored: object.metadata().and_then(|metadata| metadata.get(SHA256)).cloned(),
            body: object.body,
            hasher: Sha256::new(),
        })
    }

    /// How many bytes are to come, as the server says.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The next bytes, `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        let chunk = self.body.try_next().await.map_err(|error| broken(&self.key)(error.into()))?;
        if let Some(chunk) = &chunk {
            self.hasher.update(chunk);
        }
        Ok(chunk)
    }

    /// Whether what came is what was stored.
    pub(super) fn check_stored_hash(self) -> Result<(), Error> {
        match self.stored.clone() {
            Some(stored) => self.check_hash(&stored),
            None => Ok(()),
        }
    }

    /// Whether what came is what somebody expects.
    pub(super) fn check_hash(self, expected: &str) -> Result<(), Error> {
        let found = format!("{:x}", self.hasher.finalize());
        if found == expected {
            Ok(())
        } else {
            Err(Error::Mismatch { key: self.key, expected: expected.to_owned(), found })
        }
    }
}
