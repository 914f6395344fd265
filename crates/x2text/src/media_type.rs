//! What a document is by its first bytes.

use std::path::Path;

use tokio::io::AsyncReadExt;

use crate::Error;

/// As much is looked at, in bytes.
const HEAD: u64 = 8 * 1024;

/// Its IANA media type.
///
/// # Errors
/// [`Error::File`], or `file_empty` for one without bytes: no service needs to be asked about it.
pub(crate) async fn of(path: &Path) -> Result<String, Error> {
    let failed = |error: std::io::Error| Error::File(error.to_string());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).await.map_err(failed)?;
    if head.is_empty() {
        return Err(text::Error::Empty.into());
    }
    Ok(infer::get(&head).map_or("application/octet-stream", |kind| kind.mime_type()).to_owned())
}
