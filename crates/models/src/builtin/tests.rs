//! Layouts and labels in many languages, made up for these tests: every one must be read by the general rules.

use protocol::document::{BBox, Document, Line, Page, Word};
use protocol::request::{GrammarEntry, OutputSpec, OutputType};
use serde_json::{Value, json};

use super::*;

mod invoices;
mod others;

/// Sets text on the 6 × 12 grid, a page per form feed.
fn document(text: &str) -> Document {
    let page = |(at, text): (usize, &str)| {
        let mut page =
            Page { number: at as u32 + 1, width: 612.0, height: 792.0, lines: Vec::new(), ..Page::default() };
        for (row, text) in text.trim_matches('\n').lines().enumerate() {
            let mut line = Line { text: text.to_owned(), ..Line::default() };
            let mut column = 0;
            for word in text.split(' ') {
                let width = word.chars().count();
                if width > 0 {
                    let (x, y) = (column as f32 * 6.0, row as f32 * 12.0);
                    line.words.push(Word::new(word.to_owned(), BBox::new(x, y, x + width as f32 * 6.0, y + 12.0)));
                }
                column += width + 1;
            }
            line.bbox = BBox::around(line.words.iter().map(|word| word.bbox)).unwrap_or_default();
            page.lines.push(line);
        }
        page
    };
    Document {
        media_type: "text/plain".into(),
        pages: text.split('\u{c}').enumerate().map(page).collect(),
        ..Document::default()
    }
}

fn ask_with(document: &Document, name: &str, kind: OutputType, prompt: &str, grammar: &[GrammarEntry]) -> Reply {
    let spec = OutputSpec { name: name.into(), kind, prompt: prompt.into(), ..OutputSpec::default() };
    let question = Question { spec: &spec, prompt, preamble: "", postamble: "", grammar, context: "", document };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Builtin::new().answer(question)).unwrap()
}

fn ask(document: &Document, name: &str, kind: OutputType) -> Reply {
    ask_with(document, name, kind, "", &[])
}

/// Asks for everything that is expected and compares; lists of items are compared by their amounts.
fn check(text: &str, expected: Value) {
    let document = document(text);
    let mut wrong = Vec::new();
    for (name, right) in expected.as_object().unwrap() {
        let kind = match name.as_str() {
            name if name.ends_with("date") => OutputType::Date,
            "net_amount" | "tax_amount" | "total_amount" | "amount_due" => OutputType::Number,
            "line_items" => OutputType::LineItem,
            _ => OutputType::Text,
        };
        let reply = ask(&document, name, kind);
        let got = match &reply.value {
            Value::Array(rows) => rows.iter().map(|row| row["amount"].clone()).collect(),
            value => value.clone(),
        };
        if got.as_f64().map_or(got != *right, |number| right.as_f64() != Some(number)) {
            wrong.push(format!(
                "{name}: expected {right}, got {} ({:?}, {:?})",
                reply.value, reply.confidence, reply.note
            ));
        }
        if !reply.value.is_null() {
            assert!(!reply.evidence.is_empty(), "{name} has no evidence");
        }
    }
    assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
}
