//! Stage 4: prompts + document → answers with evidence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answer::{PromptOutcome, Usage};
use crate::request::ExtractionRequest;
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct AgenticExtract;

impl Task for AgenticExtract {
    const NAME: &'static str = "agentic-extract";
    type Input = ExtractionRequest;
    type Output = Answers;
}

/// What the stage leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// By prompt name, for every active prompt.
    pub prompts: BTreeMap<String, PromptOutcome>,
    /// What reads by default: `builtin` or the model's name.
    pub model: String,
    /// What all prompts together consumed, memoized answers not counted again.
    #[serde(default)]
    pub usage: Usage,
}
