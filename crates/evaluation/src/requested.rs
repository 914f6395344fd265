//! The scores that a request may ask for on top of the checks that always run.
//!
//! What rules can tell is computed; what needs a model to judge is reported as not available, with a null score.

use std::collections::BTreeMap;

use protocol::answer::{Answer, Check};
use protocol::request::OutputSpec;
use serde_json::Value;

use crate::{DETERMINISTIC, failed, not_available, passed};

/// Adds the scores that the question's settings ask for.
pub fn add(spec: &OutputSpec, answer: &Answer, checks: &mut BTreeMap<String, Check>) {
    let settings = &spec.eval_settings;
    if !settings.evaluate {
        return;
    }
    if settings.eval_quality_faithfulness {
        // A value that stands in the document, word for word, is supported by it.
        let grounded = checks.get("evidence").filter(|check| check.score == Some(1.0)).cloned();
        let judged = || not_available("whether the document supports the value needs a judge model");
        checks.insert("faithfulness".to_owned(), grounded.unwrap_or_else(judged));
    }
    if settings.eval_guidance_completeness {
        checks.insert("completeness".to_owned(), completeness(&answer.value));
    }
    let unavailable = [
        (settings.eval_quality_correctness, "correctness", "whether it is the right value needs a judge model"),
        (settings.eval_quality_relevance, "relevance", "whether it answers the question needs a judge model"),
        (settings.eval_security_pii, "pii", "personal data is not looked for in this version"),
        (settings.eval_guidance_toxicity, "toxicity", "offensive wording is not looked for in this version"),
    ];
    for (asked, name, reason) in unavailable {
        if asked {
            checks.insert(name.to_owned(), not_available(reason));
        }
    }
}

/// The share of cells that are filled, by the columns of all rows; a single value is complete.
fn completeness(value: &Value) -> Check {
    let Some(rows) = value.as_array().filter(|rows| rows.iter().any(Value::is_object)) else {
        return passed(Vec::new());
    };
    let rows: Vec<_> = rows.iter().filter_map(Value::as_object).collect();
    let mut filled: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, cell) in rows.iter().flat_map(|row| row.iter()) {
        let is_empty = cell.is_null() || cell.as_str().is_some_and(|text| text.trim().is_empty());
        *filled.entry(key).or_default() += usize::from(!is_empty);
    }
    let cells = filled.len() * rows.len();
    let empty = cells - filled.values().sum::<usize>();
    match (empty, filled.iter().min_by_key(|(_, count)| **count)) {
        (0, _) | (_, None) => passed(Vec::new()),
        (_, Some((column, _))) => {
            let score = (cells - empty) as f32 / cells as f32;
            let reason = format!("{empty} of {cells} cells are empty, most of them in {column:?}");
            if score >= ENOUGH {
                Check { score: Some(score), passed: true, method: DETERMINISTIC.to_owned(), reasons: vec![reason] }
            } else {
                failed(score, reason)
            }
        }
    }
}

/// Share of cells that has to be filled for a table to pass.
const ENOUGH: f32 = 0.8;
