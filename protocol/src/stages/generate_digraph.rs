//! Stage 3: prompts that refer to each other by `{{name}}` → a dependency graph with an order.

use serde::{Deserialize, Serialize};

use crate::request::{ExtractionRequest, OutputSpec};
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct GenerateDigraph;

impl Task for GenerateDigraph {
    const NAME: &'static str = "generate-digraph";
    type Input = ExtractionRequest;
    type Output = PromptGraph;
}

/// Which prompt needs which other prompt's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptGraph {
    /// Version of this document's shape.
    pub version: u32,
    /// The questions that will be asked: the request's active ones or, when it has none, the default set for the
    /// document's kind.
    pub questions: Vec<OutputSpec>,
    /// The kind of document that the default set was chosen for; null when the request had questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_kind: Option<String>,
    /// The active prompts, in execution order.
    pub nodes: Vec<PromptNode>,
    /// `from` has to be answered before `to`. Edges of a cycle are left out.
    pub edges: Vec<PromptEdge>,
    /// Prompts that wait for each other, one list per cycle. They run by `sequence_number` instead, each seeing
    /// the answers that came before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<Vec<String>>,
    /// References to no active prompt, as `prompt: reference`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_references: Vec<String>,
}

/// One prompt of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptNode {
    /// The prompt's name.
    pub name: String,
    /// Its level: 0 without references, else one more than the highest level it refers to.
    pub level: u32,
    /// Prompts it refers to, sorted.
    pub needs: Vec<String>,
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptEdge {
    /// Answered first.
    pub from: String,
    /// Refers to `from`.
    pub to: String,
}
