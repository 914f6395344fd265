//! JSON in the one form that is signed (RFC 8785).

use serde_json::Value;

/// The canonical text of a value: members in the order of their names, no blanks. Numbers here are whole.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
            let member = |name: &String| format!("{}:{}", Value::from(name.as_str()), text(&members[name]));
            format!("{{{}}}", names.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
