//! What a document is that none of the readers takes.

use super::archive::{Archive, Budget};
use super::{File, looks_like_text};
use crate::error::{Error, Protection};

/// How files of Office programs began before 2007, and protected ones do since.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// First bytes and what they belong to.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"II+\0", "a BigTIFF image"),
    (b"MM\0+", "a BigTIFF image"),
    (b"BM", "a BMP image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\0\0\0\x18ftypheic", "a HEIC image"),
    (b"\0\0\0\x1cftypheic", "a HEIC image"),
    (OLE, "an old Microsoft Office file (.doc, .xls, .ppt, .msg)"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
];

const ZIP: &str = "a ZIP archive";

/// Names within an archive, and what it then is.
const ARCHIVES: &[(&str, &str)] = &[
    ("xl/workbook.bin", "an Excel binary workbook (.xlsb)"),
    ("META-INF/container.xml", "an EPUB book"),
    ("content.xml", "an OpenDocument file that is neither text nor spreadsheet"),
    ("[Content_Types].xml", "an Office file of another kind"),
    ("Index/Document.iwa", "an Apple iWork file"),
];

/// Extensions of files that are never text, and what such a file should begin with.
const NO_TEXT: &[(&str, &str)] = &[
    ("pdf", "it is called PDF and has no PDF header"),
    ("docx", "it is called a Word document and is no archive"),
    ("xlsx", "it is called a workbook and is no archive"),
    ("pptx", "it is called a presentation and is no archive"),
];

/// Why it cannot be read.
pub(super) fn error(file: &File<'_>) -> Error {
    let unsupported = |looks_like: &str| Error::Unsupported { looks_like: looks_like.to_owned() };
    if is_protected_office(file.bytes) {
        return Error::Encrypted(Protection::PasswordUnused);
    }
    if Archive::is_one(file.bytes) {
        return match Archive::open(file.bytes, Budget::new(0)) {
            Ok(archive) => {
                let kind = ARCHIVES.iter().find(|(part, _)| archive.has(part));
                unsupported(kind.map_or(ZIP, |(_, kind)| kind))
            }
            Err(_) => unsupported(ZIP),
        };
    }
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
        return Some(ZIP);
    }
    let is_text = looks_like_text(head);
    // Two letters are no proof: "BMW" begins a letter as well as it would an image.
    let is_it = |magic: &[u8]| head.starts_with(magic) && !(magic.len() == 2 && is_text);
    SIGNATURES.iter().find(|(magic, _)| is_it(magic)).map(|(_, kind)| *kind)
}

/// Whether it is an Office file with a password: a file system with a file of that name, in UTF-16.
fn is_protected_office(bytes: &[u8]) -> bool {
    const NAME: &str = "EncryptedPackage";
    /// Bytes of an entry in a folder of such a file system; the name comes first, and then its length with a zero.
    const ENTRY: usize = 128;
    const LENGTH_AT: usize = 64;
    if !bytes.starts_with(OLE) {
        return false;
    }
    let name: Vec<u8> = NAME.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = (name.len() + 2) as u8;
    let is_it = |entry: &[u8; ENTRY]| entry.starts_with(&name) && entry[LENGTH_AT..].starts_with(&[length, 0]);
    bytes.as_chunks::<ENTRY>().0.iter().any(is_it)
}

/// What is wrong with it if its name says that it is no text, although its content may be.
pub(super) fn no_text(file: &File<'_>) -> Option<&'static str> {
    let extension = file.extension();
    NO_TEXT.iter().find(|(known, _)| *known == extension).map(|(_, detail)| *detail)
}
