//! Stage 6: puts everything into one result object.

use std::collections::BTreeMap;

use async_trait::async_trait;
use protocol::answer::PromptOutcome;
use protocol::request::ExtractionRequest;
use protocol::result::{Collated, DocumentSummary, ResultError};
use protocol::stages::generate_digraph::PromptGraph;
use protocol::stages::{AgenticExtract, Collate, Evaluate, ExtractText, GenerateDigraph};
use protocol::{Task, TaskError};
use serde_json::Value;

use crate::context::Context;
use crate::handler::{Handle, Stop};

/// Puts results together.
pub struct Handler;

#[async_trait]
impl Handle<Collate> for Handler {
    async fn run(&self, ctx: &Context, request: ExtractionRequest) -> Result<Collated, Stop> {
        let text = ctx.output::<ExtractText>().await?;
        let graph = ctx.output::<GenerateDigraph>().await?;
        let answers = ctx.output::<AgenticExtract>().await?;
        let warnings = text.warnings.into_iter().chain(graph_warnings(&graph)).chain(request.unsupported()).collect();
        let mut collated = Collated {
            document: DocumentSummary { name: request.file_name, sha256: request.file_hash, pages: text.pages },
            model: answers.model,
            usage: answers.usage,
            warnings,
            types: graph.questions.iter().map(|one| (one.name.clone(), one.kind.as_str().to_owned())).collect(),
            ..Collated::default()
        };
        let mut outcomes = answers.prompts;
        let mut evaluations = match ctx.error_of::<Evaluate>() {
            Some(error) => {
                collated.fail(Evaluate::NAME, error);
                BTreeMap::new()
            }
            None => ctx.output::<Evaluate>().await?.prompts,
        };
        // In the order of the questions.
        for question in graph.questions {
            let name = question.name;
            collated.evaluation.extend(evaluations.remove(&name).map(|evaluation| (name.clone(), evaluation)));
            if let Some(outcome) = outcomes.remove(&name) {
                collated.add(name, outcome);
            }
        }
        let (values, errors) = (collated.output.len(), collated.errors.len());
        ctx.log("info", format!("the result has {values} value(s) and {errors} error(s) and is stored with the run"));
        ctx.progress(1, 1, format!("{values} value(s)"));
        Ok(collated)
    }
}

/// What a person should know about how the prompts hang together, a sentence each.
fn graph_warnings(graph: &PromptGraph) -> Vec<String> {
    let cycles = graph.cycles.iter().map(|cycle| {
        format!("these prompts wait for each other and were asked by sequence_number instead: {}", cycle.join(", "))
    });
    let unknown = graph.unknown_references.iter().map(|one| format!("a prompt refers to no active prompt: {one}"));
    cycles.chain(unknown).collect()
}

/// How answers and errors find their places in a result.
trait Add {
    fn add(&mut self, name: String, outcome: PromptOutcome);
    fn fail(&mut self, name: &str, error: &TaskError);
}

impl Add for Collated {
    fn add(&mut self, name: String, outcome: PromptOutcome) {
        match outcome {
            PromptOutcome::Answered(answer) => {
                self.confidence.insert(name.clone(), answer.confidence);
                self.evidence.insert(name.clone(), answer.evidence);
                self.notes.extend(answer.note.map(|note| (name.clone(), note)));
                self.output.insert(name, answer.value);
            }
            PromptOutcome::Failed(error) => {
                self.fail(&name, &error);
                self.evidence.insert(name.clone(), Vec::new());
                self.output.insert(name, Value::Null);
            }
        }
    }

    fn fail(&mut self, name: &str, error: &TaskError) {
        self.errors.insert(name.to_owned(), ResultError::from(error));
    }
}
