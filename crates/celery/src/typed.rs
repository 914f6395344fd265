//! The values that JSON has no form for, as Kombu writes them: `{"__type__": "datetime", "__value__": "…"}`.
//!
//! They travel on as they are, so that a Python task further down a chain gets the type its author meant. Only handlers
//! see them plain: times, decimals and UUIDs as text, bytes as text or, where they are none, as Base64.

use serde_json::{Map, Value};

use crate::DecodeError;

const TYPE: &str = "__type__";
const VALUE: &str = "__value__";

/// A value without envelopes.
///
/// # Errors
/// [`DecodeError::Typed`] for an envelope of a type that Kombu does not define, or that does not hold what it says.
pub(crate) fn plain(value: Value) -> Result<Value, DecodeError> {
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect::<Result<_, _>>().map(Value::Array),
        Value::Object(fields) => match envelope(&fields) {
            Some((name, inner)) => open(name, inner),
            None => plain_fields(fields).map(Value::Object),
        },
        other => Ok(other),
    }
}

/// The same for the fields of an object.
///
/// # Errors
/// Those of [`plain`].
pub(crate) fn plain_fields(fields: Map<String, Value>) -> Result<Map<String, Value>, DecodeError> {
    fields.into_iter().map(|(name, value)| Ok((name, plain(value)?))).collect()
}

fn envelope(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    match (fields.len(), fields.get(TYPE), fields.get(VALUE)) {
        (2, Some(Value::String(name)), Some(value)) => Some((name, value)),
        _ => None,
    }
}

fn open(name: &str, inner: &Value) -> Result<Value, DecodeError> {
    let text = match (name, inner) {
        ("datetime" | "date" | "time" | "decimal" | "bytes" | "base64", Value::String(text)) => text.clone(),
        ("uuid", Value::Object(fields)) => {
            let hex = fields.get("hex").and_then(Value::as_str);
            let uuid = hex.and_then(|hex| hex.parse::<uuid::Uuid>().ok());
            uuid.ok_or_else(|| DecodeError::Typed(name.to_owned()))?.to_string()
        }
        _ => return Err(DecodeError::Typed(name.to_owned())),
    };
    Ok(Value::String(text))
}

/// Reads JSON as Python writes it: not-a-number and the infinities, which JSON does not know, become null.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) => match without_nan(bytes) {
            Some(cleaned) => serde_json::from_slice(&cleaned),
            None => Err(error),
        },
    }
}

/// The text with null in the place of `NaN`, `Infinity` and `-Infinity` outside strings; nothing when there are none.
fn without_nan(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut cleaned = Vec::with_capacity(bytes.len());
    let (mut rest, mut quoted, mut found) = (bytes, false, false);
    while let Some(&byte) = rest.first() {
        let word = [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|word| rest.starts_with(word));
        let taken = match (quoted, byte, word) {
            (false, _, Some(word)) => {
                found = true;
                cleaned.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                continue;
            }
            (true, b'\\', _) => rest.len().min(2),
            (_, b'"', _) => {
                quoted = !quoted;
                1
            }
            _ => 1,
        };
        cleaned.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    found.then_some(cleaned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kombus_envelopes_become_plain_values_wherever_they_are() {
        let value = json!({"when": {"__type__": "datetime", "__value__": "2026-01-02T03:04:05+00:00"}, "ids": [
            {"__type__": "uuid", "__value__": {"hex": "d520359b2f5945778c3740284802b98a"}},
            {"__type__": "decimal", "__value__": "1.50"}, {"__type__": "base64", "__value__": "/w=="},
        ]});
        let expected = json!({"when": "2026-01-02T03:04:05+00:00",
            "ids": ["d520359b-2f59-4577-8c37-40284802b98a", "1.50", "/w=="]});
        assert_eq!(plain(value).unwrap(), expected);
    }

    #[test]
    fn an_unknown_envelope_is_named() {
        let error = plain(json!([{"__type__": "os.system", "__value__": "rm"}])).unwrap_err();
        assert_eq!(error, DecodeError::Typed("os.system".to_owned()));
    }

    #[test]
    fn what_looks_like_an_envelope_and_has_more_fields_is_an_object() {
        let value = json!({"__type__": "datetime", "__value__": "x", "more": 1});
        assert_eq!(plain(value.clone()).unwrap(), value);
    }

    #[test]
    fn pythons_not_a_number_is_null_and_stays_text_inside_text() {
        let value = parse(br#"[NaN, -Infinity, "NaN \" Infinity", {"a": Infinity}]"#).unwrap();
        assert_eq!(value, json!([null, null, "NaN \" Infinity", {"a": null}]));
    }
}
