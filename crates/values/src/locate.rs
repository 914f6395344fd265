//! Where in a document a value stands.
//!
//! A [`Locator`] indexes a document's words once; every value after that costs a look-up and a few
//! comparisons, so that tables of thousands of cells in documents of hundreds of pages stay cheap.

use std::cell::OnceCell;
use std::collections::HashMap;

use protocol::answer::Evidence;
use protocol::document::{BBox, Document, Word};
use protocol::request::OutputType;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::conventions::Conventions;
use crate::date::Precision;
use crate::fold::fold_alphanumeric;
use crate::{date, number};

/// How many places where a value's first word stands are compared.
const MOST_PLACES: usize = 256;
/// Leaves of one answer that are searched letter by letter when the index does not know them.
const MOST_SCANS: usize = 32;
/// Leaves of one answer that are located at all; beyond, evidence is of no use to anybody.
const MOST_LEAVES: usize = 20_000;
/// How far apart, in points, the left edges of lines in one column may be.
const COLUMN_SLACK: f32 = 24.0;

/// Where a value stands: one [`Evidence`] per line, empty when it does not stand there.
///
/// `quote` is what the model says it read from: of several places the one within or nearest to it is taken.
/// Leaves of objects and lists are located one by one.
#[must_use]
pub fn locate(document: &Document, kind: OutputType, value: &Value, quote: Option<&str>) -> Vec<Evidence> {
    Locator::new(document).locate(kind, value, quote)
}

/// An index over a document's words.
#[derive(Debug)]
pub struct Locator<'a> {
    document: &'a Document,
    words: Vec<Placed<'a>>,
    by_word: HashMap<String, Vec<u32>>,
    stream: OnceCell<Stream>,
    conventions: OnceCell<Conventions>,
    numbers: OnceCell<HashMap<Decimal, Vec<Span>>>,
    dates: OnceCell<HashMap<String, Vec<Span>>>,
}

#[derive(Debug)]
struct Placed<'a> {
    word: &'a Word,
    page: u32,
    /// Line number within the document.
    line: u32,
    folded: String,
}

/// Folded letters of all words, one after another, and where each word begins.
#[derive(Debug)]
struct Stream {
    letters: String,
    starts: Vec<usize>,
}

/// Words `first..end` of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: usize,
    end: usize,
}

impl<'a> Locator<'a> {
    /// Indexes the document's words.
    #[must_use]
    pub fn new(document: &'a Document) -> Self {
        let mut words = Vec::new();
        let mut by_word: HashMap<String, Vec<u32>> = HashMap::new();
        let mut line_number = 0;
        for page in &document.pages {
            for line in &page.lines {
                for word in &line.words {
                    let folded = fold_alphanumeric(&word.text);
                    if folded.is_empty() {
                        continue;
                    }
                    if let Ok(at) = u32::try_from(words.len()) {
                        by_word.entry(folded.clone()).or_default().push(at);
                    }
                    words.push(Placed { word, page: page.number, line: line_number, folded });
                }
                line_number += 1;
            }
        }
        Self {
            document,
            words,
            by_word,
            stream: OnceCell::new(),
            conventions: OnceCell::new(),
            numbers: OnceCell::new(),
            dates: OnceCell::new(),
        }
    }

    /// Where `value` stands; see [`locate`].
    #[must_use]
    pub fn locate(&self, kind: OutputType, value: &Value, quote: Option<&str>) -> Vec<Evidence> {
        let quoted = quote.map(|quote| self.text(quote, None, true)).filter(|spans| !spans.is_empty());
        let mut search = Search {
            near: quoted.as_ref().map(|spans| spans[0].first),
            scans: MOST_SCANS,
            leaves: MOST_LEAVES,
            found: Vec::new(),
        };
        self.value(kind, value, &mut search);
        if search.found.is_empty() && value.is_boolean() {
            // Yes and no are said by the words around a box, not by a word of their own.
            search.found = quoted.unwrap_or_default();
        }
        self.evidence(&search.found)
    }

