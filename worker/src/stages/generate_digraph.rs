//! Stage 3: finds out which prompt needs which other prompt's answer, and what to ask when nothing was asked.

use async_trait::async_trait;
use protocol::document::Document;
use protocol::request::ExtractionRequest;
use protocol::stages::generate_digraph::PromptGraph;
use protocol::stages::{ExtractText, GenerateDigraph};

use crate::context::Context;
use crate::handler::{Handle, Stop};

/// Builds the graph of prompts.
pub struct Handler;

#[async_trait]
impl Handle<GenerateDigraph> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<PromptGraph, Stop> {
        let graph = if request.outputs.is_empty() {
            let text = ctx.output::<ExtractText>().await?;
            let document: Document = ctx.load(&text.document).await?;
            let (kind, questions) = agents::defaults::questions(&document);
            ctx.log(
                "info",
                format!("no questions were asked: the default set for a document of kind {kind:?} is used"),
            );
            PromptGraph { document_kind: Some(kind.to_owned()), ..agents::graph::build(&questions) }
        } else {
            agents::graph::build(&request.outputs)
        };
        for cycle in &graph.cycles {
            let names = cycle.join(", ");
            ctx.log("warn", format!("these prompts wait for each other and run by sequence_number instead: {names}"));
        }
        for reference in &graph.unknown_references {
            ctx.log("warn", format!("a prompt refers to no active prompt: {reference}"));
        }
        let (prompts, edges) = (graph.nodes.len(), graph.edges.len());
        ctx.progress(1, 1, format!("{prompts} prompt(s), {edges} dependencies"));
        ctx.log("info", format!("{prompts} prompt(s) to ask, {edges} reference(s) from one to the answer of another"));
        Ok(graph)
    }
}
