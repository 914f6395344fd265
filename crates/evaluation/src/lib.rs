//! Checks answers before anybody relies on them.
//!
//! The deterministic checks cost nothing and always run: is the value of the asked [`type`](types), does it really
//! [stand](evidence) where the answer says, do the amounts [add up](arithmetic). They are made from the document and
//! the finished answer alone and share no code with what produced them. The scores that a request may ask for in
//! addition are in [`requested`].

use std::collections::BTreeMap;

use protocol::answer::{Answer, Check, Evaluation, EvaluationStatus, PromptOutcome};
use protocol::document::Document;
use protocol::request::OutputSpec;
use protocol::stages::agentic_extract::Answers;
use values::Conventions;

mod amounts;
pub mod arithmetic;
pub mod evidence;
pub mod requested;
pub mod types;

/// How a score was found: by rules alone.
pub const DETERMINISTIC: &str = "deterministic";
/// How a score was found: it was not. The score is null, and `passed` is true because nothing speaks against the
/// answer; the reason says what is missing.
pub const NOT_AVAILABLE: &str = "not_available";

/// Checks every answer of a document; one [`Evaluation`] per prompt.
#[must_use]
pub fn evaluate(document: &Document, questions: &[OutputSpec], answers: &Answers) -> BTreeMap<String, Evaluation> {
    let conventions = Conventions::of(&document.text());
    let pages = evidence::Pages::new(document, &conventions);
    let answered: Vec<(&OutputSpec, &Answer)> = questions
        .iter()
        .filter_map(|spec| match answers.prompts.get(&spec.name) {
            Some(PromptOutcome::Answered(answer)) if !answer.value.is_null() => Some((spec, answer)),
            _ => None,
        })
        .collect();
    let mut evaluations: BTreeMap<String, Evaluation> = answers
        .prompts
        .keys()
        .map(|name| (name.clone(), Evaluation { status: EvaluationStatus::Empty, checks: BTreeMap::new() }))
        .collect();
    let mut sums = arithmetic::check(&answered, &conventions);
    for (spec, answer) in answered {
        let mut checks = BTreeMap::from([
            ("type".to_owned(), types::check(spec.kind, &answer.value)),
            ("evidence".to_owned(), pages.check(spec.kind, answer)),
        ]);
        if let Some(sum) = sums.remove(&spec.name) {
            checks.insert("arithmetic".to_owned(), sum);
        }
        requested::add(spec, answer, &mut checks);
        let flagged = checks.values().any(|check| !check.passed);
        let status = if flagged { EvaluationStatus::Flagged } else { EvaluationStatus::Ok };
        evaluations.insert(spec.name.clone(), Evaluation { status, checks });
    }
    evaluations
}

fn passed(reasons: Vec<String>) -> Check {
    Check { score: Some(1.0), passed: true, method: DETERMINISTIC.to_owned(), reasons }
}

fn failed(score: f32, reason: String) -> Check {
    Check { score: Some(score), passed: false, method: DETERMINISTIC.to_owned(), reasons: vec![reason] }
}

fn not_available(reason: &str) -> Check {
    Check { score: None, passed: true, method: NOT_AVAILABLE.to_owned(), reasons: vec![reason.to_owned()] }
}

#[cfg(test)]
mod tests;
