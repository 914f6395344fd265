//! What a document is that none of the readers takes.

use super::{File, contains, looks_like_text};
use crate::error::Error;

/// First bytes and what they belong to.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office file (.doc, .xls, .ppt, .msg)"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
];

/// Names within an archive, of which the first ones stand in the head, and what it then is.
const ARCHIVES: &[(&str, &str)] = &[
    ("word/", "a Word document (.docx)"),
    ("xl/", "an Excel workbook (.xlsx)"),
    ("ppt/", "a PowerPoint presentation (.pptx)"),
    ("opendocument", "an OpenDocument file"),
    ("epub", "an EPUB book"),
];

/// Extensions of files that are never text, and what such a file should begin with.
const NO_TEXT: &[(&str, &str)] = &[("pdf", "it is called PDF and has no PDF header")];

/// Why it cannot be read.
pub(super) fn error(file: &File<'_>) -> Error {
    let unsupported = |looks_like: &str| Error::Unsupported { looks_like: looks_like.to_owned() };
    if let Some(kind) = signature(file.head()) {
        return unsupported(kind);
    }
    match no_text(file) {
        Some(detail) => Error::corrupt(detail),
        None => unsupported("of an unknown binary kind"),
    }
}

/// What the first bytes say that it is, if it is no text.
pub(super) fn signature(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PK\x03\x04") {
        let by_content = ARCHIVES.iter().find(|(part, _)| contains(head, part.as_bytes()));
        return Some(by_content.map_or("a ZIP archive", |(_, kind)| kind));
    }
    let is_text = looks_like_text(head);
    // Two letters are no proof: "BMW" begins a letter as well as it would an image.
    let is_it = |magic: &[u8]| head.starts_with(magic) && !(magic.len() == 2 && is_text);
    SIGNATURES.iter().find(|(magic, _)| is_it(magic)).map(|(_, kind)| *kind)
}

/// What is wrong with it if its name says that it is no text, although its content may be.
pub(super) fn no_text(file: &File<'_>) -> Option<&'static str> {
    let extension = file.extension();
    NO_TEXT.iter().find(|(known, _)| *known == extension).map(|(_, detail)| *detail)
}
