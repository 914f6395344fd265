//! What holds for every value of a request wherever it stands: bounded nesting and no NUL character.
//!
//! NUL is refused because databases refuse it: a run would fail when its result is recorded.

use serde_json::Value;

use super::limits;
use super::path::Path;
use super::problems::Problems;

/// Whether the value may be read further.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Survey {
    Fine,
    TooDeep,
}

impl Survey {
    pub(super) fn is_too_deep(self) -> bool {
        self == Self::TooDeep
    }
}

pub(super) fn walk(request: &Value, problems: &Problems) -> Survey {
    walk_at(request, &Path::root(), 1, problems)
}

/// Stops at the first value that is too deep; its own recursion is bounded by that.
fn walk_at(value: &Value, path: &Path<'_>, depth: usize, problems: &Problems) -> Survey {
    match value {
        Value::Array(_) | Value::Object(_) if depth > limits::DEPTH => {
            let message = format!("is nested more than {} levels deep", limits::DEPTH);
            problems.report(&Path::root(), message, "flatten it, or send it as a string");
            return Survey::TooDeep;
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if walk_at(item, &path.index(index), depth + 1, problems).is_too_deep() {
                    return Survey::TooDeep;
                }
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                if key.contains('\0') {
                    problems.report(&path.key(key), "the field's name holds a NUL character", "remove it");
                }
                if walk_at(entry, &path.key(key), depth + 1, problems).is_too_deep() {
                    return Survey::TooDeep;
                }
            }
        }
        Value::String(text) if text.contains('\0') => {
            problems.report(path, "holds a NUL character", "remove it");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Survey::Fine
}
