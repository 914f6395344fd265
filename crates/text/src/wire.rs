//! What parent and child tell each other. The parent: a JSON line and the bytes of the document. The child: JSON lines, of
//! which the last is [`Said::End`]; behind it the pixels of a picture, if one was asked for.

use std::path::PathBuf;

use protocol::document::{Page, PageFailure};
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::error::Error;
use crate::picture::{Placement, Wish};
use crate::range::PageRange;

/// What the parent asks. Passed over a pipe rather than as arguments, which other users of the machine can see.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What is to be done with the document.
    pub(crate) deed: Deed,
    /// What its owner calls it.
    pub(crate) name: String,
    /// How many bytes it has: they follow the line.
    pub(crate) bytes: u64,
    /// Opens it when it is encrypted.
    pub(crate) password: Option<String>,
    /// The PDFium library, or why there is none.
    pub(crate) pdfium: Result<PathBuf, Error>,
    pub(crate) limits: Limits,
    /// How many documents one child may read; what it allows itself in all depends on it.
    pub(crate) documents: u32,
}

/// What is to be done with a document.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Deed {
    /// Read those of its pages that are wanted, beginning with one.
    Read { wanted: Option<PageRange>, from: u32 },
    /// Draw a page.
    Picture(Wish),
}

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// So many pages there are, and reading can begin with any of them.
    Count(u32),
    /// The page of that number is being read.
    Begin(u32),
    /// A page.
    Page { page: Box<Page>, scan: Option<Scan> },
    /// A page that cannot be read: its number and size, and why.
    Failed { page: Box<Page>, failure: PageFailure },
    /// What the kernel keeps it from.
    Confined(Confined),
    /// That was all.
    End(Result<End, Error>),
}

/// What the kernel keeps a child from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confined {
    /// Opening files, by Landlock.
    pub(crate) files: bool,
    /// Calls that a parser has no business with, by a seccomp filter.
    pub(crate) calls: bool,
}

/// How [`Said::End`] begins on the wire. No other line begins so.
const END: &[u8] = b"{\"End\":";

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum End {
    Read(Summary),
    /// The pixels follow.
    Picture(Placement),
}

/// What there is to say of a document besides its pages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// What read it.
    pub(crate) reader: String,
    /// IANA media type.
    pub(crate) media_type: String,
    /// What a person should know, a sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Why the picture of a page should be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scan {
    /// Something is drawn on the page, and no text.
    NoText,
    /// The letters of its fonts are not known, so that its text is none.
    Unmapped,
    /// The document is a picture.
    Picture,
}

/// Finds the end in what a child says, line by line; what was looked at is not looked at again.
#[derive(Default)]
pub(crate) struct EndOf {
    line: usize,
    looked: usize,
}

impl EndOf {
    /// Where the last line ends, once it is there.
    pub(crate) fn find(&mut self, said: &[u8]) -> Option<usize> {
        while let Some(length) = said[self.looked..].iter().position(|byte| *byte == b'\n') {
            let (start, end) = (self.line, self.looked + length + 1);
            (self.line, self.looked) = (end, end);
            if said[start..end].starts_with(END) {
                return Some(end);
            }
        }
        self.looked = said.len();
        None
    }
}

/// The whole lines of what a child said, up to its end.
pub(crate) fn lines(said: &[u8]) -> impl Iterator<Item = &[u8]> {
    said.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_found_however_the_bytes_arrive() {
        let mut said = Vec::new();
        for line in [Said::Count(2), Said::Begin(1), Said::End(Err(Error::Empty))] {
            serde_json::to_writer(&mut said, &line).unwrap();
            said.push(b'\n');
        }
        let end = said.len();
        said.extend(b"\n{\"End\":pixels\n");
        for step in [1, 7, said.len()] {
            let mut looking = EndOf::default();
            let found = (0..=said.len()).step_by(step).find_map(|known| looking.find(&said[..known]));
            assert_eq!(found, Some(end), "{step}");
        }
        assert_eq!(lines(&said[..end]).count(), 3);
    }
}
