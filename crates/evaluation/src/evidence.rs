//! Does the value really stand where the answer says?
//!
//! For every place the words inside its box are read again from the document. They have to hold the quote, and the
//! words of all places together have to hold the value: a number as a number, a date as a date, anything else
//! letter by letter. Objects and lists are checked value by value.

use std::collections::{BTreeSet, HashMap};

use protocol::answer::{Answer, Check, Evidence};
use protocol::document::{BBox, Document, Page};
use protocol::request::OutputType;
use rust_decimal::Decimal;
use serde_json::Value;
use values::fold::{fold_alphanumeric, fold_words};
use values::{Conventions, currency, date, number};

use crate::{DETERMINISTIC, failed, not_available, passed};

/// Share of a list's values that has to be found for the answer to pass.
const ENOUGH: f32 = 0.9;
/// Values of one answer that are checked; more of the same say no more.
const MOST_LEAVES: usize = 2_000;
/// Words that a number or a date may be spread over.
const LONGEST_RUN: usize = 5;
/// By how much a box may miss the middle of a word, in points.
const SLACK: f32 = 1.0;
/// Shorter values have to be whole words; longer ones may be part of one.
const LONG_ENOUGH: usize = 8;

/// The pages of a document, to look evidence up in.
#[derive(Debug)]
pub struct Pages<'a> {
    pages: HashMap<u32, &'a Page>,
    conventions: &'a Conventions,
}

impl<'a> Pages<'a> {
    /// Pages of that document, its values read by those conventions.
    #[must_use]
    pub fn new(document: &'a Document, conventions: &'a Conventions) -> Self {
        Self { pages: document.pages.iter().map(|page| (page.number, page)).collect(), conventions }
    }

    /// Checks the evidence of a value that is not null.
    #[must_use]
    pub fn check(&self, kind: OutputType, answer: &Answer) -> Check {
        if answer.evidence.is_empty() {
            return match kind {
                OutputType::Number
                | OutputType::Date
                | OutputType::Email
                | OutputType::Table
                | OutputType::LineItem => {
                    failed(0.0, "the document holds no place that the value was read from".to_owned())
                }
                OutputType::Text if answer.value.as_str().is_some_and(|text| text.split_whitespace().count() <= 6) => {
                    failed(0.0, "the document holds no place that the value was read from".to_owned())
                }
                OutputType::Text | OutputType::Boolean | OutputType::Json => {
                    not_available("the value is worded freely or worked out, and no place is given for it")
                }
            };
        }
        let mut found = Vec::with_capacity(answer.evidence.len());
        for place in &answer.evidence {
            match self.words_at(place) {
                Ok(words) => found.push(words),
                Err(reason) => return failed(0.0, reason),
            }
        }
        let leaves = leaves(&answer.value);
        if kind == OutputType::Boolean || leaves.is_empty() {
            return passed(Vec::new());
        }
        let found = Found::new(&found, self.conventions);
        let missing: Vec<&&Value> = leaves.iter().filter(|leaf| !found.holds(kind, leaf)).collect();
        let Some(example) = missing.first() else { return passed(Vec::new()) };
        let score = (leaves.len() - missing.len()) as f32 / leaves.len() as f32;
        let reason = if leaves.len() == 1 {
            format!("the words at the given place do not say {example}")
        } else {
            format!("{} of {} values do not stand at the given places, {example} for one", missing.len(), leaves.len())
        };
        Check { score: Some(score), passed: score >= ENOUGH, method: DETERMINISTIC.to_owned(), reasons: vec![reason] }
    }

