//! Checks the shape of JSON objects by tables of their fields, so that every problem is found in one pass.
//!
//! What does not fit is noted and taken out. What is left can be read by `serde` and looked at further, so that a
//! misspelt field does not hide a cycle.

use serde::Deserialize;
use serde_json::Value;

use crate::request::Problem;

/// Most problems that are listed; the number of the others is told.
const LISTED: usize = 100;

/// One field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    expected: &'static str,
    fits: fn(&Value) -> bool,
}

impl Field {
    /// A field whose values can be read as a `T`; `expected` says so in words: `a whole number`.
    #[must_use]
    pub const fn of<T: for<'de> Deserialize<'de>>(name: &'static str, expected: &'static str) -> Self {
        Self { name, expected, fits: |value| T::deserialize(value).is_ok() }
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// Notes a problem.
    pub fn report(&mut self, path: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) {
        if self.list.len() < LISTED {
            self.list.push(Problem { path: path.into(), message: message.into(), fix: fix.into() });
        } else {
            self.unlisted += 1;
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Problem> {
        if self.unlisted > 0 {
            let message = format!("{} further problems are not listed", self.unlisted);
            self.list.push(Problem { path: "$".to_owned(), message, fix: "repair these first".to_owned() });
        }
        self.list
    }

    /// Takes out of an object what `fields` do not know or what does not fit, and notes it. A value that is no object
    /// becomes an empty one.
    pub fn check(&mut self, value: &mut Value, path: &str, fields: &[Field]) {
        let Value::Object(object) = value else {
            self.report(path, format!("must be an object, not {}", kind(value)), "write {…}");
            *value = Value::Object(serde_json::Map::new());
            return;
        };
        object.retain(|key, value| {
            let at = format!("{path}.{}", shown(key));
            let Some(field) = fields.iter().find(|field| field.name == key) else {
                let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                self.report(at, "is unknown", format!("known are {}", known.join(", ")));
                return false;
            };
            let fits = (field.fits)(value);
            if !fits {
                self.report(at, format!("must be {}, not {}", field.expected, kind(value)), "correct or omit it");
            }
            fits
        });
    }

    /// Notes that an object lacks a field.
    pub fn require(&mut self, value: &Value, path: &str, name: &str) {
        if value.get(name).is_none() {
            self.report(format!("{path}.{name}"), "is missing", "add it");
        }
    }
}

/// A name from outside, cut so that it cannot flood an answer.
fn shown(key: &str) -> String {
    key.chars().take(64).collect()
}

/// A value in a few words.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => format!("{:?}", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named_and_taken_out() {
        let fields = [Field::of::<u32>("count", "a whole number"), Field::of::<String>("name", "a text")];
        let (mut value, mut problems) = (json!({ "count": "three", "name": "x", "colour": 1 }), Problems::default());
        problems.check(&mut value, "$", &fields);
        problems.require(&value, "$", "count");

        assert_eq!(value, json!({ "name": "x" }));
        let found: Vec<String> =
            problems.into_list().iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect();
        assert_eq!(
            found,
            ["$.count must be a whole number, not \"three\"", "$.colour is unknown", "$.count is missing"]
        );
    }

    #[test]
    fn a_flood_of_problems_is_counted_instead_of_listed() {
        let mut problems = Problems::default();
        for _ in 0..LISTED + 7 {
            problems.report("$", "is bad", "mend it");
        }
        let list = problems.into_list();
        assert_eq!((list.len(), list[LISTED].message.as_str()), (LISTED + 1, "7 further problems are not listed"));
    }
}
