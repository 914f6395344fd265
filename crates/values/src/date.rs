//! Dates as people write them, in about fifteen languages.
//!
//! A date is read from its shape: which parts are numbers, which are month names, and what stands between
//! them. Order, where both are possible, comes from the document's [`Conventions`].

use jiff::civil;

use crate::conventions::{Conventions, DateOrder};
use crate::fold::fold;

mod months;

pub use months::month;

/// A date that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Date {
    /// ISO 8601, as long as the precision: `2024-03-15`, `2024-03`, `2024`.
    pub iso: String,
    /// How much of it was given.
    pub precision: Precision,
    /// Whether day and month could be swapped and the document does not decide.
    pub ambiguous: bool,
}

/// How much of a date was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Year, month and day.
    Day,
    /// Year and month.
    Month,
    /// The year alone.
    Year,
}

/// Longest text that can be a date, in bytes.
const LONGEST: usize = 64;
/// Two-digit years up to this one are of this century.
const PIVOT: i16 = 69;

/// Reads a text that is a date and nothing else; a weekday before it and a time of day after it are allowed.
#[must_use]
pub fn parse(text: &str, conventions: &Conventions) -> Option<Date> {
    if text.len() > LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts = parts_of(text)?;
    let found = match parts[..] {
        [Part::Number(n)] => compact(n)?,
        [Part::Number(a), Part::Number(b)] => year_and_month(a, b)?,
        [Part::Month(m), Part::Number(y)] => Found::month(y.as_full_year()?, m),
        [Part::Number(y), Part::Month(m)] => Found::month(y.as_full_year()?, m),
        [Part::Number(d), Part::Month(m), Part::Number(y)] if d.digits <= 2 => Found::day(y.as_year()?, m, d.value),
        [Part::Number(y), Part::Month(m), Part::Number(d)] => Found::day(y.as_full_year()?, m, d.value),
        [Part::Month(m), Part::Number(d), Part::Number(y)] if d.digits <= 2 => Found::day(y.as_year()?, m, d.value),
        [Part::Number(a), Part::Number(b), Part::Number(c)] => three_numbers(a, b, c, conventions)?,
        _ => return None,
    };
    found.valid()
}

#[derive(Clone, Copy)]
enum Part {
    Number(Digits),
    Month(i64),
}

#[derive(Clone, Copy)]
struct Digits {
    value: i64,
    digits: usize,
}

impl Digits {
    fn as_full_year(self) -> Option<i64> {
        (self.digits == 4 && (1800..=2200).contains(&self.value)).then_some(self.value)
    }

    fn as_year(self) -> Option<i64> {
        match self.digits {
            2 => Some(self.value + if self.value <= i64::from(PIVOT) { 2000 } else { 1900 }),
            _ => self.as_full_year(),
        }
    }
}

struct Found {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    ambiguous: bool,
}

impl Found {
    fn day(year: i64, month: i64, day: i64) -> Self {
        Self { year, month: Some(month), day: Some(day), ambiguous: false }
    }

    fn month(year: i64, month: i64) -> Self {
        Self { year, month: Some(month), day: None, ambiguous: false }
    }

    /// Only what is in the calendar is a date.
    fn valid(self) -> Option<Date> {
        let year = i16::try_from(self.year).ok()?;
        let month = i8::try_from(self.month.unwrap_or(1)).ok()?;
        let day = i8::try_from(self.day.unwrap_or(1)).ok()?;
        let date = civil::Date::new(year, month, day).ok()?;
        let (iso, precision) = match (self.month, self.day) {
            (Some(_), Some(_)) => (date.to_string(), Precision::Day),
            (Some(_), None) => (date.strftime("%Y-%m").to_string(), Precision::Month),
            (None, _) => (date.strftime("%Y").to_string(), Precision::Year),
        };
        Some(Date { iso, precision, ambiguous: self.ambiguous })
    }
}

/// `2024`, `20240315` or `20240315T120000`; never seconds since 1970.
fn compact(number: Digits) -> Option<Found> {
    match number.digits {
        4 if (1900..=2100).contains(&number.value) => {
            Some(Found { year: number.value, month: None, day: None, ambiguous: false })
        }
        8 if (1900..=2100).contains(&(number.value / 10_000)) => {
            Some(Found::day(number.value / 10_000, number.value / 100 % 100, number.value % 100))
        }
        _ => None,
    }
}

