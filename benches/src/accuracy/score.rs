//! How right an answer is.

use rust_decimal::Decimal;
use serde_json::Value;

use super::truth::Field;

/// 0 to 1: the best over all spellings that are right.
pub(super) fn score(field: Field, expected: &[String], got: &Value) -> f64 {
    let best = expected.iter().map(|right| against(field, right, got));
    best.fold(0.0, f64::max)
}

fn against(field: Field, right: &str, got: &Value) -> f64 {
    let text = match got {
        Value::Null => return 0.0,
        Value::String(text) => text.clone(),
        Value::Array(rows) => rows.len().to_string(),
        other => other.to_string(),
    };
    let equal = match field {
        Field::InvoiceNumber => id(&text) == id(right),
        Field::IssueDate | Field::Currency | Field::LineItems => text == right,
        Field::Net | Field::Tax | Field::Total | Field::Due => {
            let number = |text: &str| text.parse::<Decimal>().ok().map(|number| number.normalize());
            number(&text).is_some() && number(&text) == number(right)
        }
        Field::Seller | Field::Buyer => return anls(&text, right),
    };
    f64::from(u8::from(equal))
}

/// White space and a leading number sign do not belong to an id.
fn id(text: &str) -> String {
    text.chars().filter(|ch| !ch.is_whitespace()).collect::<String>().trim_start_matches('#').to_owned()
}

/// One less the edit distance over the longer length; nothing below one half.
fn anls(a: &str, b: &str) -> f64 {
    let clean = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let similarity = strsim::normalized_levenshtein(&clean(a), &clean(b));
    if similarity < 0.5 { 0.0 } else { similarity }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_exact_and_names_are_near() {
        let right = |text: &str| vec![text.to_owned()];
        assert_eq!(score(Field::InvoiceNumber, &right("#A 1"), &json!("A1")), 1.0);
        assert_eq!(score(Field::Total, &right("5.00"), &json!(5)), 1.0);
        assert_eq!(score(Field::Total, &right("5.00"), &json!(5.01)), 0.0);
        assert_eq!(score(Field::LineItems, &right("2"), &json!([{}, {}])), 1.0);
        assert_eq!(score(Field::Seller, &right("Acme Ltd"), &json!("ACME LTD")), 1.0);
        assert!((score(Field::Seller, &right("Acme Ltd"), &json!("Acme")) - 0.5).abs() < 1e-9);
        assert_eq!(score(Field::Seller, &right("Acme Ltd"), &json!("Someone else")), 0.0);
        assert_eq!(score(Field::Seller, &right("Acme"), &Value::Null), 0.0);
    }
}
