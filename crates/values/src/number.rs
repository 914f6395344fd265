//! Numbers as people write them: any decimal mark and grouping, currencies, percent, accountants' negatives.

use rust_decimal::Decimal;

use crate::conventions::{Conventions, DecimalMark};
use crate::currency;

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The value; of `12,5 %` it is 12.5.
    pub value: Decimal,
    /// ISO 4217 code of the currency that stood beside it.
    pub currency: Option<&'static str>,
    /// Whether a percent sign stood beside it.
    pub percent: bool,
    /// Whether it could be another number and the document does not decide: `1.234`.
    pub ambiguous: bool,
}

impl Number {
    /// As a JSON number, or as text where a double would lose digits.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        decimal_to_json(self.value)
    }
}

/// As a JSON number, or as text where a double would lose digits.
#[must_use]
pub fn decimal_to_json(value: Decimal) -> serde_json::Value {
    let value = value.normalize();
    let text = value.to_string();
    if value.scale() == 0 {
        return text.parse::<i64>().map_or_else(|_| text.into(), Into::into);
    }
    match text.parse::<f64>() {
        Ok(double) if double.to_string() == text => double.into(),
        _ => text.into(),
    }
}

/// Longest text that can be a number, in bytes: the rest of a long paragraph need not be looked at.
const LONGEST: usize = 64;

/// Reads a text that is a number and nothing else: `1.234,56`, `(1,234.56)`, `$1.2k`, `12,5 %`, `1'234.50 CHF`, `99.00 CR`.
#[must_use]
pub fn parse(text: &str, conventions: &Conventions) -> Option<Number> {
    if text.len() > LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut rest = text.trim();
    let mut negative = false;
    let mut percent = false;
    let mut code = None;
    // Signs, brackets, currencies and percent come in any order around the digits; every turn takes one off.
    loop {
        let before = rest.len();
        // Swiss and Dutch round amounts: `12.--`, `12,-`.
        rest = rest.strip_suffix(".-").or_else(|| rest.strip_suffix(",-")).unwrap_or(rest);
        if let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            (rest, negative) = (inner.trim(), true);
        }
        for minus in ['-', '−', '–'] {
            if let Some(inner) = rest.strip_prefix(minus).or_else(|| rest.strip_suffix(minus)) {
                (rest, negative) = (inner.trim(), true);
            }
        }
        rest = rest.strip_prefix('+').unwrap_or(rest);
        if let Some(inner) = rest.strip_suffix('%').or_else(|| rest.strip_suffix(" percent")) {
            (rest, percent) = (inner.trim(), true);
        }
        if let Some(inner) = strip_word(rest, "CR") {
            (rest, negative) = (inner, true);
        }
        if let Some(inner) = strip_word(rest, "DR") {
            rest = inner;
        }
        if code.is_none() {
            (rest, code) = currency::strip(rest);
        }
        if rest.len() == before {
            break;
        }
    }
    let (digits, factor) = magnitude(rest, code.is_some());
    let (value, ambiguous) = digits_of(digits, conventions)?;
    let value = value.checked_mul(factor)?;
    Some(Number { value: if negative { -value } else { value }, currency: code, percent, ambiguous })
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let cut = text.len().checked_sub(word.len())?;
    let tail = text.get(cut..)?;
    (tail.eq_ignore_ascii_case(word) && text[..cut].ends_with(|ch: char| ch.is_ascii_digit() || ch == ' '))
        .then(|| text[..cut].trim())
}

/// `1.2k` is 1,200; millions only beside a currency, where `m` cannot mean metres.
fn magnitude(text: &str, money: bool) -> (&str, Decimal) {
    let factor = match text.as_bytes() {
        [.., digit, b'k' | b'K'] if digit.is_ascii_digit() => Decimal::ONE_THOUSAND,
        [.., digit, b'm' | b'M'] if digit.is_ascii_digit() && money => Decimal::from(1_000_000),
        _ => return (text, Decimal::ONE),
    };
    (&text[..text.len() - 1], factor)
}

