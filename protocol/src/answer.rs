//! Answers, the evidence they stand on, and what they cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::BBox;
use crate::error::TaskError;

/// A place in the document that a value was read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Page number, from 1.
    pub page: u32,
    /// Where on the page, in points as displayed.
    pub bbox: BBox,
    /// The words that stand there.
    pub quote: String,
}

/// What was found out for one prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The value in the prompt's type; null when the document does not say.
    pub value: Value,
    /// Where it stands; empty when the value is null or derived.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// How sure the reader is, 0 to 1; null where it cannot say.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// Who read it: `builtin` or the model's name.
    pub reader: String,
    /// Why the value is null, or what was repaired, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
}

/// An answer, or why there is none. One failing prompt costs one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptOutcome {
    /// The prompt was answered, possibly with null.
    Answered(Answer),
    /// The prompt failed.
    Failed(TaskError),
}

impl PromptOutcome {
    /// Why there is no answer, if there is none.
    #[must_use]
    pub const fn error(&self) -> Option<&TaskError> {
        match self {
            Self::Answered(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

/// Consumption at providers, added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Calls made.
    pub calls: u64,
    /// Tokens sent.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Tokens embedded.
    pub embedding_tokens: u64,
    /// Pages extracted.
    pub pages: u64,
    /// What of it went to which model, by the model's name; the rest is nobody's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelUsage>,
}

/// What one model was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelUsage {
    /// Calls made.
    pub calls: u64,
    /// Tokens sent.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Tokens embedded.
    pub embedding_tokens: u64,
}

impl Usage {
    /// Whether nothing was consumed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The same consumption, all calls and tokens of it with that model.
    #[must_use]
    pub fn of_model(self, model: &str) -> Self {
        let Self { calls, input_tokens, output_tokens, embedding_tokens, .. } = self;
        let whole = ModelUsage { calls, input_tokens, output_tokens, embedding_tokens };
        let asked = whole != ModelUsage::default();
        Self { models: asked.then(|| (model.to_owned(), whole)).into_iter().collect(), ..self }
    }

    /// What no model is named for: the pages, and calls and tokens beside those of [`Self::models`].
    #[must_use]
    pub fn of_no_model(&self) -> Self {
        let mut rest = Self { models: BTreeMap::new(), ..self.clone() };
        for model in self.models.values() {
            rest.calls = rest.calls.saturating_sub(model.calls);
            rest.input_tokens = rest.input_tokens.saturating_sub(model.input_tokens);
            rest.output_tokens = rest.output_tokens.saturating_sub(model.output_tokens);
            rest.embedding_tokens = rest.embedding_tokens.saturating_sub(model.embedding_tokens);
        }
        rest
    }
}

impl std::ops::AddAssign<&Self> for Usage {
    fn add_assign(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.embedding_tokens = self.embedding_tokens.saturating_add(other.embedding_tokens);
        self.pages = self.pages.saturating_add(other.pages);
        for (model, usage) in &other.models {
            *self.models.entry(model.clone()).or_default() += usage;
        }
    }
}

impl std::ops::AddAssign<&Self> for ModelUsage {
    fn add_assign(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.embedding_tokens = self.embedding_tokens.saturating_add(other.embedding_tokens);
    }
}

/// Scores and findings for one answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Whether the answer may be used as it stands.
    pub status: EvaluationStatus,
    /// By name (`type`, `evidence`, `arithmetic`, `faithfulness`, …).
    pub checks: BTreeMap<String, Check>,
}

/// Verdict over all checks of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationStatus {
    /// Every check that applied passed.
    #[default]
    Ok,
    /// At least one check did not pass: a person should look.
    Flagged,
    /// There is nothing to check: the value is null or the prompt failed.
    Empty,
}

/// One check of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// 0 to 1, higher is better; null when it could not be computed.
    pub score: Option<f32>,
    /// Whether the score suffices.
    pub passed: bool,
    /// `deterministic` or `judge`.
    pub method: String,
    /// Why, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
