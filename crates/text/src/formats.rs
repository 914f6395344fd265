//! The kinds of documents that can be read: one file per kind in this folder, one line in [`READERS`].

use std::path::Path;

use crate::error::Error;
use crate::pages::Pages;
use crate::picture::{Picture, Wish};
use crate::wire::Summary;

mod archive;
mod csv;
mod docx;
mod email;
mod encoding;
mod flow;
mod grid;
mod html;
mod opendocument;
mod package;
mod pdf;
mod plain;
mod pptx;
mod raster;
mod unreadable;
mod wrap;
mod xlsx;
mod xml;

pub(crate) use archive::Budget;

/// Who is asked, in this order, whether a document is theirs.
static READERS: &[&dyn Reader] = &[
    &pdf::Pdf,
    &docx::Docx,
    &xlsx::Xlsx,
    &pptx::Pptx,
    &opendocument::OpenDocument,
    &raster::Raster,
    &email::Email,
    &html::Html,
    &csv::Csv,
    &plain::Plain,
];

/// Reads one kind of document. Runs in the child, within its limits: whatever is allocated or computed here is held to
/// them, and a panic or a crash is this document's error.
pub(crate) trait Reader: Sync {
    /// What people call it: `pdfium`, `plain-text`.
    fn name(&self) -> &'static str;

    /// The IANA media type of the document, if it is of this kind: by its content first, its name second.
    fn recognise(&self, file: &File<'_>) -> Option<&'static str>;

    /// Reads the pages in order.
    ///
    /// # Errors
    /// What makes the whole document unreadable; a page that cannot be read is [`Pages::fail`].
    fn read(&self, file: &File<'_>, media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error>;

    /// Draws a page as a reader sees it; turning and straightening it is not its business.
    ///
    /// # Errors
    /// When there is nothing to be drawn: only documents with a look of their own have one.
    fn picture(&self, _file: &File<'_>, _wish: &Wish) -> Result<Picture, Error> {
        Err(Error::NoPicture { reader: self.name().to_owned() })
    }
}

/// A document in memory.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    /// All of it.
    pub(crate) bytes: &'a [u8],
    /// What its owner calls it.
    pub(crate) name: &'a str,
    /// Opens it when it is encrypted.
    pub(crate) password: Option<&'a str>,
    /// The PDFium library, or why there is none.
    pub(crate) pdfium: &'a Result<std::path::PathBuf, Error>,
}

impl File<'_> {
    /// The beginning, which decides about its kind.
    pub(crate) fn head(&self) -> &[u8] {
        const HEAD: usize = 4096;
        &self.bytes[..self.bytes.len().min(HEAD)]
    }

    /// What stands behind the last dot of its name, in lower case.
    pub(crate) fn extension(&self) -> String {
        let extension = Path::new(self.name).extension();
        extension.map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
    }
}

/// Loads what readers need from files, while there are files.
pub(crate) fn prepare(pdfium: &Result<std::path::PathBuf, Error>) {
    pdf::load(pdfium);
}

/// Reads a document, whatever its kind.
pub(crate) fn read(file: &File<'_>, mut pages: Pages<'_>) -> Result<Summary, Error> {
    let (reader, media_type) = recognise(file)?;
    reader.read(file, media_type, &mut pages)?;
    Ok(pages.summary(reader.name(), media_type))
}

/// Draws a page of a document, whatever its kind.
pub(crate) fn picture(file: &File<'_>, wish: &Wish) -> Result<Picture, Error> {
    let picture = recognise(file)?.0.picture(file, wish)?.turned(wish.turns);
    Ok(if wish.deskew { picture.straightened() } else { picture })
}

fn recognise(file: &File<'_>) -> Result<(&'static dyn Reader, &'static str), Error> {
    if file.bytes.is_empty() {
        return Err(Error::Empty);
    }
    let mut recognised = READERS.iter().filter_map(|reader| Some((*reader, reader.recognise(file)?)));
    recognised.next().ok_or_else(|| unreadable::error(file))
}

/// Text has no control characters but white space and escapes; UTF-16 shows its byte order mark.
pub(crate) fn looks_like_text(head: &[u8]) -> bool {
    let is_utf16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    is_utf16 || !head.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b))
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(bytes: &'a [u8], name: &'a str) -> File<'a> {
        File { bytes, name, password: None, pdfium: &Err(Error::Empty) }
    }

    #[test]
    fn content_decides_before_the_name() {
        let media_type = |bytes: &[u8], name: &str| recognise(&file(bytes, name)).map(|(_, media_type)| media_type);
        assert_eq!(media_type(b"%PDF-1.7 ...", "letter.txt"), Ok("application/pdf"));
        assert_eq!(media_type(b"\r\njunk\r\n%PDF-1.4", "x"), Ok("application/pdf"));
        assert_eq!(media_type(b"# Title", "a.MD"), Ok("text/markdown"));
        assert_eq!(media_type(b"BMW, Munich", "a"), Ok("text/plain"));
        assert_eq!(media_type(b"\xff\xfea\0", "a.txt"), Ok("text/plain"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0", "a.png"), Ok("image/jpeg"));
        assert_eq!(media_type(b"<!doctype html><p>", "a.txt"), Ok("text/html"));
        assert_eq!(media_type(b"a;b", "a.csv"), Ok("text/csv"));
        assert_eq!(media_type(b"From: a\nTo: b\nSubject: c\n\n", "a"), Ok("message/rfc822"));
        assert_eq!(media_type(b"PK\x03\x04....", "a.docx").err(), None);
        assert_eq!(media_type(b"", "a.txt"), Err(Error::Empty));
    }

    #[test]
    fn what_cannot_be_read_is_called_by_its_name() {
        let looks_like = |head: &[u8], name: &str| match recognise(&file(head, name)).err() {
            Some(Error::Unsupported { looks_like }) => looks_like,
            other => other.map(|other| other.code().to_owned()).unwrap_or_default(),
        };
        assert_eq!(looks_like(b"{\\rtf1 text}", "scan.pdf"), "an RTF document");
        assert_eq!(looks_like(b"PK\x03\x04....", "a.zip"), "a ZIP archive");
        assert_eq!(looks_like(b"\0\x01\x02", "a.txt"), "of an unknown binary kind");
        assert_eq!(looks_like(b"not a header", "a.pdf"), "file_corrupt");
    }
}
