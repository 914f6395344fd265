//! Is the value of the type that was asked for?

use protocol::answer::Check;
use protocol::request::OutputType;
use rust_decimal::Decimal;
use serde_json::Value;
use values::date::Precision;
use values::{Conventions, date, email};

use crate::{failed, passed};

/// Checks a value that is not null against its type.
#[must_use]
pub fn check(kind: OutputType, value: &Value) -> Check {
    match problem(kind, value) {
        None => passed(Vec::new()),
        Some((score, reason)) => failed(score, reason),
    }
}

/// What is wrong with the value, and how much it is worth all the same.
fn problem(kind: OutputType, value: &Value) -> Option<(f32, String)> {
    let text = value.as_str();
    let conforms = match kind {
        OutputType::Text => text.is_some(),
        // As text where a double would lose digits.
        OutputType::Number => value.is_number() || text.is_some_and(|text| text.parse::<Decimal>().is_ok()),
        OutputType::Email => text.is_some_and(|text| email::parse(text).is_some_and(|found| found == text)),
        OutputType::Boolean => value.is_boolean(),
        OutputType::Json => true,
        OutputType::Table | OutputType::LineItem => {
            value.as_array().is_some_and(|rows| rows.iter().all(Value::is_object))
        }
        OutputType::Date => match text.and_then(|text| Some((text, date::parse(text, &Conventions::default())?))) {
            Some((text, date)) if date.iso == text => match date.precision {
                Precision::Day => true,
                Precision::Month => return Some((0.5, format!("{text} names a month, not a day"))),
                Precision::Year => return Some((0.5, format!("{text} names a year, not a day"))),
            },
            _ => false,
        },
    };
    (!conforms).then(|| (0.0, format!("{} was asked for, the value is {}", kind.as_str(), shape(value))))
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_type_accepts_its_values_and_no_others() {
        let score = |kind, value| check(kind, &value).score;
        for (kind, right, wrong) in [
            (OutputType::Text, json!("a"), json!(1)),
            (OutputType::Number, json!(1.5), json!("1,5 EUR")),
            (OutputType::Number, json!("123456789012345678.90"), json!("twelve")),
            (OutputType::Date, json!("2024-02-29"), json!("2023-02-29")),
            (OutputType::Date, json!("2024-02-28"), json!("28.02.2024")),
            (OutputType::Email, json!("a@example.org"), json!("a at example.org")),
            (OutputType::Boolean, json!(false), json!("false")),
            (OutputType::LineItem, json!([{"amount": 1}]), json!(["row"])),
        ] {
            assert_eq!(score(kind, right.clone()), Some(1.0), "{kind:?} {right}");
            assert_eq!(score(kind, wrong.clone()), Some(0.0), "{kind:?} {wrong}");
        }
        assert_eq!(score(OutputType::Date, json!("2024-02")), Some(0.5));
    }
}
