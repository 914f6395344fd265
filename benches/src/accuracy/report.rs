//! What was measured, as Markdown.

use std::fmt::Write as _;

use super::truth::Field;
use super::{Coverage, FieldScore, Measured};

/// Tables per field and per document; with `details` every field that is not fully right.
#[must_use]
pub fn markdown(measured: &Measured, details: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, measured, details);
    text
}

fn write(text: &mut String, measured: &Measured, details: bool) -> std::fmt::Result {
    let all = || measured.documents.iter().flat_map(|document| &document.fields);
    writeln!(text, "Attachments are never read: the extractor reads the pages alone.\n")?;
    writeln!(text, "| field | documents | accuracy |\n|---|---:|---:|")?;
    for field in Field::ALL {
        let scores: Vec<&FieldScore> = all().filter(|score| score.field == field).collect();
        if !scores.is_empty() {
            writeln!(text, "| {} | {} | {:.3} |", field.question(), scores.len(), mean(scores.iter().copied()))?;
        }
    }
    writeln!(text, "| **all** | {} | **{:.3}** |\n", all().count(), mean(all()))?;
    writeln!(
        text,
        "| document | fields | accuracy | values | with evidence | invented | ms |\n|---|---:|---:|---:|---:|---:|---:|"
    )?;
    let mut sum = Coverage::default();
    for document in &measured.documents {
        let coverage = document.coverage;
        sum += coverage;
        let (values, covered, invented) = (coverage.values, coverage.covered, coverage.invented);
        let (name, count, accuracy) = (&document.name, document.fields.len(), mean(&document.fields));
        writeln!(
            text,
            "| {name} | {count} | {accuracy:.3} | {values} | {covered} | {invented} | {:.1} |",
            document.answer_ms
        )?;
    }
    let share = sum.covered as f64 / sum.values.max(1) as f64;
    writeln!(
        text,
        "\n{} values that are not null, {:.1} % with evidence that holds them, {} invented.",
        sum.values,
        share * 100.0,
        sum.invented
    )?;
    if details {
        writeln!(
            text,
            "\n| document | field | expected | got | score | confidence | note |\n|---|---|---|---|---:|---:|---|"
        )?;
        for document in &measured.documents {
            for field in document.fields.iter().filter(|field| field.score < 0.999) {
                let confidence = field.confidence.map_or_else(String::new, |confidence| format!("{confidence:.2}"));
                let note = document.error.as_ref().or(field.note.as_ref()).map_or("", String::as_str);
                let (name, expected, got) = (field.field.question(), field.expected.join(" or "), &field.got);
                writeln!(
                    text,
                    "| {} | {name} | {expected} | {got} | {:.2} | {confidence} | {note} |",
                    document.name, field.score
                )?;
            }
        }
    }
    Ok(())
}

fn mean<'a>(scores: impl IntoIterator<Item = &'a FieldScore>) -> f64 {
    let (sum, count) = scores.into_iter().fold((0.0, 0_usize), |(sum, count), score| (sum + score.score, count + 1));
    sum / count.max(1) as f64
}
