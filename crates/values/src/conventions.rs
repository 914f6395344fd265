//! How a document writes dates and numbers, found out by a vote of what stands in it.

use crate::currency;
use crate::fold::fold;

/// Which comes first in `03/04/2024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateOrder {
    /// 3 April.
    DayFirst,
    /// March 4.
    MonthFirst,
}

/// What separates the whole part from the fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecimalMark {
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
}

/// What a document says about a convention, and how firmly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Vote<T> {
    /// Nothing.
    #[default]
    Unknown,
    /// Its language or currency makes it likely: good enough to read by, not to be sure.
    Hinted(T),
    /// Something in it can be read in one way only.
    Shown(T),
}

impl<T: Copy> Vote<T> {
    /// The convention to read by, if anything speaks for one.
    #[must_use]
    pub fn get(self) -> Option<T> {
        match self {
            Self::Unknown => None,
            Self::Hinted(vote) | Self::Shown(vote) => Some(vote),
        }
    }

    /// Whether the document leaves no doubt.
    #[must_use]
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Shown(_))
    }
}

/// How a document writes dates and numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conventions {
    /// Day or month first.
    pub date_order: Vote<DateOrder>,
    /// Decimal point or comma.
    pub decimal_mark: Vote<DecimalMark>,
}

impl Conventions {
    /// Lets everything in `text` vote: a day above 12 and a fraction of two digits decide, language and currency hint.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut votes = Votes::default();
        for word in text.split_whitespace() {
            votes.date(word);
            votes.number(word);
            votes.language(word);
        }
        votes.count()
    }
}

/// English function words that no other language below shares.
const ENGLISH: &[&str] =
    &["the", "and", "of", "to", "your", "invoice", "please", "with", "by", "for", "amount", "payment"];
/// Function words of languages that write the day first and a decimal comma.
const CONTINENTAL: &[&str] = &[
    "der",
    "die",
    "und",
    "mit",
    "den",
    "das",
    "rechnung",
    "wir",
    "bitte",
    "le",
    "la",
    "les",
    "et",
    "du",
    "facture",
    "votre",
    "nous",
    "het",
    "een",
    "van",
    "uw",
    "factuur",
    "wij",
    "el",
    "los",
    "por",
    "para",
    "factura",
    "il",
    "della",
    "fattura",
    "sono",
    "per",
    "fatura",
    "uma",
    "dos",
    "och",
    "att",
    "faktura",
    "og",
    "til",
    "fra",
    "nie",
    "jest",
    "sprzedawca",
    "nabywca",
    "lasku",
];

#[derive(Default)]
struct Votes {
    day_first: usize,
    month_first: usize,
    dotted: usize,
    point: usize,
    comma: usize,
    english: usize,
    continental: usize,
    dollars: usize,
    others: usize,
}

impl Votes {
    fn date(&mut self, word: &str) {
        let word = word.trim_matches(|ch: char| !ch.is_ascii_digit());
        let parts: Vec<&str> = word.split(['/', '.', '-']).collect();
        let [a, b, year] = parts[..] else { return };
        let small = |part: &str| (1..=2).contains(&part.len()).then(|| part.parse::<u8>().ok()).flatten();
        let (Some(a), Some(b)) = (small(a), small(b)) else { return };
        if !matches!(year.len(), 2 | 4) || year.parse::<u16>().is_err() {
            return;
        }
        match (a, b) {
            (13..=31, 1..=12) => self.day_first += 1,
            (1..=12, 13..=31) => self.month_first += 1,
            // Nobody puts the month first between dots.
            (1..=12, 1..=12) if word.contains('.') => self.dotted += 1,
            _ => {}
        }
    }

    fn number(&mut self, word: &str) {
        let (word, code) = currency::strip(word);
        match code {
            Some("USD") => self.dollars += 1,
            Some(_) => self.others += 1,
            None => {}
        }
        let word = word.trim_matches(|ch: char| !ch.is_ascii_digit());
        if word.is_empty() || !word.chars().all(|ch| ch.is_ascii_digit() || matches!(ch, '.' | ',' | '\'')) {
            return;
        }
        let (Some(last), points, commas) =
            (word.rfind(['.', ',']), word.matches('.').count(), word.matches(',').count())
        else {
            return;
        };
        let (fraction, mark) = (word.len() - last - 1, word.as_bytes()[last]);
        let decides = match (points, commas) {
            (0, 1) | (1, 0) => matches!(fraction, 1 | 2),
            (_, 0) | (0, _) => false,
            (1, _) if mark == b'.' => true,
            (_, 1) if mark == b',' => true,
            _ => false,
        };
        match (decides, mark) {
            (true, b'.') => self.point += 1,
            (true, _) => self.comma += 1,
            _ => {}
        }
    }

    fn language(&mut self, word: &str) {
        let word = fold(word.trim_matches(|ch: char| !ch.is_alphabetic()));
        if ENGLISH.contains(&word.as_str()) {
            self.english += 1;
        } else if CONTINENTAL.contains(&word.as_str()) {
            self.continental += 1;
        }
    }

    fn count(self) -> Conventions {
        use {DateOrder::*, DecimalMark::*, Vote::*};
        let foreign = self.continental > self.english;
        let date_order = if self.day_first + self.dotted > self.month_first {
            Shown(DayFirst)
        } else if self.month_first > 0 {
            Shown(MonthFirst)
        } else if foreign {
            Hinted(DayFirst)
        } else if self.dollars > self.others && self.english > 0 {
            Hinted(MonthFirst)
        } else if self.others > 0 {
            Hinted(DayFirst)
        } else {
            Unknown
        };
        let decimal_mark = if self.comma > self.point {
            Shown(Comma)
        } else if self.point > self.comma {
            Shown(Point)
        } else if foreign {
            Hinted(Comma)
        } else if self.english > self.continental {
            Hinted(Point)
        } else {
            Unknown
        };
        Conventions { date_order, decimal_mark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_above_twelve_decides_the_order_of_all_dates() {
        assert_eq!(Conventions::of("paid 31/12/2024, sent 03/04/2024").date_order, Vote::Shown(DateOrder::DayFirst));
        assert_eq!(Conventions::of("paid 12/31/2024, sent 03/04/2024").date_order, Vote::Shown(DateOrder::MonthFirst));
        assert_eq!(Conventions::of("sent 03/04/2024").date_order, Vote::Unknown);
        assert_eq!(Conventions::of("Die Rechnung vom 03/04/2024").date_order, Vote::Hinted(DateOrder::DayFirst));
        assert_eq!(
            Conventions::of("Your invoice of 03/04/2024: $12.00").date_order,
            Vote::Hinted(DateOrder::MonthFirst)
        );
    }

    #[test]
    fn fractions_decide_the_decimal_mark() {
        assert_eq!(Conventions::of("a 1.234 b 12,50").decimal_mark, Vote::Shown(DecimalMark::Comma));
        assert_eq!(Conventions::of("a 1,234 b 12.50").decimal_mark, Vote::Shown(DecimalMark::Point));
        assert_eq!(Conventions::of("a 1,234,567.8").decimal_mark, Vote::Shown(DecimalMark::Point));
        assert_eq!(Conventions::of("1.234").decimal_mark, Vote::Unknown);
    }
}
