//! What parent and child tell each other: for each document one JSON line in, the numbers of pages and one JSON line out.

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
    /// How many documents one child may read; what it allows itself in all depends on it.
    pub(crate) documents: u32,
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
    let said = said.strip_suffix(b"\n").filter(|_| answer_ends(said, 0)).unwrap_or(said);
    let mut parts = said.rsplitn(3, |byte| *byte == b'\n');
    let reply = parts.next().unwrap_or_default();
    let page = parts.next().and_then(|line| str::from_utf8(line).ok()?.parse().ok());
    (page, reply)
}

/// Whether the answer is whole: after the empty line follows the reply with the end of its line. `from` says how much was
/// looked at before.
pub(crate) fn answer_ends(said: &[u8], from: usize) -> bool {
    // Only a line's end can end the answer, and the reply is the only long line: so little is looked at twice.
    if !said[from..].contains(&b'\n') {
        return false;
    }
    let Some(before) = said.strip_suffix(b"\n") else { return false };
    let reply_at = before.iter().rposition(|byte| *byte == b'\n');
    reply_at.is_some_and(|at| at + 1 < before.len() && (at == 0 || before[at - 1] == b'\n'))
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
        assert_eq!(page_and_reply(b"1\n2\n\n{}\n"), (None, &b"{}"[..]));
    }

    #[test]
    fn an_answer_ends_with_the_line_after_the_empty_one() {
        for part in ["", "1\n", "1\n2\n", "1\n2\n\n", "\n", "1\n\n{\"Ok\"", "\n{}"] {
            assert!(!answer_ends(part.as_bytes(), 0), "{part:?}");
        }
        for whole in ["\n{}\n", "1\n2\n\n{}\n"] {
            assert!(answer_ends(whole.as_bytes(), 0), "{whole:?}");
            assert!(answer_ends(whole.as_bytes(), whole.len() - 1), "{whole:?}");
        }
    }
}
