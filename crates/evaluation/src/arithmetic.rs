//! Do the amounts add up?
//!
//! Net and tax have to give the total, and the invoice lines have to sum up to one of net and total. Only amounts
//! that exactly one question asks for are compared, so that an unusual set of questions is not judged wrongly.

use std::collections::BTreeMap;

use protocol::answer::{Answer, Check};
use protocol::request::{OutputSpec, OutputType};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use values::{Conventions, number};

use crate::amounts::{Role, amount_column, role};
use crate::{failed, passed};

/// One smallest coin of most currencies: what rounding may add or lose for each amount that is added.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// The checks that apply, by prompt name.
#[must_use]
pub fn check(answered: &[(&OutputSpec, &Answer)], conventions: &Conventions) -> BTreeMap<String, Check> {
    let amount = |wanted: Role| {
        let mut of_role = answered.iter().filter(|(spec, _)| role(spec) == Some(wanted));
        match (of_role.next(), of_role.next()) {
            (Some((spec, answer)), None) => Some((spec.name.as_str(), decimal(&answer.value, conventions)?)),
            _ => None,
        }
    };
    let (net, tax, total) = (amount(Role::Net), amount(Role::Tax), amount(Role::Total));
    let mut checks = BTreeMap::new();
    if let (Some(net), Some(tax), Some(total)) = (net, tax, total) {
        let check = compare(&[net.1, tax.1], &format!("{} + {}", net.1, tax.1), &[total]);
        for (name, _) in [net, tax, total] {
            checks.insert(name.to_owned(), check.clone());
        }
    }
    let sums: Vec<(&str, Decimal)> = [net, total].into_iter().flatten().collect();
    for (spec, answer) in answered.iter().filter(|(spec, _)| spec.kind == OutputType::LineItem) {
        if let (Some(amounts), false) = (line_amounts(&answer.value, conventions), sums.is_empty()) {
            let what = format!("the sum of {} lines", amounts.len());
            checks.insert(spec.name.clone(), compare(&amounts, &what, &sums));
        }
    }
    checks
}

/// Whether the summands give one of the expected sums.
fn compare(summands: &[Decimal], what: &str, expected: &[(&str, Decimal)]) -> Check {
    let Some(sum) = summands.iter().try_fold(Decimal::ZERO, |sum, amount| sum.checked_add(*amount)) else {
        return failed(0.0, format!("{what} is too large to be computed"));
    };
    let tolerance = CENT * Decimal::from(summands.len());
    let differs = |amount: Decimal| amount.checked_sub(sum).is_none_or(|difference| difference.abs() > tolerance);
    if let Some((name, amount)) = expected.iter().find(|(_, amount)| !differs(*amount)) {
        return passed(vec![format!("{what} = {sum}, {name} is {amount}")]);
    }
    let but: Vec<String> = expected.iter().map(|(name, amount)| format!("{name} is {amount}")).collect();
    failed(0.0, format!("{what} = {sum}, but {}", but.join(" and ")))
}

/// The amounts of all rows, from the column that is named most like one. None where a row has none.
fn line_amounts(value: &Value, conventions: &Conventions) -> Option<Vec<Decimal>> {
    let rows: Vec<&Map<String, Value>> = value.as_array()?.iter().map(Value::as_object).collect::<Option<_>>()?;
    let column = rows.first()?.keys().filter_map(|key| Some((amount_column(key)?, key))).min()?.1;
    rows.into_iter().map(|row| decimal(row.get(column)?, conventions)).collect()
}

fn decimal(value: &Value, conventions: &Conventions) -> Option<Decimal> {
    let amount = match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
        }
        // Text that coercion left because a double would lose digits is plain; cells of a table are as printed.
        Value::String(text) => text.parse().ok().or_else(|| Some(number::parse(text, conventions)?.value)),
        _ => None,
    };
    amount.map(|amount| amount.normalize())
}
