//! SHA-256 of bytes that pass by.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

const CHUNK: usize = 256 * 1024;

/// The lower-case hex SHA-256 of bytes in memory.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Copies everything and returns its SHA-256 and length. Holds one chunk at a time.
pub(crate) fn copy(source: &mut impl Read, target: &mut impl Write) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = match source.read(&mut chunk) {
            Ok(0) => return Ok((format!("{:x}", hasher.finalize()), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        target.write_all(&chunk[..read])?;
        size += read as u64;
    }
}
