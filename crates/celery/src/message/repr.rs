//! Values as Python shows them. For people: nothing reads them back.

use serde_json::Value;

/// Bytes that are shown of arguments and results.
const LONGEST: usize = 1024;

/// A value as `repr` shows it, abridged.
pub(crate) fn python(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    abridged(text)
}

/// A piece of text as `repr` shows it.
pub(crate) fn python_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            c if c == quote => shown.extend(['\\', c]),
            c => shown.push(c),
        }
    }
    shown.push(quote);
    shown
}

/// Arguments as a tuple.
pub(super) fn tuple(values: &[Value]) -> String {
    let mut text = String::from("(");
    list(values, &mut text);
    text.push_str(if values.len() == 1 { ",)" } else { ")" });
    abridged(text)
}

fn write(value: &Value, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(inner) => text.push_str(&python_str(&inner[..inner.floor_char_boundary(LONGEST)])),
        Value::Array(items) => {
            text.push('[');
            list(items, text);
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                text.push_str(&python_str(name));
                text.push_str(": ");
                write(value, text);
            }
            text.push('}');
        }
    }
}

fn list(values: &[Value], text: &mut String) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write(value, text);
    }
}

fn abridged(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST - 3));
        text.push_str("...");
    }
    text
}
