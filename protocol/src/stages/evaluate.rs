//! Stage 5: answers → scores and findings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::answer::{Evaluation, Usage};
use crate::request::ExtractionRequest;
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct Evaluate;

impl Task for Evaluate {
    const NAME: &'static str = "evaluate";
    type Input = ExtractionRequest;
    type Output = Evaluations;
}

/// What the stage leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluations {
    /// By prompt name.
    pub prompts: BTreeMap<String, Evaluation>,
    /// What judging consumed.
    #[serde(default)]
    pub usage: Usage,
}
