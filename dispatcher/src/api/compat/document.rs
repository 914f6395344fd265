//! What a call is about: a document that came along, one that it names by key, or a text.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use objects::LocalFile;
use protocol::TenantId;
use tempfile::NamedTempFile;

use super::super::codes::Code;
use super::super::{Api, Problem};
use super::intake::at_fault;
use crate::imports::Refused;

/// A PDF header may stand behind other bytes, but no further than this.
const PDF_HEADER_WITHIN: u64 = 1024;

/// What the names of texts end with, so that they are read as text whatever they begin with: one may be the source of a page.
pub(super) const TEXT: &str = "md";

/// What a call is about.
pub(super) enum Given {
    /// It came along, under this name.
    Uploaded(NamedTempFile, String),
    /// A key in the object store.
    Named(String),
    /// A text, under this name.
    Text(String, String),
}

/// A document on this machine, for as long as this value lives.
pub(super) struct Local {
    pub(super) path: PathBuf,
    /// What it is called, as far as its place says.
    pub(super) name: String,
    _kept: Kept,
}

/// What removes temporary files at the end.
enum Kept {
    File(#[expect(dead_code, reason = "held for its end")] NamedTempFile),
    Object(#[expect(dead_code, reason = "held for its end")] LocalFile),
}

impl Given {
    /// Fetches it. Of what the tenant may not see, nothing is read, nor told whether it is there.
    pub(super) async fn fetch(self, api: &Api, tenant: &TenantId) -> Result<Local, Problem> {
        let (file, name) = match self {
            Self::Named(place) => return named(api, tenant, &place).await,
            Self::Uploaded(file, name) => (file, name),
            Self::Text(text, name) => {
                let mut file = NamedTempFile::new_in(api.desk.incoming()).map_err(|error| Problem::internal(&error))?;
                file.write_all(text.as_bytes())
                    .and_then(|()| file.flush())
                    .map_err(|error| Problem::internal(&error))?;
                (file, name)
            }
        };
        Ok(Local { path: file.path().to_path_buf(), name, _kept: Kept::File(file) })
    }
}

async fn named(api: &Api, tenant: &TenantId, place: &str) -> Result<Local, Problem> {
    let key = key(api, tenant, place)?;
    let object = match api.objects.local_file(&key).await {
        Ok(object) => object,
        Err(objects::Error::NotFound(_)) => {
            let detail = format!("there is no document {place:?}; upload it first, or correct file_path");
            return Err(Problem::new(Code::NoSuchDocument, detail));
        }
        Err(objects::Error::InvalidKey(_)) => {
            let fix = "write segments of a-z, A-Z, 0-9, '.', '_' and '-' between single '/'";
            return Err(at_fault("$.file_path", "is no key of an object", fix));
        }
        Err(error) => return Err(Problem::internal(&error)),
    };
    let size = std::fs::metadata(&object.path).map_err(|error| Problem::internal(&error))?.len();
    if size > api.max_upload as u64 {
        let detail = format!("the document is larger than {} bytes", api.max_upload);
        return Err(Problem::new(Code::TooLarge, detail));
    }
    // What was handed in for later has a name of its own.
    let known = api.desk.documents().find(tenant, place).await?.map(|document| document.name);
    let name = known.unwrap_or_else(|| last_segment(place).to_owned());
    Ok(Local { path: object.path.clone(), name, _kept: Kept::Object(object) })
}

/// The key of an object that the tenant may name: a document that it handed in, or one that lies where operators said.
fn key(api: &Api, tenant: &TenantId, place: &str) -> Result<String, Problem> {
    api.imports.resolve(tenant, place).map_err(|refused| match refused {
        Refused::Unusable(_) => {
            let fix = "write segments of a-z, A-Z, 0-9, '.', '_' and '-' between single '/'";
            at_fault("$.file_path", "is no key of an object", fix)
        }
        Refused::Foreign { allowed, .. } | Refused::OtherBucket { ours: allowed, .. } => {
            let detail = format!(
                "file_path names nothing that you may read here; put the document under {allowed}, or send it as `file` of a \
                 form"
            );
            Problem::new(Code::PathNotAllowed, detail)
        }
    })
}

/// What stands behind the last `/`.
pub(super) fn last_segment(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or_default()
}

/// The name by which a document is read. The replaced system kept the text of a PDF under another key and the PDF's name:
/// such a text is no broken PDF.
pub(super) fn reading_name(file: &Path, place: &str, shown: &str) -> std::io::Result<String> {
    let is_pdf_name = |name: &str| name.to_ascii_lowercase().ends_with(".pdf");
    if shown.is_empty() {
        return Ok(place.to_owned());
    }
    if !is_pdf_name(shown) || is_pdf_name(place) {
        return Ok(shown.to_owned());
    }
    let mut head = Vec::new();
    std::fs::File::open(file)?.take(PDF_HEADER_WITHIN).read_to_end(&mut head)?;
    let is_pdf = head.windows(4).any(|four| four == b"%PDF");
    Ok(if is_pdf { shown.to_owned() } else { format!("{shown}.{TEXT}") })
}

/// Whether a file is text by its content.
pub(super) fn is_text(file: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    std::fs::File::open(file)?.take(PDF_HEADER_WITHIN).read_to_end(&mut head)?;
    let is_pdf = head.windows(4).any(|four| four == b"%PDF");
    // The end may cut a letter in two.
    let is_utf8 = std::str::from_utf8(&head).map_or_else(|error| error.error_len().is_none(), |_| true);
    let is_plain = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c');
    Ok(!is_pdf && is_utf8 && head.iter().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_pdf_is_not_taken_for_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let (text, pdf) = (folder.path().join("text"), folder.path().join("pdf"));
        std::fs::write(&text, "Invoice 7").unwrap();
        std::fs::write(&pdf, "%PDF-1.7").unwrap();
        assert_eq!(reading_name(&text, "EXTRACT", "invoice.pdf").unwrap(), "invoice.pdf.md");
        assert_eq!(reading_name(&pdf, "SOURCE", "invoice.pdf").unwrap(), "invoice.pdf");
        assert_eq!(reading_name(&text, "invoice.pdf", "invoice.pdf").unwrap(), "invoice.pdf", "it claims to be one");
        assert_eq!(reading_name(&text, "notes.md", "").unwrap(), "notes.md");
    }

    #[test]
    fn a_text_is_told_from_a_document_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("EXTRACT");
        let cut = ["a", &"ü".repeat(600)].concat().into_bytes();
        for (content, expected) in [
            (b"Invoice 7\r\n\tTotal\x0c".as_slice(), true),
            (&cut, true),
            (&cut[2..], false),
            (b"%PDF-1.7 all letters", false),
            (b"PK\x03\x04", false),
            (b"\xff\xd8\xff", false),
        ] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(is_text(&file).unwrap(), expected, "{content:?}");
        }
    }
}