/// The digits between their separators; and whether the one separator could mean either thing.
fn digits_of(text: &str, conventions: &Conventions) -> Option<(Decimal, bool)> {
    let is_space = |ch: char| matches!(ch, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’' | '_');
    if text.is_empty() || !text.chars().all(|ch| ch.is_ascii_digit() || matches!(ch, '.' | ',') || is_space(ch)) {
        return None;
    }
    let (points, commas) = (text.matches('.').count(), text.matches(',').count());
    let spaced = text.contains(is_space);
    let mut ambiguous = false;
    let decimal_at = match (points, commas) {
        (0, 0) => None,
        // Both: the last one is the decimal mark and stands alone.
        (1.., 1..) => {
            let last = text.rfind(['.', ','])?;
            let alone = if text.as_bytes()[last] == b'.' { points == 1 } else { commas == 1 };
            Some(last).filter(|_| alone).map(Some)?
        }
        (1, 0) | (0, 1) => {
            let at = text.find(['.', ','])?;
            let (whole, fraction) = (&text[..at], &text[at + 1..]);
            let groups_of_three = fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            if spaced || !groups_of_three {
                Some(at)
            } else {
                let mark = if points == 1 { DecimalMark::Point } else { DecimalMark::Comma };
                ambiguous = !conventions.decimal_mark.is_shown();
                let decimal = conventions.decimal_mark.get().map_or(mark == DecimalMark::Point, |shown| shown == mark);
                decimal.then_some(at)
            }
        }
        // The same mark several times can only group.
        _ => None,
    };
    let (whole, fraction) = match decimal_at {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    if !fraction.chars().all(|ch| ch.is_ascii_digit()) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let groups: Vec<&str> = whole.split(|ch: char| is_space(ch) || matches!(ch, '.' | ',')).collect();
    if !well_grouped(&groups) {
        return None;
    }
    let digits = format!("{}.{}", groups.concat(), fraction);
    let digits = digits.trim_end_matches('.');
    let digits = if digits.starts_with('.') { format!("0{digits}") } else { digits.to_owned() };
    Some((Decimal::from_str_exact(&digits).ok()?, ambiguous))
}

/// Groups of three, or the Indian way: three at the end and twos before.
fn well_grouped(groups: &[&str]) -> bool {
    let [first, middle @ .., last] = groups else { return true };
    let lengths = |each: usize| middle.iter().all(|group| group.len() == each);
    last.len() == 3
        && ((lengths(3) && (1..=3).contains(&first.len())) || (lengths(2) && (1..=2).contains(&first.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conventions::Vote;

    fn read(text: &str) -> Option<String> {
        parse(text, &Conventions::default()).map(|number| number.value.normalize().to_string())
    }

    #[test]
    fn every_way_to_write_a_number_is_read() {
        for (text, value) in [
            ("1.234,56", "1234.56"),
            ("1,234.56", "1234.56"),
            ("1 234,56", "1234.56"),
            ("1\u{202f}234,56", "1234.56"),
            ("1\u{a0}234\u{a0}567,8", "1234567.8"),
            ("1'234.56", "1234.56"),
            ("1’234.56", "1234.56"),
            ("(1,234.56)", "-1234.56"),
            ("1,234.56-", "-1234.56"),
            ("-€ 5,00", "-5"),
            ("€ -5,00", "-5"),
            ("−12.5", "-12.5"),
            ("$1.2k", "1200"),
            ("$3m", "3000000"),
            ("12,5%", "12.5"),
            ("12,5 %", "12.5"),
            ("1,23,456.00", "123456"),
            ("12,34,567", "1234567"),
            ("99.00 CR", "-99"),
            ("99.00DR", "99"),
            ("Rs. 319.00", "319"),
            ("EUR 1.234.567,89", "1234567.89"),
            ("0.125", "0.125"),
            (".5", "0.5"),
            ("0,0000", "0"),
            ("12345678901234567890.12", "12345678901234567890.12"),
            ("CHF 12.-", "12"),
            ("€ 12,-", "12"),
        ] {
            assert_eq!(read(text).as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_read() {
        for text in [
            "",
            "abc",
            "12.05.2024",
            "1,2,3",
            "12 34",
            "A12",
            "12 pcs",
            "1.2.3",
            "1,,2",
            "--",
            "€",
            "12:30",
            "1.234.56",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn one_group_of_three_asks_the_document() {
        let with = |mark| Conventions { decimal_mark: mark, ..Conventions::default() };
        let number = |text, mark| parse(text, &with(mark)).unwrap();
        let comma = number("1.234", Vote::Shown(DecimalMark::Comma));
        assert_eq!((comma.value, comma.ambiguous), (Decimal::from(1234), false));
        let point = number("1.234", Vote::Shown(DecimalMark::Point));
        assert_eq!((point.value, point.ambiguous), (Decimal::new(1234, 3), false));
        assert!(number("1.234", Vote::Unknown).ambiguous);
        assert!(number("1,234", Vote::Hinted(DecimalMark::Point)).ambiguous);
        assert!(!number("0.234", Vote::Unknown).ambiguous);
    }

    #[test]
    fn currency_and_percent_are_kept() {
        let number = parse("US$ 1,000.00", &Conventions::default()).unwrap();
        assert_eq!((number.currency, number.percent), (Some("USD"), false));
        assert!(parse("19 %", &Conventions::default()).unwrap().percent);
    }

    #[test]
    fn json_keeps_every_digit() {
        let json = |text| parse(text, &Conventions::default()).unwrap().to_json();
        assert_eq!(json("1,234.50"), serde_json::json!(1234.5));
        assert_eq!(json("7.00"), serde_json::json!(7));
        assert_eq!(json("0.12345678901234567890"), serde_json::json!("0.1234567890123456789"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,80}") {
            let _ = parse(&text, &Conventions::default());
        }

        #[test]
        fn what_both_conventions_write_is_the_same_number(whole in 0_i64..99_999_999, cents in 0_i64..100) {
            let grouped = |group: &str| {
                let digits = whole.to_string();
                let head = digits.len() % 3;
                let mut parts: Vec<&str> = if head > 0 { vec![&digits[..head]] } else { vec![] };
                parts.extend((head..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
                parts.join(group)
            };
            let expected = Some(Decimal::new(whole * 100 + cents, 2).normalize().to_string());
            for (group, mark) in [(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u{202f}", ",")] {
                prop_assert_eq!(read(&format!("{}{mark}{cents:02}", grouped(group))), expected.clone());
            }
        }
    }
}
