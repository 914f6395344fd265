//! What is right: two shapes of truth files, one meaning.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

/// A field whose truth may be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Number of the invoice.
    InvoiceNumber,
    /// Day it was issued.
    IssueDate,
    /// Who sells.
    Seller,
    /// Who buys.
    Buyer,
    /// ISO 4217 code.
    Currency,
    /// Sum before tax.
    Net,
    /// Tax.
    Tax,
    /// Sum with tax.
    Total,
    /// What is still to be paid.
    Due,
    /// How many items there are.
    LineItems,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 10] = [
        Self::InvoiceNumber,
        Self::IssueDate,
        Self::Seller,
        Self::Buyer,
        Self::Currency,
        Self::Net,
        Self::Tax,
        Self::Total,
        Self::Due,
        Self::LineItems,
    ];

    /// Name of the question that asks for it.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::InvoiceNumber => "invoice_number",
            Self::IssueDate => "issue_date",
            Self::Seller => "seller",
            Self::Buyer => "buyer",
            Self::Currency => "currency",
            Self::Net => "net_amount",
            Self::Tax => "tax_amount",
            Self::Total => "total_amount",
            Self::Due => "amount_due",
            Self::LineItems => "line_items",
        }
    }
}

/// The known fields of one document, each with every spelling that is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected(Vec<(Field, Vec<String>)>);

impl Expected {
    /// Field by field.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &[String])> {
        self.0.iter().map(|(field, right)| (*field, right.as_slice()))
    }
}

/// Reads a truth file.
///
/// # Errors
/// When it cannot be read or is no JSON.
pub(super) fn read(path: &Path) -> Result<Expected> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let json: Value = serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))?;
    Ok(expected(json.get(0).unwrap_or(&json)))
}

/// The shape made from electronic invoices (`grand_total`, `YYYYMMDD`) and that of invoice2data (`amount`, `issuer`).
fn expected(truth: &Value) -> Expected {
    let texts = |keys: &[&str]| -> Vec<String> {
        let found = keys.iter().filter_map(|key| truth.get(key));
        let texts = found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        texts.filter(|text| !text.is_empty() && text != "null").collect()
    };
    let date = |text: String| match text.len() {
        8 => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        _ => text,
    };
    let mut fields = vec![
        (Field::InvoiceNumber, texts(&["invoice_number"])),
        (Field::IssueDate, texts(&["issue_date", "date"]).into_iter().map(date).collect()),
        (Field::Seller, texts(&["seller", "issuer", "partner_name"])),
        (Field::Buyer, texts(&["buyer"])),
        (Field::Currency, texts(&["currency"])),
        (Field::Net, texts(&["net", "amount_untaxed"])),
        (Field::Tax, texts(&["tax"])),
        (Field::Total, texts(&["grand_total", "amount"])),
        (Field::Due, texts(&["due"])),
        (Field::LineItems, items(truth).map(|count| count.to_string()).into_iter().collect()),
    ];
    fields.retain(|(_, right)| !right.is_empty());
    Expected(fields)
}

/// How many items there are; profiles without lines say nothing about them, remarks between lines are none.
fn items(truth: &Value) -> Option<usize> {
    let listed = truth.get("lines").or_else(|| truth.get("line_items"))?;
    let count = match listed {
        Value::Array(lines) => lines
            .iter()
            .filter(|line| line.as_object().is_some_and(|line| line.keys().any(|key| key != "line_note")))
            .count(),
        other => usize::try_from(other.as_u64()?).ok()?,
    };
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_mean_the_same() {
        let electronic = json!({"invoice_number": "7", "issue_date": "20240315", "seller": "A", "grand_total": "5.00", "line_items": 2});
        let templates = json!({"invoice_number": "7", "date": "2024-03-15", "issuer": "A", "amount": 5.0, "lines": [{"name": "x"}, {"name": "y"}, {"line_note": "z"}]});
        let numbers = |expected: &Expected| {
            expected
                .fields()
                .map(|(field, right)| (field, right[0].clone()))
                .filter(|(field, _)| *field != Field::Total)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&expected(&electronic)), numbers(&expected(&templates)));
        assert_eq!(expected(&json!({"line_items": 0})), Expected::default());
    }
}
