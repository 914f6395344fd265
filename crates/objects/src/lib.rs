//! Documents and artifacts: bytes under a key, with their SHA-256.
//!
//! [`Objects`] is the port; one file per implementation. Writing the same key again is atomic: a reader sees the
//! old bytes or the new ones, never a mixture.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use protocol::ArtifactRef;

pub mod cached;
pub mod conformance;
pub mod filesystem;
mod hash;
mod key;
#[cfg(feature = "s3")]
pub mod s3;

/// Where documents and artifacts lie.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Stores bytes under a key and returns the reference that messages carry.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::Io`].
    async fn put(&self, key: &str, bytes: &[u8], media_type: &str) -> Result<ArtifactRef, Error>;

    /// Stores a file under a key without reading it into memory.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::Io`].
    async fn put_file(&self, key: &str, file: &Path, media_type: &str) -> Result<ArtifactRef, Error>;

    /// The bytes under a key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    async fn get(&self, key: &str) -> Result<Vec<u8>, Error>;

    /// The bytes of a reference, checked against its hash.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when they are not the bytes that were stored; [`Error::NotFound`], [`Error::Io`].
    async fn get_checked(&self, artifact: &ArtifactRef) -> Result<Vec<u8>, Error>;

    /// A local file with the bytes under a key, for programs that need a path. The file lives at least as long as
    /// the returned guard and must not be changed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    async fn local_file(&self, key: &str) -> Result<LocalFile, Error>;

    /// The same for an object that somebody else put there: under any name that cannot leave the store, spaces and
    /// other languages included, and of at most `most` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::NotFound`], [`Error::TooLarge`], [`Error::Io`].
    async fn import(&self, key: &str, most: u64) -> Result<LocalFile, Error>;

    /// Whether there is something under a key.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::Io`].
    async fn exists(&self, key: &str) -> Result<bool, Error>;

    /// Removes what is under a key; nothing there is fine.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::Io`].
    async fn delete(&self, key: &str) -> Result<(), Error>;

    /// Removes everything whose key begins with `folder/`; nothing there is fine. What is stored there meanwhile may stay.
    ///
    /// # Errors
    /// [`Error::InvalidKey`], [`Error::Io`]; then some of it may be gone.
    async fn delete_below(&self, folder: &str) -> Result<(), Error>;
}

/// A file on this machine with an object's bytes.
#[derive(Debug)]
pub struct LocalFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Removes a temporary copy at the end; `None` when the file is the object itself.
    guard: Option<tempfile::TempPath>,
}

impl LocalFile {
    /// The object itself.
    #[must_use]
    pub fn in_place(path: PathBuf) -> Self {
        Self { path, guard: None }
    }

    /// A temporary copy that is removed with the guard.
    #[must_use]
    pub fn copy(temporary: tempfile::TempPath) -> Self {
        Self { path: temporary.to_path_buf(), guard: Some(temporary) }
    }

    /// Whether this is a copy made for the caller.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.guard.is_some()
    }
}

/// An object store operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing under that key.
    #[error("object {0:?} does not exist")]
    NotFound(String),
    /// The key could leave the store.
    #[error("object key {0:?} is not usable: segments of a-z, A-Z, 0-9, '.', '_', '-' separated by '/', no '..'")]
    InvalidKey(String),
    /// The bytes are not those that the reference was made for.
    #[error("object {key:?} is not what was stored: expected SHA-256 {expected}, found {found}")]
    Mismatch {
        /// The key.
        key: String,
        /// What the reference says.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// The object is larger than whoever asked wants to have.
    #[error("object {key:?} is larger than {most} bytes")]
    TooLarge {
        /// The key.
        key: String,
        /// What was allowed.
        most: u64,
    },
    /// The store failed.
    #[error("object store failed on {key:?}")]
    Io {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
