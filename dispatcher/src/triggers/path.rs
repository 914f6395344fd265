//! Where in an event something stands: `data.invoice.items.0.sku`.

use std::fmt;

use serde_json::Value;

/// Most steps of a path.
const STEPS: usize = 16;

/// Longest path, in bytes.
const LONGEST: usize = 256;

/// What to write instead of a path that cannot be used.
pub(super) const FIX: &str = "write names separated by dots, such as \"data.invoice.total\" or \"data.items.0.sku\"";

/// A place in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// Reads a path; `None` when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let steps = text.split('.');
        let usable = |step: &str| !step.is_empty() && !step.contains(char::is_control);
        let fits = text.len() <= LONGEST && steps.clone().count() <= STEPS && steps.clone().all(usable);
        fits.then(|| Self(text.to_owned()))
    }

    /// What stands there, if anything.
    #[must_use]
    pub fn of<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        self.0.split('.').try_fold(event, |value, step| match value {
            Value::Object(object) => object.get(step),
            Value::Array(list) => list.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let event = json!({ "type": "t", "data": { "items": [{ "sku": 7 }], "": 1 } });
        let at = |text: &str| Path::read(text).unwrap().of(&event).cloned();
        assert_eq!(at("data.items.0.sku"), Some(json!(7)));
        assert_eq!(at("type"), Some(json!("t")));
        for nowhere in ["data.items.1", "data.items.-1", "data.items.sku", "type.x", "nothing"] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", ".", "data.", "a..b", "a\0b", &"a.".repeat(20), &"a".repeat(300)] {
            assert_eq!(Path::read(bad), None, "{bad:?}");
        }
    }
}
