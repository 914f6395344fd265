//! What a file is, by its first bytes.

use infer::MatcherType;

/// How many bytes of the beginning decide.
pub(super) const HEAD: usize = 8192;

/// A PDF header may stand behind other bytes, but no further than this.
const PDF_HEADER_WITHIN: usize = 1024;

/// What counts as an archive for others, and is something to read all the same.
const WRITTEN: [&str; 5] = [
    "application/epub+zip",
    "application/rtf",
    "application/postscript",
    "application/dicom",
    // Word, Excel and PowerPoint as they were.
    "application/x-ole-storage",
];

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// IANA media type.
    pub media_type: &'static str,
    /// What it is instead of a document.
    pub(super) never_a_document: Option<&'static str>,
}

impl Kind {
    const fn document(media_type: &'static str) -> Self {
        Self { media_type, never_a_document: None }
    }

    /// The kind of a file that begins like this and has that name, which decides between texts alone.
    #[must_use]
    pub fn of(head: &[u8], name: &str) -> Self {
        let early = &head[..head.len().min(PDF_HEADER_WITHIN)];
        if early.windows(4).any(|window| window == b"%PDF") {
            return Self::document("application/pdf");
        }
        let text = as_text(head);
        // Two letters are no proof: "BMW" begins a letter as well as it would an image.
        let known = infer::get(head).filter(|known| !(text && known.mime_type() == "image/bmp"));
        if let Some(known) = known {
            let never_a_document = match known.matcher_type() {
                MatcherType::Archive if WRITTEN.contains(&known.mime_type()) => None,
                MatcherType::Archive => Some("an archive"),
                MatcherType::App => Some("a program"),
                MatcherType::Audio => Some("audio"),
                MatcherType::Video => Some("a video"),
                MatcherType::Font => Some("a font"),
                MatcherType::Doc | MatcherType::Book | MatcherType::Image | MatcherType::Text | MatcherType::Custom => {
                    None
                }
            };
            return Self { media_type: known.mime_type(), never_a_document };
        }
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        Self::document(match (text, extension.as_deref()) {
            (true, Some("md" | "markdown")) => "text/markdown",
            (true, _) => "text/plain",
            (false, _) => "application/octet-stream",
        })
    }
}

/// Whether it can be UTF-8 text; the last letter may be cut.
fn as_text(head: &[u8]) -> bool {
    let whole = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && head.len() >= HEAD,
    };
    whole && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_bytes_and_not_by_its_name() {
        for (head, name, media_type) in [
            (b"%PDF-1.7".as_slice(), "a.txt", "application/pdf"),
            (b"\r\njunk\r\n%PDF-1.4", "a", "application/pdf"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.pdf", "image/png"),
            (b"Dear Sir", "letter", "text/plain"),
            ("# Ä".as_bytes(), "read.MD", "text/markdown"),
            (b"BMW builds cars", "a.txt", "text/plain"),
            (b"\x01\x02\x00\xff", "a.txt", "application/octet-stream"),
        ] {
            assert_eq!(Kind::of(head, name), Kind::document(media_type), "{name}");
        }
    }

    #[test]
    fn archives_and_programs_are_never_documents() {
        for (head, what) in [
            (b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".as_slice(), "an archive"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "an archive"),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "an archive"),
            (b"\x7fELF\x02\x01\x01\0".repeat(8).as_slice(), "a program"),
        ] {
            assert_eq!(Kind::of(head, "invoice.pdf").never_a_document, Some(what), "{head:?}");
        }
    }
}
