//! Stage 1: has the document read, by the built-in reader or a service, and stores text and boxes as an artifact.
//!
//! While a service works the stage sleeps and holds no slot. What was read is kept under the document's content and the
//! reader's settings, so that another run of the same document neither reads nor pays again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use protocol::TaskError;
use protocol::answer::Usage;
use protocol::request::ExtractionRequest;
use protocol::stages::ExtractText;
use protocol::stages::extract_text::{ExtractedText, texts_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use x2text::cache::{self, Entry};
use x2text::{Error, Order, Original, Reading, Step};

use super::extractors::{Extractors, Folder, Stored};
use crate::context::Context;
use crate::handler::{Handle, Stop};

/// Reads documents.
pub struct Handler {
    /// Know who reads.
    pub extractors: Arc<Extractors>,
}

/// What is handed from one call to the next while a service works.
#[derive(Serialize, Deserialize)]
struct Waiting {
    /// SHA-256 of the document, so that nobody fetches it to look how far the service is.
    content: String,
    /// What the reader remembers.
    reader: Value,
}

#[async_trait]
impl Handle<ExtractText> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<ExtractedText, Stop> {
        let (tenant, objects) = (&ctx.job().tenant, ctx.objects.as_ref());
        // A request of somebody's own workflow may name any key; documents of other tenants stay theirs.
        if !request.file_path.starts_with(&format!("documents/{tenant}/")) {
            let message = format!("{:?} is not a document of tenant {tenant}", request.file_path);
            return Err(TaskError::permanent("document_foreign", message).into());
        }
        let reader = self.extractors.of(tenant, &request).await?;
        let (key, name) = (request.file_path.as_str(), request.file_name.as_str());
        let document = Stored { objects, key, name, file: OnceCell::new() };
        let waiting = Waiting::deserialize(ctx.state()).ok();
        let is_new = waiting.is_none();
        let Waiting { content, reader: state } = match waiting {
            Some(waiting) => waiting,
            None => Waiting { content: hash(&document.source().await?.path).await?, reader: Value::Null },
        };
        let texts = Folder { objects, key: texts_of(tenant, &content) };
        let entry = self.extractors.keeps_texts().then(|| cache::name(reader.as_ref(), name));
        if let Some(entry) = entry.as_deref().filter(|_| is_new)
            && let Some(Entry { document, extractor, warnings }) = cache::recall(&texts, entry).await?
        {
            ctx.log("info", format!("the text of this document comes from the cache, where {extractor} left it"));
            return delivered(ctx, request, Entry { document, extractor, warnings }, 0).await;
        }
        let shelf = Folder { objects, key: ctx.key("x2text") };
        let tell = |done: u32, all: u32| {
            ctx.progress(done.into(), all.into(), format!("{done} of {all} page(s): scans take seconds each"));
        };
        let order = Order { original: &document, content: &content, state: &state, tell: &tell, shelf: &shelf };
        let reading = match reader.read(&order).await {
            Ok(Step::Done(reading)) => reading,
            Ok(Step::Wait { after, state, note }) => {
                if let Some(note) = note {
                    ctx.log("warn", note);
                }
                return Err(Stop::Snooze { after, state: json!(Waiting { content, reader: state }) });
            }
            Err(error) => return Err(stop(&error)),
        };
        if let Some(entry) = entry {
            keep(ctx, (&texts, &entry), &reading, key).await;
        }
        let text::Extracted { document, extractor, warnings } = reading.extracted;
        let pages = document.pages.len() as u64;
        delivered(ctx, request, Entry { document, extractor, warnings }, pages).await
    }
}

/// Keeps what was read for the next run. One that does not work costs that run a reading, and this one nothing.
async fn keep(ctx: &Context, (texts, entry): (&Folder<'_>, &str), reading: &Reading, document: &str) {
    let kept = match cache::keep(texts, entry, reading).await {
        Ok(false) => return,
        Ok(true) => ctx.objects.exists(document).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let gone = match kept {
        Ok(true) => return,
        // Somebody removed the document meanwhile: its text goes with it.
        Ok(false) => ctx.objects.delete_below(&texts.key).await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    if let Err(error) = gone {
        ctx.log("warn", format!("the text could not be kept for further runs of this document: {error}"));
    }
}

/// Stores what was read and says what it cost.
async fn delivered(
    ctx: &Context,
    request: ExtractionRequest,
    Entry { document, extractor, warnings }: Entry,
    consumed: u64,
) -> Result<ExtractedText, Stop> {
    for warning in &warnings {
        ctx.log("warn", warning.clone());
    }
    let pages = u32::try_from(document.pages.len()).unwrap_or(u32::MAX);
    let lines = document.pages.iter().flat_map(|page| &page.lines);
    let words: u64 = lines.map(|line| line.words.len() as u64).sum();
    ctx.consumed(&Usage { pages: consumed, ..Usage::default() });
    ctx.progress(u64::from(pages), u64::from(pages), format!("{pages} page(s), {words} words"));
    let stored = ctx.store("document.json", &document).await?;
    ctx.log("info", format!("{extractor} read {pages} page(s), {words} words; stored as {}", stored.key));
    let ExtractionRequest { file_name, file_hash, .. } = request;
    Ok(ExtractedText { document: stored, file_name, file_hash, pages, words, extractor, warnings })
}

/// What a failure of a reader means for the attempt.
fn stop(error: &Error) -> Stop {
    match error.retry_after().filter(|_| error.is_passing()) {
        Some(after) => Stop::RetryAfter(TaskError::from(error), after),
        None => Stop::Error(TaskError::from(error)),
    }
}

/// The SHA-256 of a file in lower-case hex. What a request says of it is not believed: texts are kept under it.
async fn hash(path: &Path) -> Result<String, TaskError> {
    let path = path.to_path_buf();
    let work = move || {
        let mut hash = Sha256::new();
        io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
        Ok(format!("{:x}", hash.finalize()))
    };
    let hashed = tokio::task::spawn_blocking(work).await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
    hashed.map_err(|error: io::Error| TaskError::transient("io", format!("the document cannot be read: {error}")))
}