    fn value(&self, kind: OutputType, value: &Value, search: &mut Search) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Array(items) => items.iter().for_each(|item| self.value(OutputType::Text, item, search)),
            Value::Object(map) => self.row(map, search),
            Value::Number(number) => self.leaf(OutputType::Number, &number.to_string(), search),
            Value::String(text) => self.leaf(kind, text, search),
        }
    }

    /// Values of one object stand together: its longest text says where, the others are looked for around it.
    fn row(&self, map: &serde_json::Map<String, Value>, search: &mut Search) {
        let anchor = map.values().filter_map(Value::as_str).max_by_key(|text| text.len());
        let anchored =
            anchor.map(|text| self.text(text, search.near, search.scans > 0)).filter(|spans| !spans.is_empty());
        let near = anchored.map(|spans| spans[0].first).or(search.near);
        let before = search.found.len();
        for item in map.values() {
            search.near = near;
            self.value(OutputType::Text, item, search);
        }
        // The next row begins where this one ends.
        search.near = search.found[before..].iter().map(|span| span.end).max().or(near);
    }

    fn leaf(&self, kind: OutputType, text: &str, search: &mut Search) {
        if search.leaves == 0 {
            return;
        }
        search.leaves -= 1;
        let scan = search.scans > 0;
        let spans = match kind {
            OutputType::Number => self.number(text, search.near),
            OutputType::Date => self.date(text, search.near),
            _ => Vec::new(),
        };
        let spans = if spans.is_empty() { self.text(text, search.near, scan) } else { spans };
        let spans = if spans.is_empty() { self.number(text, search.near) } else { spans };
        let spans = if spans.is_empty() { self.date(text, search.near) } else { spans };
        if spans.is_empty() {
            search.scans = search.scans.saturating_sub(1);
        } else {
            search.near = spans.last().map(|span| span.end);
            search.found.extend(spans);
        }
    }

    /// The words of `text` in a row, or down a column; else its letters anywhere.
    fn text(&self, text: &str, near: Option<usize>, scan: bool) -> Vec<Span> {
        let wanted: Vec<String> =
            text.split_whitespace().map(fold_alphanumeric).filter(|word| !word.is_empty()).collect();
        let Some(first) = wanted.first() else { return Vec::new() };
        let places = self.by_word.get(first).map_or(&[][..], Vec::as_slice);
        let places = nearest(places, near);
        let in_a_row = |at: &&usize| {
            let words = self.words[**at..].iter().map(|placed| &placed.folded);
            words.take(wanted.len()).eq(wanted.iter())
        };
        if let Some(at) = places.iter().find(in_a_row) {
            return vec![Span { first: *at, end: at + wanted.len() }];
        }
        if let Some(spans) = places.iter().find_map(|at| self.down_a_column(*at, &wanted)) {
            return spans;
        }
        if scan { self.letters(&wanted.concat(), near).into_iter().collect() } else { Vec::new() }
    }

    /// A value that goes on in the next lines of its column, while other columns stand beside it.
    fn down_a_column(&self, at: usize, wanted: &[String]) -> Option<Vec<Span>> {
        let mut spans = Vec::new();
        let mut rest = wanted;
        let left = self.words[at].word.bbox.x0;
        let mut from = at;
        loop {
            let line = self.words[from].line;
            let alike = self.words[from..]
                .iter()
                .zip(rest)
                .take_while(|(placed, want)| placed.line == line && placed.folded == **want)
                .count();
            if alike == 0 {
                return None;
            }
            spans.push(Span { first: from, end: from + alike });
            rest = &rest[alike..];
            let Some(next) = rest.first() else { return Some(spans) };
            let below = self.words[from..].iter().position(|placed| {
                placed.line > line
                    && placed.line <= line + 3
                    && placed.folded == *next
                    && (placed.word.bbox.x0 - left).abs() < COLUMN_SLACK
            });
            // Lines hold few words: three of them end the search.
            from += below.filter(|steps| self.words[from + steps].page == self.words[at].page)?;
        }
    }

    /// The letters of a value within or across words: `#123` holds `123`, `ACME Inc` is the value `ACMEInc`.
    fn letters(&self, wanted: &str, near: Option<usize>) -> Option<Span> {
        // One or two letters stand inside anything.
        if wanted.chars().count() < 3 {
            return None;
        }
        let stream = self.stream.get_or_init(|| {
            let mut stream = Stream { letters: String::new(), starts: Vec::with_capacity(self.words.len()) };
            for placed in &self.words {
                stream.starts.push(stream.letters.len());
                stream.letters.push_str(&placed.folded);
            }
            stream
        });
        let word_at = |offset: usize| stream.starts.partition_point(|start| *start <= offset) - 1;
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let bytes = stream.letters.as_bytes();
        let mut best: Option<Span> = None;
        for (start, found) in stream.letters.match_indices(wanted).take(MOST_PLACES) {
            let end = start + found.len();
            let span = Span { first: word_at(start), end: word_at(end - 1) + 1 };
            // Part of a longer number is another number.
            let starts_word = stream.starts[span.first] == start;
            let ends_word = stream.starts.get(span.end).copied().unwrap_or(stream.letters.len()) == end;
            let cuts_number =
                (!starts_word && is_digit(bytes.get(start.wrapping_sub(1))) && is_digit(bytes.get(start)))
                    || (!ends_word && is_digit(bytes.get(end)) && is_digit(bytes.get(end - 1)));
            // Letters out of the middle of words are a coincidence unless they are many.
            let coincidence = span.end - span.first > 1 && !(starts_word && ends_word);
            if cuts_number || coincidence {
                continue;
            }
            let closer = |best: &Span| near.is_some_and(|near| distance(span.first, near) < distance(best.first, near));
            if best.as_ref().is_none_or(closer) {
                best = Some(span);
            }
        }
        best
    }

    fn conventions(&self) -> &Conventions {
        self.conventions.get_or_init(|| Conventions::of(&self.document.text()))
    }

    fn number(&self, text: &str, near: Option<usize>) -> Vec<Span> {
        // What is asked for is a number in JSON's spelling, or one as people write it.
        let wanted = Decimal::from_str_exact(text)
            .ok()
            .or_else(|| number::parse(text, self.conventions()).map(|number| number.value));
        let Some(wanted) = wanted else { return Vec::new() };
        let numbers = self.numbers.get_or_init(|| self.index_numbers());
        let of = |value: Decimal| numbers.get(&value.normalize()).and_then(|spans| closest(spans, near));
        // A credit may be printed without its sign.
        of(wanted).or_else(|| of(-wanted)).into_iter().collect()
    }

    fn index_numbers(&self) -> HashMap<Decimal, Vec<Span>> {
        let mut numbers: HashMap<Decimal, Vec<Span>> = HashMap::new();
        let conventions = self.conventions();
        let has_digit = |placed: &Placed<'_>| placed.word.text.contains(|ch: char| ch.is_ascii_digit());
        for first in 0..self.words.len() {
            // `1 234 567,89` is several words.
            for length in 1..=4.min(self.words.len() - first) {
                let words = &self.words[first..first + length];
                if !words.iter().all(has_digit) || words[length - 1].line != words[0].line {
                    break;
                }
                let text = words.iter().map(|placed| placed.word.text.as_str()).collect::<Vec<_>>().join(" ");
                let text =
                    text.trim_matches(|ch: char| matches!(ch, ':' | ';' | '=' | '*') || (ch == ',' || ch == '.'));
                if let Some(number) = number::parse(text, conventions) {
                    numbers.entry(number.value.normalize()).or_default().push(Span { first, end: first + length });
                }
            }
        }
        numbers
    }

    fn date(&self, text: &str, near: Option<usize>) -> Vec<Span> {
        let Some(wanted) = date::parse(text, self.conventions()) else { return Vec::new() };
        let dates = self.dates.get_or_init(|| self.index_dates());
        dates.get(&wanted.iso).and_then(|spans| closest(spans, near)).into_iter().collect()
    }

    fn index_dates(&self) -> HashMap<String, Vec<Span>> {
        let mut dates: HashMap<String, Vec<Span>> = HashMap::new();
        let conventions = self.conventions();
        for first in 0..self.words.len() {
            let begins = |word: &str| word.starts_with(|ch: char| ch.is_ascii_digit()) || date::month(word).is_some();
            if !begins(&self.words[first].folded) {
                continue;
            }
            // The shortest run that is a whole day: what follows a date is not part of it.
            for length in 1..=5.min(self.words.len() - first) {
                let words = &self.words[first..first + length];
                if words[length - 1].line != words[0].line {
                    break;
                }
                let text = words.iter().map(|placed| placed.word.text.as_str()).collect::<Vec<_>>().join(" ");
                if let Some(date) = date::parse(&text, conventions) {
                    let day = date.precision == Precision::Day;
                    dates.entry(date.iso).or_default().push(Span { first, end: first + length });
                    if day {
                        break;
                    }
                }
            }
        }
        dates
    }

    fn evidence(&self, spans: &[Span]) -> Vec<Evidence> {
        let mut evidence: Vec<Evidence> = Vec::new();
        for span in spans {
            for line in self.words[span.first..span.end].chunk_by(|a, b| a.line == b.line) {
                let Some(bbox) = BBox::around(line.iter().map(|placed| placed.word.bbox)) else { continue };
                let quote = line.iter().map(|placed| placed.word.text.as_str()).collect::<Vec<_>>().join(" ");
                evidence.push(Evidence { page: line[0].page, bbox, quote });
            }
        }
        evidence
    }
}

