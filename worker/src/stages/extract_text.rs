//! Stage 1: fetches the document, has it read in a child process, stores text and boxes as an artifact.

use async_trait::async_trait;
use protocol::TaskError;
use protocol::answer::Usage;
use protocol::request::ExtractionRequest;
use protocol::stages::ExtractText;
use protocol::stages::extract_text::ExtractedText;
use text::{Extractor, Source};

use crate::context::{Context, store_failed};
use crate::handler::{Handle, Stop};

/// Reads documents.
pub struct Handler {
    /// Starts the child processes.
    pub extractor: Extractor,
}

#[async_trait]
impl Handle<ExtractText> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<ExtractedText, Stop> {
        // A request of somebody's own workflow may name any key; documents of other tenants stay theirs.
        if !request.file_path.starts_with(&format!("documents/{}/", ctx.job().tenant)) {
            let message = format!("{:?} is not a document of tenant {}", request.file_path, ctx.job().tenant);
            return Err(TaskError::permanent("document_foreign", message).into());
        }
        let file = ctx.objects.local_file(&request.file_path).await.map_err(store_failed)?;
        let source = Source { path: file.path.clone(), name: request.file_name.clone(), password: None, pages: None };
        let read = self.extractor.extract(&source).await.map_err(TaskError::from)?;
        for warning in &read.warnings {
            ctx.log("warn", warning.clone());
        }
        let pages = u32::try_from(read.document.pages.len()).unwrap_or(u32::MAX);
        let lines = read.document.pages.iter().flat_map(|page| &page.lines);
        let words: u64 = lines.map(|line| line.words.len() as u64).sum();
        ctx.consumed(&Usage { pages: u64::from(pages), ..Usage::default() });
        ctx.progress(u64::from(pages), u64::from(pages), format!("{pages} page(s), {words} words"));
        let document = ctx.store("document.json", &read.document).await?;
        ctx.log("info", format!("{} read {pages} page(s), {words} words; stored as {}", read.extractor, document.key));
        Ok(ExtractedText {
            document,
            file_name: request.file_name,
            file_hash: request.file_hash,
            pages,
            words,
            extractor: read.extractor,
            warnings: read.warnings,
        })
    }
}
