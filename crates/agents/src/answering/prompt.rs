//! Answers one prompt: passages, memo, model, type, evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use models::{Question, Reply};
use protocol::TaskError;
use protocol::answer::Answer;
use protocol::request::{OutputSpec, OutputType};
use serde_json::Value;
use values::{Conventions, Locator};

use super::Extraction;
use super::memo::{Memo, key};
use crate::references;

/// Confidence in a value that should stand in the document and does not.
const NOT_FOUND_CONFIDENCE: f32 = 0.1;

/// Texts of more words are summaries or free wording, which need not stand in the document literally.
const SHORT_TEXT_WORDS: usize = 6;

/// The prompts of one document and what they share.
pub(super) struct Prompts<'a> {
    extraction: Extraction<'a>,
    memo: &'a dyn Memo,
    text: String,
    conventions: Conventions,
    specs: BTreeMap<&'a str, &'a OutputSpec>,
    /// Which prompt's answer goes into which prompt.
    parents: BTreeSet<(&'a str, &'a str)>,
    /// Built for the first answer that comes without places.
    locator: OnceLock<Mutex<Locator<'a>>>,
}

/// An answer, and whether it was there already.
pub(super) struct Finished {
    pub(super) answer: Answer,
    pub(super) remembered: bool,
}

/// Why a prompt has no answer.
pub(super) struct Failure {
    pub(super) error: TaskError,
    pub(super) retry_after: Option<Duration>,
}

impl<'a> Prompts<'a> {
    pub(super) fn new(extraction: Extraction<'a>, memo: &'a dyn Memo) -> Self {
        let text = extraction.document.text();
        let conventions = Conventions::of(&text);
        let specs = extraction.graph.questions.iter().map(|spec| (spec.name.as_str(), spec)).collect();
        let parents = extraction.graph.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
        Self { extraction, memo, text, conventions, specs, parents, locator: OnceLock::new() }
    }

    /// The prompt with the answers it refers to put in.
    pub(super) fn text_of(&self, name: &str, answers: &BTreeMap<&str, String>) -> String {
        let Some(spec) = self.specs.get(name) else { return String::new() };
        references::substitute(spec.question(), |other| {
            // A reference against the order of a cycle has no edge. Whether its answer happens to be there already
            // must not make a difference.
            if self.parents.contains(&(other, name)) {
                answers.get(other).map(String::as_str)
            } else {
                self.specs.contains_key(other).then_some(references::UNKNOWN)
            }
        })
    }

    pub(super) async fn answer(&self, name: &'a str, prompt: String) -> (&'a str, Result<Finished, Failure>) {
        (name, self.try_answer(name, &prompt).await)
    }

    async fn try_answer(&self, name: &str, prompt: &str) -> Result<Finished, Failure> {
        let Extraction { document, index, settings, model, document_hash, .. } = self.extraction;
        let permanent =
            |code: &str, message: String| Failure { error: TaskError::permanent(code, message), retry_after: None };
        let spec = self
            .specs
            .get(name)
            .ok_or_else(|| permanent("prompt_missing", format!("the graph names {name:?} but has no such question")))?;
        let context = retrieval::passages(index, &self.text, spec.retrieval_strategy, prompt, spec.similarity_top_k)
            .map_err(|error| permanent("retrieval_failed", error.to_string()))?;
        tracing::debug!(
            prompt.name = name,
            retrieval.strategy = context.strategy_used.as_str(),
            retrieval.fell_back = context.fell_back,
            retrieval.passages = context.chunks.len(),
            "passages chosen"
        );
        let question = Question {
            spec,
            prompt,
            preamble: &settings.preamble,
            postamble: &settings.postamble,
            grammar: &settings.grammar,
            context: &context.text,
            document,
        };
        let key = key(&question, &model.info().name, document_hash);
        if let Some(answer) = self.memo.get(&key).await {
            return Ok(Finished { answer, remembered: true });
        }
        let reply = model
            .answer(question)
            .await
            .map_err(|error| Failure { error: TaskError::from(&error), retry_after: error.retry_after() })?;
        let answer = self.finish(spec, reply);
        self.memo.put(&key, &answer).await;
        Ok(Finished { answer, remembered: false })
    }

    /// Brings a reply into the asked type and finds out where it stands.
    fn finish(&self, spec: &OutputSpec, reply: Reply) -> Answer {
        let reader = self.extraction.model.info().name.clone();
        let coerced = values::coerce(spec.kind, &reply.value, &self.conventions, spec.enforce_type);
        let mut answer = Answer {
            value: coerced.value,
            evidence: Vec::new(),
            confidence: reply.confidence,
            reader,
            note: joined(reply.note, coerced.note),
            usage: reply.usage,
        };
        if answer.value.is_null() {
            return answer;
        }
        answer.evidence = reply.evidence;
        if answer.evidence.is_empty() {
            let locator = self.locator.get_or_init(|| Mutex::new(Locator::new(self.extraction.document)));
            let locator = locator.lock().unwrap_or_else(PoisonError::into_inner);
            answer.evidence = locator.locate(spec.kind, &answer.value, reply.quote.as_deref());
        }
        if answer.evidence.is_empty() && must_stand_in_document(spec.kind, &answer.value) {
            answer.confidence =
                Some(answer.confidence.map_or(NOT_FOUND_CONFIDENCE, |sure| sure.min(NOT_FOUND_CONFIDENCE)));
            answer.note = joined(answer.note, Some("not found in the document".to_owned()));
        }
        answer
    }
}

/// Whether a value of that kind is taken from the document, not worked out.
fn must_stand_in_document(kind: OutputType, value: &Value) -> bool {
    match kind {
        OutputType::Number | OutputType::Date | OutputType::Email => true,
        OutputType::Text => value.as_str().is_some_and(|text| text.split_whitespace().count() <= SHORT_TEXT_WORDS),
        OutputType::Boolean | OutputType::Json | OutputType::Table | OutputType::LineItem => false,
    }
}

fn joined(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}; {second}")),
        (first, second) => first.or(second),
    }
}

/// An answer as it is put into a prompt that refers to it.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => references::UNKNOWN.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
