//! Documents at addresses: fetched under the policy for addresses of tenants, into a file that is taken in like any upload.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use outbound::{Client, Request};
use tempfile::NamedTempFile;

use crate::imports;

/// How long the whole document may take to come.
const WITHIN: Duration = Duration::from_secs(60);

/// A document that was not fetched. No query of an address is repeated: it may hold a secret.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address may not be reached, or is none.
    #[error("the document may not be fetched: {0}")]
    Refused(outbound::Refusal),
    /// Nobody gives it: it is not there, or wants a permission that we do not have.
    #[error("{host} answered {status} instead of the document")]
    NotGiven {
        /// Who answered.
        host: String,
        /// With which status.
        status: u16,
    },
    /// It is larger than is taken here.
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    /// It cannot be had now, and perhaps later.
    #[error("the document cannot be fetched: {0}")]
    Unavailable(String),
    /// It could not be written down.
    #[error("the document could not be kept while it came in")]
    NotKept(#[from] io::Error),
}

/// Fetches a document of at most `most` bytes into a file in `folder`, which is removed with its value.
///
/// # Errors
/// [`RemoteError`]
pub async fn fetch(client: &Client, url: &str, folder: &Path, most: usize) -> Result<NamedTempFile, RemoteError> {
    let request = Request::get(url).within(WITHIN).at_most(most);
    let mut incoming = client.open(request).await.map_err(|error| failed(error, most))?;
    let status = incoming.status();
    if !status.is_success() {
        let host = incoming.url().host_str().unwrap_or_default().to_owned();
        return Err(match status.as_u16() {
            408 | 425 | 429 | 500.. => RemoteError::Unavailable(format!("{host} answered {}", status.as_u16())),
            status => RemoteError::NotGiven { host, status },
        });
    }
    let mut file = NamedTempFile::new_in(folder)?;
    while let Some(part) = incoming.chunk().await.map_err(|error| failed(error, most))? {
        // Parts are a few kilobytes and go to the page cache; a thread per part would cost more.
        file.write_all(&part)?;
    }
    file.flush()?;
    Ok(file)
}

fn failed(error: outbound::Error, most: usize) -> RemoteError {
    match error {
        outbound::Error::Refused(refusal) => RemoteError::Refused(refusal),
        outbound::Error::TooLarge { .. } => RemoteError::TooLarge(most),
        // Where it leads may hold a secret.
        outbound::Error::Redirect { host, .. } => RemoteError::Unavailable(format!("{host} redirects to nowhere")),
        other => RemoteError::Unavailable(other.to_string()),
    }
}

/// What the document at an address is called: as the path of the address ends, as it was before it was percent-encoded.
#[must_use]
pub fn name(url: &str) -> String {
    let whole = url.split(['?', '#']).next().unwrap_or_default();
    let (_, path) = whole.split_once("://").and_then(|(_, place)| place.split_once('/')).unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(last.len());
    let mut rest = last.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    imports::file_name(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_called_as_its_address_ends() {
        for (path, expected) in [
            ("/a/Rechnung%207.pdf", "Rechnung 7.pdf"),
            ("/a/M%C3%A4rz.pdf/?signature=a/b", "März.pdf"),
            ("/a/..%2F..%2Fetc%2Fpasswd#page=1", "passwd"),
            ("/100%", "100%"),
            ("/%0Ab", "b"),
            ("/", "document"),
            ("", "document"),
        ] {
            assert_eq!(name(&format!("https://a.example{path}")), expected, "{path}");
        }
    }
}