struct Search {
    near: Option<usize>,
    scans: usize,
    leaves: usize,
    found: Vec<Span>,
}

/// Up to [`MOST_PLACES`] of the ascending `places`, those around `near` first.
fn nearest(places: &[u32], near: Option<usize>) -> Vec<usize> {
    let Some(near) = near else { return places.iter().take(MOST_PLACES).map(|at| *at as usize).collect() };
    let middle = places.partition_point(|at| (*at as usize) < near);
    let around = &places[middle.saturating_sub(MOST_PLACES / 2)..places.len().min(middle + MOST_PLACES / 2)];
    let mut around: Vec<usize> = around.iter().map(|at| *at as usize).collect();
    around.sort_by_key(|at| distance(*at, near));
    around
}

fn closest(spans: &[Span], near: Option<usize>) -> Option<Span> {
    let Some(near) = near else { return spans.first().copied() };
    let middle = spans.partition_point(|span| span.first < near);
    spans[middle.saturating_sub(1)..spans.len().min(middle + 1)]
        .iter()
        .min_by_key(|span| distance(span.first, near))
        .copied()
}

/// Reading goes on: what stands after a place is twice as near as what stands before it.
fn distance(at: usize, near: usize) -> usize {
    if at >= near { at - near } else { 2 * (near - at) + 1 }
}