    /// The words inside the box, if they hold the quote.
    fn words_at(&self, place: &Evidence) -> Result<String, String> {
        let page = self.pages.get(&place.page).ok_or_else(|| format!("the document has no page {}", place.page))?;
        let BBox { x0, y0, x1, y1 } = place.bbox;
        let within = BBox::new(x0 - SLACK, y0 - SLACK, x1 + SLACK, y1 + SLACK);
        let words: Vec<&str> = page
            .lines
            .iter()
            // A line's box is around its words.
            .filter(|line| line.bbox.y0 <= within.y1 && line.bbox.y1 >= within.y0)
            .flat_map(|line| &line.words)
            .filter(|word| within.holds(word.bbox))
            .map(|word| word.text.as_str())
            .collect();
        let words = words.join(" ");
        if fold_alphanumeric(&words).contains(&fold_alphanumeric(&place.quote)) {
            Ok(words)
        } else {
            Err(format!("the box on page {} does not hold the words that are quoted from it", place.page))
        }
    }
}

/// What stands at all places of an answer, as text, numbers and dates.
struct Found<'a> {
    conventions: &'a Conventions,
    text: String,
    /// Folded words with spaces around them.
    words: String,
    letters: String,
    numbers: BTreeSet<Decimal>,
    dates: BTreeSet<String>,
}

impl<'a> Found<'a> {
    fn new(places: &[String], conventions: &'a Conventions) -> Self {
        let text = places.join("\n");
        let mut found = Self {
            conventions,
            words: format!(" {} ", fold_words(&text)),
            letters: fold_alphanumeric(&text),
            text,
            numbers: BTreeSet::new(),
            dates: BTreeSet::new(),
        };
        for place in places {
            let words: Vec<&str> = place.split(' ').collect();
            for first in 0..words.len() {
                for end in first + 1..=(first + LONGEST_RUN).min(words.len()) {
                    let run = words[first..end].join(" ");
                    found.numbers.extend(number::parse(&run, conventions).map(|number| number.value.abs()));
                    found.dates.extend(date::parse(&run, conventions).map(|date| date.iso));
                }
            }
        }
        found
    }

    fn holds(&self, kind: OutputType, leaf: &Value) -> bool {
        let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
        match kind {
            // Credit notes print the amount and mean its negative, so signs are not compared.
            OutputType::Number => self.holds_number(&text),
            OutputType::Date => self.dates.contains(&text),
            OutputType::Text | OutputType::Email => self.holds_text(&text),
            OutputType::Boolean | OutputType::Json | OutputType::Table | OutputType::LineItem => {
                self.holds_text(&text) || self.holds_number(&text) || self.dates.contains(&text)
            }
        }
    }

    fn holds_number(&self, text: &str) -> bool {
        let plain = text.parse::<Decimal>().ok();
        plain
            .or_else(|| number::parse(text, self.conventions).map(|number| number.value))
            .is_some_and(|value| self.numbers.contains(&value.abs()))
    }

    fn holds_text(&self, text: &str) -> bool {
        let words = fold_words(text);
        if words.is_empty() {
            return self.text.contains(text.trim());
        }
        if self.words.contains(&format!(" {words} ")) {
            return true;
        }
        let letters = fold_alphanumeric(text);
        let unspaced = letters.chars().any(|c| u32::from(c) >= 0x2E80);
        let part_of_word = (unspaced || letters.chars().count() >= LONG_ENOUGH) && self.letters.contains(&letters);
        // The document may print a symbol where the value has the currency's code.
        part_of_word || currency::of(text).is_some_and(|code| self.holds_currency(code))
    }

    fn holds_currency(&self, code: &str) -> bool {
        self.text.split_whitespace().any(|word| currency::of(word).or_else(|| currency::mentioned(word)) == Some(code))
    }
}

/// The values inside a value, null and the empty text left out.
fn leaves(value: &Value) -> Vec<&Value> {
    let mut leaves = Vec::new();
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::Array(items) => rest.extend(items.iter().rev()),
            Value::Object(map) => rest.extend(map.values().rev()),
            leaf => leaves.push(leaf),
        }
        if leaves.len() == MOST_LEAVES {
            break;
        }
    }
    leaves
}
