//! What a model or a reader said, as the asked type.

use protocol::request::OutputType;
use serde_json::Value;

use crate::conventions::Conventions;
use crate::date::Precision;
use crate::{boolean, date, email, json, number};

/// A value of the asked type, and what there is to say about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coerced {
    /// The value; null when there is none or it is not of the type.
    pub value: Value,
    /// What was changed or why the value is null, one sentence; nothing when nothing is worth saying.
    pub note: Option<String>,
}

impl Coerced {
    fn clean(value: impl Into<Value>) -> Self {
        Self { value: value.into(), note: None }
    }

    fn noted(value: impl Into<Value>, note: impl Into<String>) -> Self {
        Self { value: value.into(), note: Some(note.into()) }
    }
}

/// Whether a text is how people and models say "nothing": `NA`, `N/A`, `null`, `none`, `-`.
#[must_use]
pub fn is_absent(text: &str) -> bool {
    let text = text.trim().trim_matches(['"', '\'', '.', '`']).to_lowercase();
    matches!(
        text.as_str(),
        "" | "na"
            | "n/a"
            | "n.a"
            | "null"
            | "none"
            | "nil"
            | "-"
            | "--"
            | "–"
            | "—"
            | "not found"
            | "not available"
            | "not applicable"
            | "not specified"
            | "not provided"
            | "not mentioned"
            | "unknown"
            | "undefined"
    )
}

/// Turns `raw` into the asked type.
///
/// What cannot be turned becomes null with a note when the type is enforced, and stays text when it is not.
#[must_use]
pub fn coerce(kind: OutputType, raw: &Value, conventions: &Conventions, enforce: bool) -> Coerced {
    match raw {
        Value::Null => return Coerced::default(),
        Value::String(text) if is_absent(text) => return Coerced::default(),
        _ => {}
    }
    let coerced = match kind {
        OutputType::Text => Some(Coerced::clean(plain(raw).trim())),
        OutputType::Number => as_number(raw, conventions),
        OutputType::Date => as_date(raw, conventions),
        OutputType::Email => email::parse(&plain(raw)).map(Coerced::clean),
        OutputType::Boolean => as_boolean(raw),
        OutputType::Json => as_json(raw),
        OutputType::Table | OutputType::LineItem => as_json(raw).and_then(as_rows),
    };
    coerced.unwrap_or_else(|| {
        let note = format!("{:?} is not of type {}", shortened(&plain(raw)), kind.as_str());
        if enforce { Coerced::noted(Value::Null, note) } else { Coerced::noted(plain(raw), note) }
    })
}

