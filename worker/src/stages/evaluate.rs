//! Stage 5: checks every answer without a model: its type, its evidence, the sums.

use async_trait::async_trait;
use protocol::document::Document;
use protocol::request::ExtractionRequest;
use protocol::stages::evaluate::Evaluations;
use protocol::stages::{AgenticExtract, Evaluate, ExtractText, GenerateDigraph};

use crate::context::Context;
use crate::handler::{Handle, Stop};

/// Checks answers.
pub struct Handler;

#[async_trait]
impl Handle<Evaluate> for Handler {
    async fn run(&self, ctx: &Context, _request: ExtractionRequest) -> Result<Evaluations, Stop> {
        let text = ctx.output::<ExtractText>().await?;
        let document: Document = ctx.load(&text.document).await?;
        let graph = ctx.output::<GenerateDigraph>().await?;
        let answers = ctx.output::<AgenticExtract>().await?;
        let prompts = evaluation::evaluate(&document, &graph.questions, &answers);
        let flagged = prompts.values().filter(|one| one.status == protocol::answer::EvaluationStatus::Flagged).count();
        for (name, evaluation) in &prompts {
            // The reasons quote the document; they are in the result.
            let failed = evaluation.checks.iter().filter(|(_, check)| !check.passed).map(|(check, _)| check.as_str());
            let failed: Vec<&str> = failed.collect();
            if !failed.is_empty() {
                ctx.log("warn", format!("the answer to {name:?} did not pass: {}", failed.join(", ")));
            }
        }
        let summary = format!("{} answer(s) checked, {flagged} flagged", prompts.len());
        ctx.log("info", summary.clone());
        ctx.progress(1, 1, summary);
        Ok(Evaluations { prompts, ..Evaluations::default() })
    }
}
