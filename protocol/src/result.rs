//! What a run leaves for its user.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Evaluation, Evidence, Usage};
use crate::error::TaskError;
use crate::ids::RunId;
use crate::state::{RunState, TaskState};

/// The part of the result that the last stage writes: everything that depends on the document alone.
///
/// Maps by prompt name keep the order of the questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collated {
    /// The document that was read.
    pub document: DocumentSummary,
    /// By prompt name: the value, or null when the document does not say or the prompt failed.
    pub output: IndexMap<String, Value>,
    /// By prompt name: where the value stands. Prompts without evidence have an empty list.
    pub evidence: IndexMap<String, Vec<Evidence>>,
    /// By prompt name: how sure the reader was, 0 to 1.
    #[serde(default)]
    pub confidence: IndexMap<String, Option<f32>>,
    /// By prompt name: the type that was asked for.
    #[serde(default)]
    pub types: IndexMap<String, String>,
    /// By prompt name: scores and findings.
    pub evaluation: IndexMap<String, Evaluation>,
    /// By prompt name, or by stage name where a whole stage failed: what went wrong.
    pub errors: BTreeMap<String, ResultError>,
    /// By prompt name: remarks such as why a value is null.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
    /// What a person should know about the document, a sentence each: pages without text, damaged pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What the run consumed at providers.
    pub usage: Usage,
    /// What read the document: `builtin` or the model's name.
    pub model: String,
}

/// The result of a run, as printed by `flotilla run --json` and served over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtractionResult {
    /// The run.
    pub run_id: RunId,
    /// `succeeded`, `failed` or `cancelled`.
    pub status: RunState,
    /// What the run found out.
    #[serde(flatten)]
    pub collated: Collated,
    /// How each stage went, in order.
    pub stages: Vec<StageSummary>,
}

/// The result of a run of a workflow that is not the document workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowResult {
    /// The run.
    pub run_id: RunId,
    /// Name of its workflow.
    pub workflow: String,
    /// `succeeded`, `failed` or `cancelled`.
    pub status: RunState,
    /// By task: what the tasks that no other one waits for left behind. A mapped task leaves a list, in the order of the
    /// items, with null for those that failed. Tasks that left nothing are missing.
    pub outputs: BTreeMap<String, Value>,
    /// By task, or under `run`: what went wrong.
    pub errors: BTreeMap<String, ResultError>,
    /// What the run consumed at providers.
    pub usage: Usage,
    /// How each task went, in order.
    pub stages: Vec<StageSummary>,
}

/// Which document a result is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    /// File name.
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Number of pages; 0 when the document could not be read.
    pub pages: u32,
}

/// An error in a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultError {
    /// Stable code.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl From<&TaskError> for ResultError {
    fn from(error: &TaskError) -> Self {
        Self { code: error.code.clone(), message: error.message.clone() }
    }
}

/// How one stage of a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSummary {
    /// The stage's name.
    pub name: String,
    /// Where it stands.
    pub state: TaskState,
    /// Attempts that were started.
    pub attempts: u32,
    /// Wall time of the attempt that ended it, in milliseconds; 0 when it never ran.
    pub ms: u64,
}