/// The text itself, or JSON for what is not text.
fn plain(raw: &Value) -> String {
    raw.as_str().map_or_else(|| raw.to_string(), str::to_owned)
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn as_number(raw: &Value, conventions: &Conventions) -> Option<Coerced> {
    let text = match raw {
        Value::Number(_) => return Some(Coerced::clean(raw.clone())),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    let ambiguous = "the separator could mark thousands or decimals";
    if let Some(number) = number::parse(text, conventions) {
        return Some(Coerced { value: number.to_json(), note: number.ambiguous.then(|| ambiguous.to_owned()) });
    }
    let read = |words: &str| number::parse(words.trim_end_matches([',', '.', ';', ':']), conventions);
    let (words, number) = windows(text, 3).find_map(|words| Some((words, read(words)?)))?;
    // "12 of 30" says two numbers: which one was meant is not for us to guess.
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    (digits(words) == digits(text))
        .then(|| Coerced::noted(number.to_json(), "the number was taken out of a longer text"))
}

fn as_date(raw: &Value, conventions: &Conventions) -> Option<Coerced> {
    let text = raw.as_str()?.trim();
    let with_note = |date: date::Date, taken: bool| {
        let note = match (date.ambiguous, date.precision) {
            (true, _) => Some("day and month could be swapped"),
            (_, Precision::Month) => Some("only month and year are given"),
            (_, Precision::Year) => Some("only the year is given"),
            _ if taken => Some("the date was taken out of a longer text"),
            _ => None,
        };
        Coerced { value: date.iso.into(), note: note.map(str::to_owned) }
    };
    if let Some(date) = date::parse(text, conventions) {
        return Some(with_note(date, false));
    }
    let mut found: Vec<date::Date> = windows(text, 5)
        .filter_map(|words| date::parse(words, conventions))
        .filter(|date| date.precision == Precision::Day)
        .collect();
    found.dedup_by(|a, b| a.iso == b.iso);
    match found.len() {
        1 => found.pop().map(|date| with_note(date, true)),
        _ => None,
    }
}

fn as_boolean(raw: &Value) -> Option<Coerced> {
    match raw {
        Value::Bool(_) => Some(Coerced::clean(raw.clone())),
        Value::String(text) => {
            let first = || {
                text.split([',', '.', ';', ' '])
                    .next()
                    .and_then(boolean::parse)
                    .filter(|_| text.contains([',', '.', ';']))
            };
            boolean::parse(text).or_else(first).map(Coerced::clean)
        }
        Value::Number(number) => boolean::parse(&number.to_string()).map(Coerced::clean),
        _ => None,
    }
}

fn as_json(raw: &Value) -> Option<Coerced> {
    let Value::String(text) = raw else { return Some(Coerced::clean(raw.clone())) };
    let repaired = json::repair(text)?;
    let note = (!repaired.repairs.is_empty()).then(|| {
        let loss = if repaired.lossy { "; something may be missing" } else { "" };
        format!("JSON was repaired: {}{loss}", repaired.repairs.join(", "))
    });
    Some(Coerced { value: repaired.value, note })
}

/// A list of objects; one object is a list of one, and a single key around a list is taken off.
fn as_rows(coerced: Coerced) -> Option<Coerced> {
    let Coerced { value, note } = coerced;
    let rows = match value {
        Value::Object(mut map) if map.len() == 1 && map.values().all(Value::is_array) => {
            let key = map.keys().next()?.clone();
            map.remove(&key)?
        }
        Value::Object(map) => Value::Array(vec![Value::Object(map)]),
        other => other,
    };
    let are_objects = rows.as_array()?.iter().all(Value::is_object);
    are_objects.then_some(Coerced { value: rows, note })
}

/// Runs of up to `longest` words, from left to right, at each place the longest first.
fn windows(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    const MOST_WORDS: usize = 200;
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|(at, ch)| !ch.is_whitespace() && text[..*at].chars().next_back().is_none_or(char::is_whitespace))
        .map(|(at, _)| at)
        .take(MOST_WORDS)
        .collect();
    let count = starts.len();
    (0..count).flat_map(move |first| {
        let starts = starts.clone();
        (1..=longest.min(count - first)).rev().map(move |length| {
            let end = starts.get(first + length).copied().unwrap_or(text.len());
            text[starts[first]..end].trim()
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn enforced(kind: OutputType, raw: Value) -> Value {
        coerce(kind, &raw, &Conventions::default(), true).value
    }

    #[test]
    fn absence_in_any_words_is_null() {
        for word in ["NA", "n/a", "null", "None", "", "-", "Not found."] {
            assert_eq!(
                coerce(OutputType::Text, &json!(word), &Conventions::default(), false),
                Coerced::default(),
                "{word}"
            );
        }
        assert_eq!(enforced(OutputType::Text, json!("Nathan")), json!("Nathan"));
    }

    #[test]
    fn each_type_is_made_of_what_was_said() {
        for (kind, raw, value) in [
            (OutputType::Number, json!("€ 1.234,56"), json!(1234.56)),
            (OutputType::Number, json!("The total is 12.50 EUR."), json!(12.5)),
            (OutputType::Number, json!(7), json!(7)),
            (OutputType::Number, json!("0.12345678901234567891"), json!("0.12345678901234567891")),
            (OutputType::Number, json!("12 of 30"), Value::Null),
            (OutputType::Date, json!("Jan 2nd, 2023"), json!("2023-01-02")),
            (OutputType::Date, json!("Issued on 15 March 2024 in Rome"), json!("2024-03-15")),
            (OutputType::Date, json!("1700000000"), Value::Null),
            (OutputType::Date, json!(1_700_000_000), Value::Null),
            (OutputType::Email, json!("Mail: Jo@ACME.com"), json!("Jo@acme.com")),
            (OutputType::Boolean, json!("Yes, it is."), json!(true)),
            (OutputType::Boolean, json!("no"), json!(false)),
            (OutputType::Boolean, json!("maybe"), Value::Null),
            (OutputType::Json, json!("```json\n{'a': 1,}\n```"), json!({"a": 1})),
            (OutputType::Table, json!("{\"rows\": [{\"a\": 1}]}"), json!([{"a": 1}])),
            (OutputType::LineItem, json!({"a": 1}), json!([{"a": 1}])),
            (OutputType::LineItem, json!("none of them"), Value::Null),
            (OutputType::Text, json!(12.5), json!("12.5")),
        ] {
            assert_eq!(enforced(kind, raw.clone()), value, "{kind:?} {raw}");
        }
    }

    #[test]
    fn what_does_not_convert_is_explained_and_kept_only_when_the_type_is_not_enforced() {
        let loose = coerce(OutputType::Number, &json!("twelve"), &Conventions::default(), false);
        assert_eq!((loose.value, loose.note.is_some()), (json!("twelve"), true));
        let strict = coerce(OutputType::Number, &json!("twelve"), &Conventions::default(), true);
        assert_eq!((strict.value, strict.note.is_some()), (Value::Null, true));
    }

    #[test]
    fn loss_and_ambiguity_are_noted() {
        let note = |kind, raw: &str| coerce(kind, &json!(raw), &Conventions::default(), true).note.unwrap_or_default();
        assert!(note(OutputType::Json, "{\"a\": [1, 2").contains("missing"));
        assert!(note(OutputType::Date, "03/04/2024").contains("swapped"));
        assert!(note(OutputType::Number, "1.234").contains("thousands"));
    }
}
