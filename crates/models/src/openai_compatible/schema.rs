//! The JSON schema of an answer, by the asked type.

use protocol::request::OutputType;
use serde_json::{Value, json};

/// Longest quote, in characters: enough for a line, too little for a small model to ramble.
const LONGEST_QUOTE: u32 = 160;

/// The `response_format` that asks for `{quote, value}`; `bounded` limits the lengths of texts.
///
/// Keys are in alphabetical order, and servers that enforce the schema write them in this order: the quote comes
/// first, so that the value is read from it.
pub(super) fn response_format(kind: OutputType, bounded: bool) -> Value {
    let schema = json!({
        "type": "object",
        "properties": {"quote": text(bounded.then_some(LONGEST_QUOTE)), "value": value(kind, bounded)},
        "required": ["quote", "value"],
        "additionalProperties": false,
    });
    // Where the keys are the model's choice a strict schema is impossible.
    let strict = !matches!(kind, OutputType::Json | OutputType::Table | OutputType::LineItem);
    json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": schema}})
}

fn value(kind: OutputType, bounded: bool) -> Value {
    let limit = |length: u32| text(bounded.then_some(length));
    match kind {
        OutputType::Text => limit(4_000),
        // As printed: no digit is lost, and the document's conventions decide what the separators mean.
        OutputType::Number | OutputType::Date => limit(64),
        OutputType::Email => limit(320),
        OutputType::Boolean => json!({"type": ["boolean", "null"]}),
        OutputType::Json => json!({}),
        OutputType::Table | OutputType::LineItem => json!({"type": ["array", "null"], "items": {"type": "object"}}),
    }
}

fn text(limit: Option<u32>) -> Value {
    match limit {
        Some(length) => json!({"type": ["string", "null"], "maxLength": length}),
        None => json!({"type": ["string", "null"]}),
    }
}