/// `2024-03` or `03/2024`.
fn year_and_month(a: Digits, b: Digits) -> Option<Found> {
    match (a.as_full_year(), b.as_full_year()) {
        (Some(year), None) if b.digits == 2 => Some(Found::month(year, b.value)),
        (None, Some(year)) if a.digits <= 2 => Some(Found::month(year, a.value)),
        _ => None,
    }
}

fn three_numbers(a: Digits, b: Digits, c: Digits, conventions: &Conventions) -> Option<Found> {
    if let Some(year) = a.as_full_year() {
        return (b.digits <= 2 && c.digits <= 2).then(|| Found::day(year, b.value, c.value));
    }
    if a.digits > 2 || b.digits > 2 {
        return None;
    }
    // 99-03-15 can only begin with the year.
    if a.value > 31 && c.digits <= 2 {
        return Some(Found::day(a.as_year()?, b.value, c.value));
    }
    let year = c.as_year()?;
    let day_first = match (a.value, b.value) {
        (13.., _) => true,
        (_, 13..) => false,
        (same, other) if same == other => true,
        _ => {
            let order = conventions.date_order;
            let day_first = order.get().unwrap_or(DateOrder::DayFirst) == DateOrder::DayFirst;
            let (month, day) = if day_first { (b.value, a.value) } else { (a.value, b.value) };
            return Some(Found { ambiguous: !order.is_shown(), ..Found::day(year, month, day) });
        }
    };
    Some(if day_first { Found::day(year, b.value, a.value) } else { Found::day(year, a.value, b.value) })
}

/// Numbers and month names in order; `None` when anything else stands between them.
fn parts_of(text: &str) -> Option<Vec<Part>> {
    let folded = fold(text);
    let date = without_time(
        folded.trim_matches(|ch: char| ch.is_whitespace() || matches!(ch, ',' | '.' | ';' | ':' | '(' | ')')),
    );
    // Years, months and days of East Asian dates come in this order and carry their unit.
    let date = date.replace(['年', '月', '년', '월'], "-").replace(['日', '일'], "");
    let mut parts = Vec::with_capacity(3);
    let mut rest = date.as_str();
    let mut gap = "";
    while let Some(first) = rest.chars().next() {
        if parts.len() > 3 {
            return None;
        }
        let run = |belongs: fn(char) -> bool| rest.find(|ch| !belongs(ch)).unwrap_or(rest.len());
        if first.is_ascii_digit() {
            let end = run(|ch| ch.is_ascii_digit());
            // A number directly after a letter is part of a code, not of a date.
            parts.push(Part::Number(Digits { value: rest[..end].parse().ok()?, digits: end }));
            rest = &rest[end..];
            let suffix = run_of_letters(rest);
            if matches!(suffix, "st" | "nd" | "rd" | "th" | "er" | "re" | "e" | "o" | "a" | "de") {
                rest = &rest[suffix.len()..];
            }
        } else if first.is_alphabetic() {
            let word = run_of_letters(rest);
            rest = &rest[word.len()..];
            match months::month(word) {
                Some(month) => parts.push(Part::Month(i64::from(month))),
                None if months::is_filler(word, parts.is_empty()) => {}
                None => return None,
            }
        } else {
            let end = run(|ch| !ch.is_alphanumeric());
            // Digits of other scripts and fractions (`½`) are neither letters nor ours.
            if end == 0 {
                return None;
            }
            gap = rest[..end].trim();
            if !parts.is_empty() && !matches!(gap, "" | "." | "," | "/" | "-" | "'" | ".-") {
                return None;
            }
            rest = &rest[end..];
        }
    }
    // Three bare numbers in a row of a table are no date.
    let bare = gap.is_empty() && parts.len() > 1 && parts.iter().all(|part| matches!(part, Part::Number(_)));
    (!bare).then_some(parts)
}

fn run_of_letters(text: &str) -> &str {
    &text[..text.find(|ch: char| !ch.is_alphabetic()).unwrap_or(text.len())]
}

