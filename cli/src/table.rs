//! The result as a person reads it.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use protocol::RunState;
use protocol::answer::EvaluationStatus;
use protocol::result::ExtractionResult;
use serde_json::{Map, Value};

/// Longest value that is shown whole, in characters.
const LONGEST: usize = 400;

/// Width of tables that do not go to a terminal, in columns.
const PIPED_WIDTH: u16 = 120;

/// A table in fewer columns cannot be read.
const NARROWEST: u16 = 40;

/// Everything worth knowing about a result, as text.
pub(crate) fn render(result: &ExtractionResult) -> String {
    let mut text = String::new();
    if !result.collated.output.is_empty() {
        push(&mut text, &answers(result));
        for (name, value) in &result.collated.output {
            if let Some(rows) = rows(value) {
                let _ = writeln!(text, "\n{name}:");
                push(&mut text, &row_table(&rows));
            }
        }
    }
    remarks(&mut text, result);
    footer(&mut text, result);
    text
}

fn push(text: &mut String, table: &Table) {
    let _ = writeln!(text, "{table}");
}

fn answers(result: &ExtractionResult) -> Table {
    let collated = &result.collated;
    let mut table = new_table(&["name", "value", "type", "confidence", "page"]);
    for (name, value) in &collated.output {
        let confidence = collated.confidence.get(name).copied().flatten();
        let mut pages: Vec<u32> = collated.evidence.get(name).into_iter().flatten().map(|one| one.page).collect();
        pages.dedup();
        let pages: Vec<String> = pages.iter().map(u32::to_string).collect();
        table.add_row([
            name.clone(),
            shown(value),
            collated.types.get(name).cloned().unwrap_or_default(),
            confidence.map(|confidence| format!("{:.0} %", confidence * 100.0)).unwrap_or_default(),
            pages.join(", "),
        ]);
    }
    for column in [3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// An empty table that fits the terminal.
pub(crate) fn new_table<T: ToString>(header: &[T]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(ToString::to_string));
    // Some terminals claim to have no columns at all.
    if table.width().is_none_or(|width| width < NARROWEST) {
        table.set_width(PIPED_WIDTH);
    }
    table
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if rows(value).is_some() => format!("{} row(s), see below", list.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The rows of a table, if the value is one.
fn rows(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_object).collect()
}

fn row_table(rows: &[&Map<String, Value>]) -> Table {
    let mut columns: Vec<&String> = Vec::new();
    for row in rows {
        for name in row.keys() {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
    }
    let mut table = new_table(&columns);
    for row in rows {
        table.add_row(columns.iter().map(|name| row.get(*name).map(shown).unwrap_or_default()));
    }
    for (at, name) in columns.iter().enumerate() {
        let numeric = rows.iter().all(|row| row.get(*name).is_none_or(|value| value.is_number() || value.is_null()));
        if let Some(column) = table.column_mut(at)
            && numeric
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn remarks(text: &mut String, result: &ExtractionResult) {
    let collated = &result.collated;
    for warning in &collated.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    for (name, note) in &collated.notes {
        let _ = writeln!(text, "· {name}: {note}");
    }
    for (name, error) in &collated.errors {
        let _ = writeln!(text, "✗ {name}: {} ({})", error.message, error.code);
    }
    for (name, evaluation) in &collated.evaluation {
        if evaluation.status != EvaluationStatus::Flagged {
            continue;
        }
        for reason in evaluation.checks.values().filter(|check| !check.passed).flat_map(|check| &check.reasons) {
            let _ = writeln!(text, "? {name}: {reason}");
        }
    }
}

fn footer(text: &mut String, result: &ExtractionResult) {
    let document = &result.collated.document;
    let ms: u64 = result.stages.iter().map(|stage| stage.ms).sum();
    let verdict = match result.status {
        RunState::Succeeded => "✓ succeeded",
        RunState::Cancelled => "✗ cancelled",
        _ => "✗ failed",
    };
    let model =
        if result.collated.model.is_empty() { String::new() } else { format!(" · read by {}", result.collated.model) };
    let pages = if document.pages == 1 { "1 page".to_owned() } else { format!("{} pages", document.pages) };
    let _ =
        writeln!(text, "{verdict} · {} · {pages} · {ms} ms in stages{model} · run {}", document.name, result.run_id);
}
