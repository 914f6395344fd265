//! Files on their way out, piece by piece.

use std::io::Cursor;
use std::path::PathBuf;

use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::Error;

/// Size of a piece, in bytes.
const PIECE: usize = 64 * 1024;

/// A file, and what stands before and after it in the body of a request: the marks of a form, for instance.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What comes first.
    pub before: Vec<u8>,
    /// Where the file is. It must not change meanwhile.
    pub file: PathBuf,
    /// What comes last.
    pub after: Vec<u8>,
}

impl Upload {
    /// The file alone.
    #[must_use]
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self { before: Vec::new(), file: file.into(), after: Vec::new() }
    }

    /// The request with this body, whose length is told: many servers want no body in chunks.
    pub(crate) async fn body_of(&self, request: RequestBuilder) -> Result<RequestBuilder, Error> {
        let unreadable = |error: std::io::Error| Error::File(error.to_string());
        let file = File::open(&self.file).await.map_err(unreadable)?;
        let size = file.metadata().await.map_err(unreadable)?.len();
        let length = self.before.len() as u64 + size + self.after.len() as u64;
        // A file that grows meanwhile is sent as long as it was told to be.
        let whole = Cursor::new(self.before.clone()).chain(file.take(size)).chain(Cursor::new(self.after.clone()));
        let body = Body::wrap_stream(ReaderStream::with_capacity(whole, PIECE));
        Ok(request.header(CONTENT_LENGTH, length).body(body))
    }
}
