//! What parent and child tell each other: one JSON line in, the numbers of pages and one JSON value out.

use std::path::PathBuf;

use protocol::document::Document;
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::error::Error;

/// What the parent asks. Passed over a pipe rather than as arguments, which other users of the machine can see.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) file: PathBuf,
    pub(crate) format: Format,
    pub(crate) limits: Limits,
}

/// What the file is, with what it takes to read it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Format {
    Pdf { password: Option<String>, pdfium: PathBuf },
    Text { media_type: String },
}

/// What the child answers. Before it, each page that may take long has its number on a line of its own, written when the
/// page is begun, and an empty line says that no page is being read any more: a child that ends without an answer can
/// then be said to have ended at a page.
pub(crate) type Reply = Result<Reading, Error>;

/// Tells the reply from the lines before it: the page that was being read, and what follows.
pub(crate) fn page_and_reply(said: &[u8]) -> (Option<u32>, &[u8]) {
    // The reply itself is a single line.
    let mut parts = said.rsplitn(3, |byte| *byte == b'\n');
    let reply = parts.next().unwrap_or_default();
    let page = parts.next().and_then(|line| str::from_utf8(line).ok()?.parse().ok());
    (page, reply)
}

/// A document that was read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) document: Document,
    pub(crate) warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_begun_is_the_one_being_read_until_an_empty_line() {
        assert_eq!(page_and_reply(b""), (None, &b""[..]));
        assert_eq!(page_and_reply(b"1\n2\n"), (Some(2), &b""[..]));
        assert_eq!(page_and_reply(b"1\n2\n\n{\"Ok\""), (None, &b"{\"Ok\""[..]));
        assert_eq!(page_and_reply(b"\n{}"), (None, &b"{}"[..]));
    }
}
