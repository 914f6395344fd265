//! Which events a subscription wants beyond their type: conditions as data, all of which have to hold.

use std::cmp::Ordering;

use protocol::shape::{Field, Problems};
use serde_json::{Number, Value};

use super::path::{self, Path};

/// Most values that one condition lists.
const VALUES: usize = 1_000;

const FIELDS: &[Field] = &[
    Field::of::<String>("path", "a path in the event"),
    Field::of::<String>("op", OPS),
    Field::of::<Value>("value", "any JSON value"),
];

const OPS: &str = "\"eq\", \"ne\", \"in\", \"prefix\", \"suffix\", \"exists\", \"gt\" or \"lt\"";

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    path: Path,
    test: Test,
}

/// What has to hold of the value at the path. Of a value that is not there, only `NotEqual` and `Exists(false)` hold.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equal(Value),
    NotEqual(Value),
    In(Vec<Value>),
    Prefix(String),
    Suffix(String),
    Exists(bool),
    Above(Value),
    Below(Value),
}

impl Condition {
    /// Reads a condition that stands at `at`; `None` when `problems` has what is wrong with it.
    pub fn read(mut value: Value, at: &str, problems: &mut Problems) -> Option<Self> {
        problems.check(&mut value, at, FIELDS);
        problems.require(&value, at, "path");
        problems.require(&value, at, "op");
        let path = value.get("path").and_then(Value::as_str).and_then(|text| {
            let path = Path::read(text);
            if path.is_none() {
                problems.report(format!("{at}.path"), "is no path", path::FIX);
            }
            path
        });
        let op = value.get("op").and_then(Value::as_str)?;
        let wanted = value.get("value").cloned();
        match Test::read(op, wanted) {
            Ok(test) => Some(Self { path: path?, test }),
            Err(Wrong::Op) => {
                problems.report(format!("{at}.op"), "is unknown", format!("write {OPS}"));
                None
            }
            Err(Wrong::Value(expected)) => {
                problems.report(format!("{at}.value"), format!("must be {expected}"), "correct it");
                None
            }
        }
    }

    /// Whether it holds of an event.
    #[must_use]
    pub fn holds(&self, event: &Value) -> bool {
        self.test.holds(self.path.of(event))
    }

    /// Where it looks.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What is wrong with an operation.
enum Wrong {
    Op,
    Value(&'static str),
}

impl Test {
    fn read(op: &str, value: Option<Value>) -> Result<Self, Wrong> {
        const TEXT: Wrong = Wrong::Value("a text");
        const ORDERED: Wrong = Wrong::Value("a number or a text");
        let ordered =
            |value: Option<Value>| value.filter(|value| value.is_number() || value.is_string()).ok_or(ORDERED);
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => Ok(text),
            _ => Err(TEXT),
        };
        let any = |value: Option<Value>| value.ok_or(Wrong::Value("given"));
        Ok(match op {
            "eq" => Self::Equal(any(value)?),
            "ne" => Self::NotEqual(any(value)?),
            "in" => match value {
                Some(Value::Array(list)) if (1..=VALUES).contains(&list.len()) => Self::In(list),
                _ => return Err(Wrong::Value("a list of 1 to 1000 values")),
            },
            "prefix" => Self::Prefix(text(value)?),
            "suffix" => Self::Suffix(text(value)?),
            "exists" => match value {
                None => Self::Exists(true),
                Some(Value::Bool(wanted)) => Self::Exists(wanted),
                Some(_) => return Err(Wrong::Value("true or false")),
            },
            "gt" => Self::Above(ordered(value)?),
            "lt" => Self::Below(ordered(value)?),
            _ => return Err(Wrong::Op),
        })
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else { return matches!(self, Self::NotEqual(_) | Self::Exists(false)) };
        match self {
            Self::Equal(wanted) => equal(found, wanted),
            Self::NotEqual(wanted) => !equal(found, wanted),
            Self::In(list) => list.iter().any(|wanted| equal(found, wanted)),
            Self::Prefix(begin) => found.as_str().is_some_and(|text| text.starts_with(begin.as_str())),
            Self::Suffix(end) => found.as_str().is_some_and(|text| text.ends_with(end.as_str())),
            Self::Exists(wanted) => *wanted,
            Self::Above(bound) => order(found, bound) == Some(Ordering::Greater),
            Self::Below(bound) => order(found, bound) == Some(Ordering::Less),
        }
    }
}

/// 1 and 1.0 are the same number.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other) == Some(Ordering::Equal),
        _ => one == other,
    }
}

/// Numbers by size, texts by their bytes (which puts times in UTC in order); anything else has no order.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// Whole numbers exactly, others as far as floating point goes.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(value: Value) -> Condition {
        let mut problems = Problems::default();
        let read = Condition::read(value, "$", &mut problems);
        read.unwrap_or_else(|| panic!("{:?}", problems.into_list()))
    }

    #[test]
    fn each_operation_means_what_it_says() {
        let event = json!({ "type": "t", "data": { "n": 10, "f": 2.5, "s": "invoice.pdf", "null": null, "big": 9_007_199_254_740_993_i64 } });
        let cases = [
            ("data.n", "eq", json!(10.0), true),
            ("data.n", "eq", json!("10"), false),
            ("data.big", "eq", json!(9_007_199_254_740_992_i64), false),
            ("data.n", "ne", json!(11), true),
            ("data.missing", "ne", json!(1), true),
            ("data.missing", "eq", json!(null), false),
            ("data.null", "eq", json!(null), true),
            ("data.s", "in", json!(["a", "invoice.pdf"]), true),
            ("data.s", "in", json!(["a"]), false),
            ("data.s", "prefix", json!("inv"), true),
            ("data.s", "suffix", json!(".pdf"), true),
            ("data.n", "suffix", json!("0"), false),
            ("data.s", "exists", json!(true), true),
            ("data.missing", "exists", json!(false), true),
            ("data.missing", "exists", json!(true), false),
            ("data.n", "gt", json!(9.5), true),
            ("data.n", "gt", json!(10), false),
            ("data.f", "lt", json!(3), true),
            ("data.s", "gt", json!(3), false),
            ("data.s", "gt", json!("inv"), true),
        ];
        for (path, op, value, expected) in cases {
            let wanted = json!({ "path": path, "op": op, "value": value });
            assert_eq!(condition(wanted.clone()).holds(&event), expected, "{wanted}");
        }
    }

    #[test]
    fn a_condition_that_makes_no_sense_is_refused_with_its_place() {
        let cases = [
            (json!({ "path": "a..b", "op": "eq", "value": 1 }), "$.path"),
            (json!({ "path": "a", "op": "matches", "value": "(a+)+$" }), "$.op"),
            (json!({ "path": "a", "op": "in", "value": [] }), "$.value"),
            (json!({ "path": "a", "op": "in", "value": vec![0; 1_001] }), "$.value"),
            (json!({ "path": "a", "op": "gt", "value": true }), "$.value"),
            (json!({ "path": "a", "op": "prefix", "value": 1 }), "$.value"),
            (json!({ "path": "a", "op": "exists", "value": 1 }), "$.value"),
            (json!({ "path": "a", "op": "eq" }), "$.value"),
            (json!({ "path": "a", "op": "eq", "value": 1, "not": true }), "$.not"),
            (json!({ "op": "exists" }), "$.path"),
            (json!("a == 1"), "$"),
        ];
        for (value, place) in cases {
            let mut problems = Problems::default();
            let _ = Condition::read(value.clone(), "$", &mut problems);
            let list = problems.into_list();
            assert!(list.iter().any(|problem| problem.path == place), "{value}: {list:?}");
        }
    }
}
