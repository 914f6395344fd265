//! Stage 4: asks the prompts in the order of their graph. One failing prompt costs one answer, and a retry of the
//! stage pays for nothing that was finished.

use std::sync::Arc;

use agents::{Extraction, Memo};
use async_trait::async_trait;
use objects::Objects;
use protocol::TaskError;
use protocol::answer::{Answer, PromptOutcome};
use protocol::document::Document;
use protocol::request::ExtractionRequest;
use protocol::stages::agentic_extract::Answers;
use protocol::stages::{AgenticExtract, ChunkEmbed, ExtractText, GenerateDigraph};
use retrieval::Index;

use crate::context::Context;
use crate::handler::{Handle, Stop};
use crate::stages::readers::{Reader, Readers};

/// Answers prompts.
pub struct Handler {
    /// Know who answers.
    pub readers: Arc<Readers>,
    /// How many prompts are asked at a time.
    pub prompts_at_once: usize,
}

#[async_trait]
impl Handle<AgenticExtract> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<Answers, Stop> {
        let Reader { model, mark } = self.readers.of(&ctx.job().tenant, &request.tool_settings.llm).await?;
        let text = ctx.output::<ExtractText>().await?;
        let document: Document = ctx.load(&text.document).await?;
        let index: Index = ctx.load(&ctx.output::<ChunkEmbed>().await?.index).await?;
        let graph = ctx.output::<GenerateDigraph>().await?;
        let extraction = Extraction {
            document: &document,
            index: &index,
            graph: &graph,
            settings: &request.tool_settings,
            model: model.as_ref(),
            document_hash: &text.file_hash,
            concurrency: self.prompts_at_once,
        };
        let memo = Memory { objects: ctx.objects.as_ref(), prefix: memo_of(ctx, &mark) };
        let progress = |done: usize, total: usize, name: &str| ctx.progress(done as u64, total as u64, name);
        let reader = model.info().name.clone();
        ctx.log("info", format!("{} prompt(s) are asked of {reader}", graph.nodes.len()));
        let run = agents::answer_all(extraction, &memo, &progress, ctx.stopping().cancelled()).await;
        ctx.consumed(&run.usage.clone().of_model(&reader));
        for (name, error) in run.answers.iter().filter_map(|(name, outcome)| Some((name, outcome.error()?))) {
            ctx.log("warn", format!("prompt {name:?} failed: {error}"));
        }
        if run.cancelled {
            let message = "the stage was asked to stop before every prompt was answered; finished answers are kept";
            return Err(TaskError::transient("stopped", message).into());
        }
        // On the last attempt the answers that there are go on without those that failed.
        if let Some(retryable) = run.worst_retryable
            && ctx.job().retries_left > 0
        {
            let message = "some prompts failed for a passing reason; finished answers are kept";
            let error = TaskError::new(retryable.class, "prompts_failed", message);
            return Err(match retryable.retry_after {
                Some(after) => Stop::RetryAfter(error, after),
                None => Stop::Error(error),
            });
        }
        let errors: Vec<&TaskError> = run.answers.values().filter_map(PromptOutcome::error).collect();
        let total = run.answers.len();
        if let Some(first) = errors.first()
            && errors.len() == total
        {
            let message = format!("none of {total} prompt(s) could be answered; the first error was {first}");
            return Err(TaskError::permanent("no_prompt_answered", message).into());
        }
        let summary = match total - errors.len() {
            answered if answered == total => format!("{total} prompt(s) answered"),
            answered => format!("{answered} of {total} prompt(s) answered"),
        };
        let nothing = run.answers.values().filter(|outcome| is_null(outcome)).count();
        ctx.log("info", format!("{summary}, {nothing} of them with null"));
        ctx.progress(total as u64, total as u64, summary);
        Ok(Answers { prompts: run.answers, model: reader, usage: run.usage })
    }
}

/// Where finished answers are kept: those of each adapter for themselves, since two may call their models the same.
fn memo_of(ctx: &Context, mark: &str) -> String {
    if mark.is_empty() { ctx.key("memo") } else { ctx.key(&format!("memo/{mark}")) }
}

fn is_null(outcome: &PromptOutcome) -> bool {
    matches!(outcome, PromptOutcome::Answered(answer) if answer.value.is_null())
}

/// Finished answers as objects of the run.
struct Memory<'a> {
    objects: &'a dyn Objects,
    prefix: String,
}

#[async_trait]
impl Memo for Memory<'_> {
    async fn get(&self, key: &str) -> Option<Answer> {
        match self.objects.get(&self.object_key(key)).await {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(objects::Error::NotFound(_)) => None,
            Err(error) => {
                tracing::warn!(error = %error, "a finished answer could not be looked up and is asked for again");
                None
            }
        }
    }

    async fn put(&self, key: &str, answer: &Answer) {
        let stored = match serde_json::to_vec(answer) {
            Ok(bytes) => self.objects.put(&self.object_key(key), &bytes, "application/json").await.map(drop),
            Err(error) => {
                tracing::warn!(error = %error, "a finished answer could not be written");
                return;
            }
        };
        if let Err(error) = stored {
            tracing::warn!(error = %error, "a finished answer could not be kept");
        }
    }
}

impl Memory<'_> {
    fn object_key(&self, key: &str) -> String {
        format!("{}/{key}.json", self.prefix)
    }
}