#[cfg(test)]
mod tests {
    use protocol::document::{Line, Page};
    use serde_json::json;

    use super::*;

    /// Sets text on the 6 × 12 grid.
    fn document(text: &str) -> Document {
        let mut page = Page { number: 1, width: 600.0, height: 800.0, lines: Vec::new(), ..Page::default() };
        for (row, text) in text.lines().enumerate() {
            let mut line = Line { text: text.to_owned(), ..Line::default() };
            let mut column = 0;
            for word in text.split(' ') {
                let width = word.chars().count();
                if width > 0 {
                    let (x, y) = (column as f32 * 6.0, row as f32 * 12.0);
                    line.words.push(Word::new(word.to_owned(), BBox::new(x, y, x + width as f32 * 6.0, y + 12.0)));
                }
                column += width + 1;
            }
            page.lines.push(line);
        }
        Document { media_type: "text/plain".into(), pages: vec![page], ..Document::default() }
    }

    fn quotes(document: &Document, kind: OutputType, value: Value, quote: Option<&str>) -> Vec<String> {
        locate(document, kind, &value, quote).into_iter().map(|evidence| evidence.quote).collect()
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let document = document("Rechnung #RE-77 vom 5. März 2018\nSumme: 1.234,50 EUR\nPreis 1 234,56\nInvoice:A99");
        let found = |kind, value| quotes(&document, kind, value, None);
        assert_eq!(found(OutputType::Text, json!("re-77")), ["#RE-77"]);
        assert_eq!(found(OutputType::Date, json!("2018-03-05")), ["5. März 2018"]);
        assert_eq!(found(OutputType::Number, json!(1234.5)), ["1.234,50"]);
        assert_eq!(found(OutputType::Number, json!(1234.56)), ["1 234,56"]);
        assert_eq!(found(OutputType::Text, json!("2018-03-05")), ["5. März 2018"]);
        assert_eq!(found(OutputType::Text, json!("A99")), ["Invoice:A99"]);
        assert_eq!(found(OutputType::Text, json!("234")), Vec::<String>::new());
        assert_eq!(found(OutputType::Text, json!("Acme")), Vec::<String>::new());
    }

