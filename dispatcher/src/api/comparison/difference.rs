//! Whether two answers are the same.

use std::collections::BTreeSet;

use serde_json::{Number, Value};

/// The first place in which two values differ, as a JSON path; `None` when they are the same. Fields have no order, lists do;
/// numbers are the same by their value, so 1 is 1.0.
pub(super) fn first_difference(first: &Value, second: &Value) -> Option<String> {
    difference(first, second, "$")
}

fn difference(first: &Value, second: &Value, path: &str) -> Option<String> {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
            names.into_iter().find_map(|name| {
                let path = format!("{path}.{name}");
                match (first.get(name), second.get(name)) {
                    (Some(first), Some(second)) => difference(first, second, &path),
                    _ => Some(path),
                }
            })
        }
        (Value::Array(first), Value::Array(second)) => {
            let within = first.iter().zip(second).enumerate();
            let within = within.filter_map(|(place, (one, other))| difference(one, other, &format!("{path}[{place}]")));
            let shorter = first.len().min(second.len());
            let beyond = (first.len() != second.len()).then(|| format!("{path}[{shorter}]"));
            within.chain(beyond).next()
        }
        (Value::Number(first), Value::Number(second)) => (!is_same(first, second)).then(|| path.to_owned()),
        _ => (first != second).then(|| path.to_owned()),
    }
}

/// Whether two numbers have the same value. Whole ones are compared as such: as fractions, large ones would lose digits.
fn is_same(first: &Number, second: &Number) -> bool {
    let are_whole = !first.is_f64() && !second.is_f64();
    let both = first.as_f64().zip(second.as_f64());
    first == second || !are_whole && both.is_some_and(|(first, second)| first.total_cmp(&second).is_eq())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_answers_may_be_written_differently() {
        let pairs = [
            (json!({ "a": 1, "b": [2] }), json!({ "b": [2.0], "a": 1.0 })),
            (json!(null), json!(null)),
            (json!([]), json!([])),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_993_u64)),
        ];
        for (first, second) in pairs {
            assert_eq!(first_difference(&first, &second), None, "{first} {second}");
        }
    }

    #[test]
    fn different_answers_are_told_with_the_first_place() {
        let pairs = [
            (json!({ "a": { "b": [1, 2] } }), json!({ "a": { "b": [1, 3] } }), "$.a.b[1]"),
            (json!({ "a": 1 }), json!({ "a": 1, "b": null }), "$.b"),
            (json!([1]), json!([1, 2]), "$[1]"),
            (json!([1, 2]), json!([2]), "$[0]"),
            (json!("1"), json!(1), "$"),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), "$"),
        ];
        for (first, second, at) in pairs {
            assert_eq!(first_difference(&first, &second).as_deref(), Some(at), "{first} {second}");
        }
    }
}
