//! Field accuracy: what the built-in reader answers about documents whose truth is known.
//!
//! A folder holds `X.pdf` beside `X.truth.json`. Numbers that name something, dates, sums and the number of items count
//! when they are exactly right; names count by their ANLS*: one less the edit distance over the longer length, nothing below one
//! half. Attachments are never read: the extractor reads pages alone, so invoices that carry their truth as an attached
//! XML file do not give it away.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use models::{Builtin, Model, Question};
use protocol::document::Document;
use protocol::request::{OutputSpec, OutputType};
use serde::Serialize;
use text::{Config, Extractor, Source};
use values::Conventions;

mod evidence;
mod report;
mod score;
mod truth;

pub use evidence::Coverage;
pub use report::markdown;
pub use truth::{Expected, Field};

/// What was measured over a folder.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Document by document, in the order of their names.
    pub documents: Vec<Scored>,
}

/// One document: its fields and what their evidence is worth.
#[derive(Debug, Serialize)]
pub struct Scored {
    /// File name without its ending.
    pub name: String,
    /// Every field whose truth is known.
    pub fields: Vec<FieldScore>,
    /// How many answers stand on evidence.
    pub coverage: Coverage,
    /// Time to answer all questions, without reading the file, in milliseconds.
    pub answer_ms: f64,
    /// Why the document could not be read, if it could not.
    pub error: Option<String>,
}

/// One field of one document.
#[derive(Debug, Serialize)]
pub struct FieldScore {
    /// Which one.
    pub field: Field,
    /// What is right.
    pub expected: Vec<String>,
    /// What was answered, `null` for nothing.
    pub got: serde_json::Value,
    /// 0 to 1.
    pub score: f64,
    /// How sure the reader was.
    pub confidence: Option<f32>,
    /// What the reader remarked.
    pub note: Option<String>,
}

/// Measures every document of a folder that has a truth beside it.
///
/// # Errors
/// When the folder or a truth cannot be read; a document that cannot be read is a score of nothing instead.
pub async fn measure(folder: &Path) -> Result<Measured> {
    let mut truths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".truth.json"))
        .collect();
    truths.sort();
    let extractor = Extractor::new(Config::discover().context("finding the running executable")?);
    let mut documents = Vec::with_capacity(truths.len());
    for path in truths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".truth.json").to_owned();
        let expected = truth::read(&path)?;
        let scored = match extractor.extract(&Source::file(folder.join(format!("{name}.pdf")))).await {
            Ok(extracted) => scored(name, &extracted.document, &expected).await,
            Err(error) => unread(name, &expected, error.to_string()),
        };
        documents.push(scored);
    }
    Ok(Measured { documents })
}

fn unread(name: String, expected: &Expected, error: String) -> Scored {
    let fields = expected.fields().map(|(field, expected)| FieldScore {
        field,
        expected: expected.to_vec(),
        got: serde_json::Value::Null,
        score: 0.0,
        confidence: None,
        note: None,
    });
    Scored { name, fields: fields.collect(), coverage: Coverage::default(), answer_ms: 0.0, error: Some(error) }
}

async fn scored(name: String, document: &Document, expected: &Expected) -> Scored {
    let reader = Builtin::new();
    let text = document.text();
    let conventions = Conventions::of(&text);
    let (_, mut questions) = agents::defaults::questions(document);
    if !questions.iter().any(|question| question.name == Field::Due.question()) {
        questions.push(OutputSpec {
            name: Field::Due.question().to_owned(),
            prompt: "Which amount is still due?".to_owned(),
            kind: OutputType::Number,
            ..OutputSpec::default()
        });
    }
    let mut coverage = Coverage::default();
    let mut fields = Vec::new();
    let mut spent = Duration::ZERO;
    let mut answers = Vec::new();
    for spec in &questions {
        let question = Question {
            spec,
            prompt: spec.question(),
            preamble: "",
            postamble: "",
            grammar: &[],
            context: &text,
            document,
        };
        let start = Instant::now();
        let answer = reader.answer(question).await;
        spent += start.elapsed();
        let Ok(reply) = answer else { continue };
        let value = values::coerce(spec.kind, &reply.value, &conventions, true).value;
        coverage.add(document, &conventions, &value, &reply.evidence);
        answers.push((spec.name.clone(), value, reply));
    }
    for (field, expected) in expected.fields() {
        let answer = answers.iter().find(|(name, ..)| name == field.question());
        let value = answer.map_or(serde_json::Value::Null, |(_, value, _)| value.clone());
        fields.push(FieldScore {
            field,
            expected: expected.to_vec(),
            score: score::score(field, expected, &value),
            confidence: answer.and_then(|(.., reply)| reply.confidence),
            note: answer.map_or_else(|| Some("was not asked".to_owned()), |(.., reply)| reply.note.clone()),
            got: if field == Field::LineItems {
                value.as_array().map_or(value.clone(), |rows| rows.len().into())
            } else {
                value
            },
        });
    }
    Scored { name, fields, coverage, answer_ms: spent.as_secs_f64() * 1000.0, error: None }
}