    #[test]
    fn the_box_holds_exactly_the_words_of_the_value() {
        let document = document("Seller:  Acme Trading Ltd   Date: 1 May 2020");
        let [evidence] = &locate(&document, OutputType::Text, &json!("Acme Trading Ltd"), None)[..] else { panic!() };
        assert_eq!((evidence.page, evidence.bbox), (1, BBox::new(54.0, 0.0, 150.0, 12.0)));
    }

    #[test]
    fn a_value_over_several_lines_has_evidence_on_each() {
        let document = document("Acme Trading    Invoice 12\nCompany Ltd     Date 1 May");
        assert_eq!(
            quotes(&document, OutputType::Text, json!("Acme Trading Company Ltd"), None),
            ["Acme Trading", "Company Ltd"]
        );
    }

    #[test]
    fn the_quote_chooses_among_several_places() {
        let document = document("Net 10.00\nShipping 10.00\nTotal 20.00\npaid yes");
        let evidence = locate(&document, OutputType::Number, &json!(10), Some("Shipping 10.00"));
        assert_eq!(evidence[0].bbox.y0, 12.0);
        assert_eq!(quotes(&document, OutputType::Boolean, json!(true), Some("paid yes")), ["paid yes"]);
        assert_eq!(quotes(&document, OutputType::Boolean, json!(true), None), Vec::<String>::new());
    }

    #[test]
    fn cells_of_a_row_are_found_in_their_row() {
        let document = document("Apples 2 5.00\nPears 2 5.00");
        let rows = json!([{"what": "Apples", "n": 2, "price": 5}, {"what": "Pears", "n": 2, "price": 5}]);
        let tops: Vec<f32> =
            locate(&document, OutputType::Table, &rows, None).iter().map(|evidence| evidence.bbox.y0).collect();
        assert_eq!(tops, [0.0, 0.0, 0.0, 12.0, 12.0, 12.0]);
    }

    #[test]
    fn a_big_table_in_a_long_document_is_located_in_linear_time() {
        let text: String = (0..20_000).map(|row| format!("Item {row} costs 5.00 on 2024-01-02\n")).collect();
        let document = document(&text);
        let rows: Vec<Value> = (0..5_000)
            .map(|row| json!({"name": format!("Item {}", row * 4), "price": 5, "gone": format!("missing {row}")}))
            .collect();
        let start = std::time::Instant::now();
        assert_eq!(locate(&document, OutputType::Table, &json!(rows), None).len(), 10_000);
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
