//! Stage 2: cuts the text into chunks with positions and builds the keyword index.
//!
//! Embeddings are made only where an embedding adapter is configured; this version knows none, so a request that
//! asks for one is served by keywords, and its result says so (`ExtractionRequest::unsupported`).

use std::sync::Arc;

use async_trait::async_trait;
use protocol::TaskError;
use protocol::document::Document;
use protocol::request::ExtractionRequest;
use protocol::stages::chunk_embed::Chunked;
use protocol::stages::{ChunkEmbed, ExtractText};
use retrieval::{Chunking, Index};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::handler::{Handle, Stop};
use crate::stages::readers::Readers;

/// Cuts and indexes.
pub struct Handler {
    /// Know whose context decides how large a chunk may be.
    pub readers: Arc<Readers>,
}

#[async_trait]
impl Handle<ChunkEmbed> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<Chunked, Stop> {
        let reader = self.readers.of(&ctx.job().tenant, &request.tool_settings.llm).await?;
        let text = ctx.output::<ExtractText>().await?;
        let document: Document = ctx.load(&text.document).await?;
        let settings = &request.tool_settings;
        let chunking = Chunking::choose(
            reader.model.info().context_tokens,
            settings.chunk_size,
            settings.chunk_overlap,
            settings.enable_smart_chunking,
        )
        .map_err(|error| TaskError::permanent("chunking_invalid", error.to_string()))?;
        // Cutting a long document takes long enough to matter to everything else on this thread.
        let index = tokio::task::spawn_blocking(move || Index::build(&document, chunking))
            .await
            .map_err(|error| TaskError::transient("indexing_aborted", error.to_string()))?
            .map_err(|error| TaskError::permanent("indexing_failed", error.to_string()))?;
        let chunk_count = u32::try_from(index.chunks.len()).unwrap_or(u32::MAX);
        ctx.progress(1, 1, format!("{chunk_count} chunk(s), {} tokens", index.tokens));
        let stored = ctx.store("index.json", &index).await?;
        let reading = if index.fits_context { "is read whole" } else { "is read by passages" };
        ctx.log(
            "info",
            format!(
                "{chunk_count} chunk(s), {} tokens: the document {reading}; stored as {}",
                index.tokens, stored.key
            ),
        );
        Ok(Chunked {
            index: stored,
            doc_id: doc_id(&text.file_hash, &text.extractor, chunking),
            chunk_count,
            tokens: index.tokens,
            fits_context: index.fits_context,
            embedding_dimensions: None,
        })
    }
}

/// Names the indexed document by its content and the settings that shaped the index.
fn doc_id(file_hash: &str, extractor: &str, chunking: Chunking) -> String {
    let Chunking { size, overlap, .. } = chunking;
    format!("{:x}", Sha256::digest(format!("{file_hash}\n{extractor}\n{size}\n{overlap}\n{}", Index::VERSION)))
}
