//! What is to be stored, read piece by piece where reading holds up nobody, and hashed as it passes by.

use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::hash;

pub(super) struct Source<R> {
    reader: R,
    hasher: Sha256,
}

impl<R: Read + Seek + Send + 'static> Source<R> {
    pub(super) async fn open(open: impl FnOnce() -> io::Result<R> + Send + 'static) -> io::Result<Self> {
        blocking(|| Ok(Self { reader: open()?, hasher: Sha256::new() })).await
    }

    /// The next bytes: `most` of them, fewer only at the end.
    pub(super) async fn read(mut self, most: usize) -> io::Result<(Self, Vec<u8>)> {
        blocking(move || {
            // Growing to the size of a part would take twice its room.
            let mut bytes = Vec::with_capacity(most);
            self.reader.by_ref().take(most as u64).read_to_end(&mut bytes)?;
            bytes.shrink_to_fit();
            self.hasher.update(&bytes);
            Ok((self, bytes))
        })
        .await
    }

    /// Reads everything and goes back to the start; returns SHA-256 and length as well.
    pub(super) async fn describe(mut self) -> io::Result<(Self, String, u64)> {
        blocking(move || {
            self.reader.rewind()?;
            let (sha256, size) = hash::copy(&mut self.reader, &mut io::sink())?;
            self.reader.rewind()?;
            Ok((Self { hasher: Sha256::new(), ..self }, sha256, size))
        })
        .await
    }

    /// The SHA-256 of what was read from the start on.
    pub(super) fn sha256(self) -> String {
        format!("{:x}", self.hasher.finalize())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}
