//! What a file is, by its content first and its name second.

use crate::error::Error;

/// How many bytes of the beginning decide.
pub(crate) const HEAD: usize = 4096;

/// A PDF header may stand behind other bytes, but no further than this.
const PDF_HEADER_WITHIN: usize = 1024;

/// A kind of file that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Read by PDFium.
    Pdf,
    /// Read as it is.
    Text {
        /// IANA media type.
        media_type: &'static str,
    },
}

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

/// What the file is, or [`Error::Unsupported`] with what it looks like.
pub(crate) fn recognise(head: &[u8], name: &str) -> Result<Format, Error> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let unsupported = |looks_like: &str| Err(Error::Unsupported { looks_like: looks_like.to_owned() });
    if contains(&head[..head.len().min(PDF_HEADER_WITHIN)], b"%PDF") {
        return Ok(Format::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") {
        return unsupported(archive(head, &extension));
    }
    let is_text = looks_like_text(head);
    // Two letters are no proof: "BMW" begins a letter as well as it would an image.
    let signature = SIGNATURES.iter().find(|(magic, _)| head.starts_with(magic) && !(magic.len() == 2 && is_text));
    if let Some((_, looks_like)) = signature {
        return unsupported(looks_like);
    }
    if extension == "pdf" {
        return Err(Error::corrupt("it is called PDF and has no PDF header"));
    }
    if !is_text {
        return unsupported("of an unknown binary kind");
    }
    match extension.as_str() {
        "md" | "markdown" => Ok(Format::Text { media_type: "text/markdown" }),
        _ if is_html(head) => unsupported("an HTML page"),
        _ => Ok(Format::Text { media_type: "text/plain" }),
    }
}

fn archive(head: &[u8], extension: &str) -> &'static str {
    let by_content = ARCHIVES.iter().find(|(part, _)| contains(head, part.as_bytes()));
    match (by_content, extension) {
        (Some((_, kind)), _) => kind,
        (None, "docx") => "a Word document (.docx)",
        (None, "xlsx") => "an Excel workbook (.xlsx)",
        (None, "pptx") => "a PowerPoint presentation (.pptx)",
        (None, _) => "a ZIP archive",
    }
}

/// Text has no control characters but white space and escapes; UTF-16 shows its byte order mark.
fn looks_like_text(head: &[u8]) -> bool {
    let is_utf16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    is_utf16 || !head.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b))
}

fn is_html(head: &[u8]) -> bool {
    let start = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        assert_eq!(recognise(b"%PDF-1.7 ...", "letter.txt").unwrap(), Format::Pdf);
        assert_eq!(recognise(b"\r\njunk\r\n%PDF-1.4", "x").unwrap(), Format::Pdf);
        assert_eq!(recognise(b"# Title", "a.MD").unwrap(), Format::Text { media_type: "text/markdown" });
        assert_eq!(recognise(b"BMW, Munich", "a").unwrap(), Format::Text { media_type: "text/plain" });
        assert_eq!(recognise(b"\xff\xfea\0", "a.txt").unwrap(), Format::Text { media_type: "text/plain" });
    }

    #[test]
    fn what_cannot_be_read_is_called_by_its_name() {
        let looks_like = |head: &[u8], name: &str| match recognise(head, name).unwrap_err() {
            Error::Unsupported { looks_like } => looks_like,
            other => other.code().to_owned(),
        };
        assert_eq!(looks_like(b"\x89PNG\r\n\x1a\n....", "scan.pdf"), "a PNG image");
        assert_eq!(looks_like(b"PK\x03\x04..word/document.xml", "a.zip"), "a Word document (.docx)");
        assert_eq!(looks_like(b"PK\x03\x04....", "a.zip"), "a ZIP archive");
        assert_eq!(looks_like(b"\0\x01\x02", "a.txt"), "of an unknown binary kind");
        assert_eq!(looks_like(b"<!DOCTYPE html><p>", "a.txt"), "an HTML page");
        assert_eq!(looks_like(b"not a header", "a.pdf"), "file_corrupt");
    }
}
