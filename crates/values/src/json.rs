//! JSON as language models write it: between prose, in fences, with single quotes, trailing commas, bare words,
//! grouped numbers, quotes inside quotes, cut off in the middle.
//!
//! Nothing is lost silently: what a repair had to drop makes the result [`Repaired::lossy`], and a number
//! that a double cannot hold stays text.

use serde_json::Value;

mod parser;

use parser::Parser;

/// JSON that was read, and what had to be done for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    /// The value.
    pub value: Value,
    /// What was wrong, each once, in the order it was met; empty for correct JSON.
    pub repairs: Vec<String>,
    /// Whether something may be missing: ask again rather than accept it.
    pub lossy: bool,
}

/// How deep brackets may nest: far above any answer, far below what the stack bears.
pub const MAX_DEPTH: usize = 128;
/// Texts longer than this, in bytes, are refused.
pub const MAX_LENGTH: usize = 8 << 20;
/// How many opening brackets within prose are tried.
const MAX_STARTS: usize = 16;

/// Reads the first JSON value in `text`, repairing it where needed; `None` when there is none, or it is too deep or too long.
#[must_use]
pub fn repair(text: &str) -> Option<Repaired> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let text = text.trim_start_matches('\u{feff}');
    let body = text.trim();
    if let Some(scalar) = scalar(body) {
        return Some(Repaired { value: scalar, repairs: Vec::new(), lossy: false });
    }
    let mut truncated = None;
    let mut read_to = 0;
    for (at, _) in body.match_indices(['{', '[']).take(MAX_STARTS) {
        // What opens within a value that was read already is a part of it.
        if at < read_to {
            continue;
        }
        let Some((mut repaired, end)) = Parser::read(body, at) else { continue };
        read_to = end;
        // "[1]" in prose is a footnote, "[the]" an aside: only what parses without a hole is taken at once.
        let around = !body[..at].trim().is_empty() || !body[end..].trim().is_empty();
        if around {
            repaired.repairs.insert(0, "text around the JSON was dropped".to_owned());
        }
        if !repaired.lossy && (!around || at == 0 || is_substantial(&repaired.value)) {
            return Some(repaired);
        }
        truncated.get_or_insert(repaired);
    }
    truncated
}

/// A whole text that is a JSON string, number, `true`, `false` or `null`.
fn scalar(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(text).ok().map(Value::String),
        b'-' | b'0'..=b'9' => parser::number(text),
        _ => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            _ => None,
        },
    }
}

fn is_substantial(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()) || items.len() > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn correct_json_is_left_alone() {
        for text in [
            r#"{"a":[1,2.5,"x",null,true,{"b":"c\n\u00e9\ud83d\ude00"}]}"#,
            "[]",
            "{}",
            "[1,234]",
            "\"x\"",
            "-1.5e3",
            "null",
        ] {
            let read = repair(text).unwrap();
            assert_eq!(
                (read.value, read.repairs.len(), read.lossy),
                (serde_json::from_str::<Value>(text).unwrap(), 0, false),
                "{text}"
            );
        }
    }

    #[test]
    fn damage_is_repaired_without_loss() {
        for (text, value) in [
            ("```json\n{\"a\": 1}\n```", json!({"a": 1})),
            ("Sure! Here it is: {\"a\": 1} Hope that helps.", json!({"a": 1})),
            ("As in [1], the answer is {\"a\": [2]}.", json!({"a": [2]})),
            ("{'a': 'it\\'s', 'b': None, 'c': True}", json!({"a": "it's", "b": null, "c": true})),
            ("{\"a\": 1, \"b\": [1, 2,],}", json!({"a": 1, "b": [1, 2]})),
            ("{\"a\": \"line one\nline two\"}", json!({"a": "line one\nline two"})),
            (r#"{"amt": 1,234.50}"#, json!({"amt": "1,234.50"})),
            (r#"{"amt": 1,234,567, "b": 2}"#, json!({"amt": "1,234,567", "b": 2})),
            (r#"{"d": 2024-01-02}"#, json!({"d": "2024-01-02"})),
            (r#"{"id": 00123}"#, json!({"id": "00123"})),
            (r#"{"a": "he said "hi" to me"}"#, json!({"a": "he said \"hi\" to me"})),
            (r#"{"a": "he said "hi", then left", "b": 1}"#, json!({"a": "he said \"hi\", then left", "b": 1})),
            ("{a: 1, b_c: two words}", json!({"a": 1, "b_c": "two words"})),
            ("{\"a\": 1 // one\n, \"b\": 2 /* two */}", json!({"a": 1, "b": 2})),
            ("{\"a\": 0.12345678901234567891}", json!({"a": "0.12345678901234567891"})),
            ("{\"a\": 12345678901234567890123}", json!({"a": "12345678901234567890123"})),
            ("{\"a\" \"b\" \"c\": 1 \"d\": 2}", json!({"a": "b", "c": 1, "d": 2})),
            ("{\u{201c}a\u{201d}: \u{201c}x\u{201d}}", json!({"a": "x"})),
            ("{\"a\": NaN, \"b\": undefined}", json!({"a": null, "b": null})),
            ("{\"a\": .5, \"b\": +1}", json!({"a": ".5", "b": "+1"})),
        ] {
            let read = repair(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.value, value, "{text}");
            assert!(!read.lossy, "{text}: {:?}", read.repairs);
        }
    }

    #[test]
    fn what_was_cut_off_is_closed_and_marked() {
        for (text, value) in [
            (r#"{"a": 1, "b": [1, 2"#, json!({"a": 1, "b": [1, 2]})),
            (r#"{"a": "hello wor"#, json!({"a": "hello wor"})),
            (r#"[{"a": 1}, {"b""#, json!([{"a": 1}, {"b": null}])),
            (r#"{"a":"#, json!({"a": null})),
        ] {
            let read = repair(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((read.value, read.lossy), (value, true), "{text}");
        }
    }

    #[test]
    fn bombs_and_prose_are_refused() {
        assert_eq!(repair(&"[".repeat(100_000)), None);
        assert_eq!(repair(&"{\"a\":".repeat(100_000)), None);
        assert_eq!(repair("no JSON here"), None);
        assert_eq!(repair(""), None);
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in r#"[\[\]{}",:'a0\\ \n.\-]{0,60}"#) {
            let _ = repair(&text);
        }

        #[test]
        fn what_serde_writes_is_read_back(keys in prop::collection::vec("\\PC{0,12}", 0..5), number in any::<i64>()) {
            let value: Value = keys.iter().map(|key| (key.clone(), json!([key, number, 1.5, null]))).collect::<serde_json::Map<_, _>>().into();
            let read = repair(&value.to_string()).unwrap();
            prop_assert!(read.repairs.is_empty());
            prop_assert_eq!(read.value, value);
        }
    }
}