/// Without the time of day: `2024-03-15t12:30:00z`, `15/03/2024 12:30 pm`.
fn without_time(text: &str) -> &str {
    let Some(colon) = text.find(':') else { return text };
    let hour = text[..colon].trim_end_matches(|ch: char| ch.is_ascii_digit());
    hour.trim_end_matches(|ch: char| ch.is_whitespace() || matches!(ch, 't' | ','))
        .trim_end_matches(" um")
        .trim_end_matches(" at")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conventions::Vote;

    fn read(text: &str) -> Option<String> {
        parse(text, &Conventions::default()).map(|date| date.iso)
    }

    #[test]
    fn every_way_to_write_a_date_is_read() {
        for (text, iso) in [
            ("31/12/2024", "2024-12-31"),
            ("12/31/2024", "2024-12-31"),
            ("15.03.2024", "2024-03-15"),
            ("15. 3. 2024", "2024-03-15"),
            ("5.3.24", "2024-03-05"),
            ("12-Mar-24", "2024-03-12"),
            ("Jan 2nd, 2023", "2023-01-02"),
            ("January 2, 2023", "2023-01-02"),
            ("2 January 2023", "2023-01-02"),
            ("12 mars 2024", "2024-03-12"),
            ("1er août 2024", "2024-08-01"),
            ("Dienstag, 5. März 2018", "2018-03-05"),
            ("12 de marzo de 2024", "2024-03-12"),
            ("18 april 2014", "2014-04-18"),
            ("3 maja 2021 r.", "2021-05-03"),
            ("7 października 2021", "2021-10-07"),
            ("den 9 juni 2020", "2020-06-09"),
            ("2 de fevereiro de 2022", "2022-02-02"),
            ("10 dicembre 2019", "2019-12-10"),
            ("2024-03-15", "2024-03-15"),
            ("2024/3/5", "2024-03-05"),
            ("2024-03-15T12:30:00Z", "2024-03-15"),
            ("15/03/2024 12:30", "2024-03-15"),
            ("20240315", "2024-03-15"),
            ("Sept 3 2020", "2020-09-03"),
            ("2024年3月15日", "2024-03-15"),
            ("August 3 , 2014", "2014-08-03"),
            ("March 2024", "2024-03"),
            ("03/2024", "2024-03"),
            ("2024", "2024"),
        ] {
            assert_eq!(read(text).as_deref(), Some(iso), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_date_is_not_read() {
        for text in [
            "1700000000",
            "31/02/2024",
            "32/12/2024",
            "12.50",
            "1 2 2024 x",
            "A1-2-2024",
            "",
            "March",
            "99999999",
            "12:30",
            "10 20 2024",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_asked_of_the_document_and_flagged_when_it_does_not_say() {
        let with = |date_order| Conventions { date_order, ..Conventions::default() };
        let date = |order| parse("03/04/2024", &with(order)).unwrap();
        assert_eq!(
            (date(Vote::Shown(DateOrder::DayFirst)).iso.as_str(), date(Vote::Shown(DateOrder::DayFirst)).ambiguous),
            ("2024-04-03", false)
        );
        assert_eq!(
            (
                date(Vote::Shown(DateOrder::MonthFirst)).iso.as_str(),
                date(Vote::Hinted(DateOrder::MonthFirst)).ambiguous
            ),
            ("2024-03-04", true)
        );
        assert!(date(Vote::Unknown).ambiguous);
    }

    #[test]
    fn precision_says_how_much_was_given() {
        let precision = |text| parse(text, &Conventions::default()).unwrap().precision;
        assert_eq!(
            [precision("1 May 2020"), precision("May 2020"), precision("2020")],
            [Precision::Day, Precision::Month, Precision::Year]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,80}") {
            let _ = parse(&text, &Conventions::default());
        }

        #[test]
        fn every_day_survives_being_written(days in 0_i64..54_000) {
            let date = civil::date(1950, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            for format in ["%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%Y%m%d"] {
                prop_assert_eq!(read(&date.strftime(format).to_string()), Some(date.to_string()));
            }
        }
    }
}
