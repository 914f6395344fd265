//! Stage 1: document → text with layout, page by page, every word with its box.

use serde::{Deserialize, Serialize};

use crate::ids::TenantId;
use crate::payload::ArtifactRef;
use crate::request::ExtractionRequest;
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct ExtractText;

impl Task for ExtractText {
    const NAME: &'static str = "extract-text";
    type Input = ExtractionRequest;
    type Output = ExtractedText;
}

/// Below which key the texts that were read of a document are kept for the next run of it. They go when the document does.
#[must_use]
pub fn texts_of(tenant: &TenantId, sha256: &str) -> String {
    format!("texts/{tenant}/{sha256}")
}

/// What the stage leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtractedText {
    /// A [`crate::document::Document`] as JSON.
    pub document: ArtifactRef,
    /// Name of the source file.
    pub file_name: String,
    /// SHA-256 of the source file, lower-case hex.
    pub file_hash: String,
    /// Number of pages.
    pub pages: u32,
    /// Number of words read.
    pub words: u64,
    /// What read it: `pdfium`, `plain-text`, `markdown`.
    pub extractor: String,
    /// What a person should know about the reading, a sentence each: pages without text, damaged pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
