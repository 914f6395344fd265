//! Stage 2: text → chunks with positions, a keyword index and, where an adapter is configured, embeddings.

use serde::{Deserialize, Serialize};

use crate::payload::ArtifactRef;
use crate::request::ExtractionRequest;
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct ChunkEmbed;

impl Task for ChunkEmbed {
    const NAME: &'static str = "chunk-embed";
    type Input = ExtractionRequest;
    type Output = Chunked;
}

/// What the stage leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunked {
    /// Chunks and keyword index as JSON (`retrieval::Index`).
    pub index: ArtifactRef,
    /// Names the indexed document: the same content with the same settings has the same id.
    pub doc_id: String,
    /// Number of chunks.
    pub chunk_count: u32,
    /// Tokens in the document, overlaps not counted twice.
    pub tokens: u64,
    /// Whether the document fits the context, so that nothing has to be retrieved.
    pub fits_context: bool,
    /// Length of the embedding vectors; null when no embedding adapter is configured.
    pub embedding_dimensions: Option<u32>,
}
