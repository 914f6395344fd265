//! What was read, kept under the document's content, so that nobody reads, or pays for, the same document twice.
//!
//! The caller's [`Shelf`] is that of one document of one owner. An entry is a line that says what follows, and the document as JSON. One that is
//! damaged, half-written or of another edition is no entry.

use protocol::TaskError;
use protocol::document::Document;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use text::Extracted;

use crate::fingerprint::{EDITION, fingerprint};
use crate::{Reading, Shelf, X2Text};

/// Longest ending of a name that can decide how a file is read, in characters.
const LONGEST_ENDING: usize = 16;

/// What was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its pages.
    pub document: Document,
    /// What read it.
    pub extractor: String,
    /// What a person should know about it, a sentence each.
    pub warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Summary {
    edition: u32,
    extractor: String,
    warnings: Vec<String>,
    /// Of the bytes behind this line.
    sha256: String,
}

/// The name of the entry for a document of that name as that reader reads it. The ending is in it, because it decides how a file is
/// read where its content does not.
#[must_use]
pub fn name(reader: &dyn X2Text, file_name: &str) -> String {
    let ending = file_name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    let ending: String = ending.chars().take(LONGEST_ENDING).collect();
    format!("{}.json", fingerprint("entry", [("reader", reader.fingerprint().as_str()), ("ending", &ending)]))
}

/// What is kept under that name, if it is whole.
///
/// # Errors
/// When the shelf cannot be reached.
pub async fn recall(shelf: &dyn Shelf, name: &str) -> Result<Option<Entry>, TaskError> {
    Ok(shelf.get(name).await?.as_deref().and_then(parse))
}

/// Keeps a reading that is whole; says whether it did.
///
/// # Errors
/// When the shelf cannot be reached, or the document cannot be written.
pub async fn keep(shelf: &dyn Shelf, name: &str, reading: &Reading) -> Result<bool, TaskError> {
    let Reading { extracted, is_whole } = reading;
    if !is_whole || !extracted.document.failures.is_empty() {
        return Ok(false);
    }
    shelf.put(name, &written(extracted)?).await?;
    Ok(true)
}

fn written(extracted: &Extracted) -> Result<Vec<u8>, TaskError> {
    let failed =
        |error: serde_json::Error| TaskError::permanent("output_invalid", format!("the text cannot be kept: {error}"));
    let document = serde_json::to_vec(&extracted.document).map_err(failed)?;
    let summary = Summary {
        edition: EDITION,
        extractor: extracted.extractor.clone(),
        warnings: extracted.warnings.clone(),
        sha256: format!("{:x}", Sha256::digest(&document)),
    };
    let mut bytes = serde_json::to_vec(&summary).map_err(failed)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&document);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (summary, document) = (&bytes[..end], &bytes[end + 1..]);
    let Summary { edition, extractor, warnings, sha256 } = serde_json::from_slice(summary).ok()?;
    if edition != EDITION || format!("{:x}", Sha256::digest(document)) != sha256 {
        return None;
    }
    Some(Entry { document: serde_json::from_slice(document).ok()?, extractor, warnings })
}

#[cfg(test)]
mod tests {
    use protocol::document::{Page, PageFailure};

    use super::*;

    fn extracted(failures: Vec<PageFailure>) -> Extracted {
        let pages = vec![Page { number: 1, width: 10.0, height: 20.0, ..Page::default() }];
        let document = Document { media_type: "text/plain".to_owned(), pages, failures };
        Extracted { document, extractor: "plain-text".to_owned(), warnings: vec!["a warning".to_owned()] }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written_and_a_damaged_one_not_at_all() {
        let extracted = extracted(Vec::new());
        let written = written(&extracted).unwrap();
        let entry = parse(&written).unwrap();
        assert_eq!((entry.document, entry.extractor.as_str()), (extracted.document, "plain-text"));
        assert_eq!(entry.warnings, extracted.warnings);
        for end in 0..written.len() {
            assert_eq!(parse(&written[..end]), None, "cut off at {end}");
        }
        let text = String::from_utf8(written).unwrap();
        for (from, to) in [("20.0", "21.0"), ("\"edition\":1", "\"edition\":0"), ("\"edition\":1", "\"edition\":\"1\"")]
        {
            assert!(text.contains(from));
            assert_eq!(parse(text.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
    }
}
