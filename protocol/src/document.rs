//! The document model: pages, lines and words with their boxes.
//!
//! All lengths are points (1/72 inch) on the page **as a reader sees it**: after rotation and cropping,
//! origin at the top left, y growing downwards. Formats without a layout of their own (plain text,
//! Markdown, Word, HTML, …) are set on a fixed grid of 6 × 12 points per character, so that everything that reads
//! positions works on them too.
//!
//! A page says the same thing three times, and each is for other readers: [`Page::lines`] as it looks (columns stay under
//! each other), [`Page::blocks`] as it is read (column after column, paragraph after paragraph), [`Page::tables`] as
//! rows and cells.

use serde::{Deserialize, Serialize};

/// A rectangle `[x0, y0, x1, y1]` in points, with `x0 ≤ x1` and `y0 ≤ y1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct BBox {
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Lower edge.
    pub y1: f32,
}

impl BBox {
    /// The rectangle spanned by two opposite corners, in any order.
    #[must_use]
    pub fn new(xa: f32, ya: f32, xb: f32, yb: f32) -> Self {
        Self { x0: xa.min(xb), y0: ya.min(yb), x1: xa.max(xb), y1: ya.max(yb) }
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// The smallest rectangle that holds all of them, if there is any.
    pub fn around(boxes: impl IntoIterator<Item = Self>) -> Option<Self> {
        boxes.into_iter().reduce(Self::union)
    }

    /// Width in points.
    #[must_use]
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    /// Height in points.
    #[must_use]
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }

    /// Whether the centre of `other` lies inside.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        let (x, y) = (f32::midpoint(other.x0, other.x1), f32::midpoint(other.y0, other.y1));
        (self.x0..=self.x1).contains(&x) && (self.y0..=self.y1).contains(&y)
    }
}

impl From<[f32; 4]> for BBox {
    fn from([x0, y0, x1, y1]: [f32; 4]) -> Self {
        Self::new(x0, y0, x1, y1)
    }
}

impl From<BBox> for [f32; 4] {
    fn from(bbox: BBox) -> Self {
        // Hundredths of a point are far below what a screen or an eye resolves.
        [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|edge| (edge * 100.0).round() / 100.0)
    }
}

/// What was read of a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// IANA media type of the source: `application/pdf`, `text/plain`, `text/markdown`, …
    pub media_type: String,
    /// Its pages in order. One that failed is among them, empty, so that numbers stay what a reader counts.
    pub pages: Vec<Page>,
    /// The pages that could not be read, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<PageFailure>,
}

/// A page that could not be read while others could.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFailure {
    /// Its number, counted from 1.
    pub page: u32,
    /// Stable code, documented in `docs/errors.md`.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
}

/// Where the words of a page come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// They stand in the file as text.
    #[default]
    Text,
    /// They were recognised on a picture of the page (OCR); [`Word::confidence`] says how surely.
    Ocr,
}

impl Origin {
    /// Whether they stand in the file as text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Counted from 1.
    pub number: u32,
    /// Width in points as displayed.
    pub width: f32,
    /// Height in points as displayed.
    pub height: f32,
    /// Its lines from top to bottom; words that share a baseline share a line, however far apart.
    pub lines: Vec<Line>,
    /// Where its words come from.
    #[serde(default, skip_serializing_if = "Origin::is_text")]
    pub origin: Origin,
    /// Its paragraphs in the order in which they are read. Empty when that is the order of the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// Its tables from top to bottom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
}

/// Words that are read one after the other: a paragraph, a heading, a column of a table without rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Around all its words.
    pub bbox: BBox,
    /// Its words: parts of lines in order.
    pub spans: Vec<Span>,
}

/// A part of a line: the words `from..to` of the line with that index. Travels as `[line, from, to]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 3]", into = "[u32; 3]")]
pub struct Span {
    /// Index into [`Page::lines`].
    pub line: u32,
    /// Index of its first word.
    pub from: u32,
    /// Index behind its last word.
    pub to: u32,
}

impl From<[u32; 3]> for Span {
    fn from([line, from, to]: [u32; 3]) -> Self {
        Self { line, from, to }
    }
}

impl From<Span> for [u32; 3] {
    fn from(Span { line, from, to }: Span) -> Self {
        [line, from, to]
    }
}

/// A table: cells in rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Around all its cells.
    pub bbox: BBox,
    /// How many columns it has.
    pub columns: u32,
    /// Its rows from top to bottom.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The cells that begin in it, from left to right.
    pub cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Index of its first column, counted from 0.
    pub column: u32,
    /// Its words; lines within it end with a newline.
    pub text: String,
    /// Its rules where it has some, else around its words.
    pub bbox: BBox,
    /// How many columns it takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub columns: u32,
    /// How many rows it takes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub rows: u32,
}

const fn one() -> u32 {
    1
}

const fn is_one(count: &u32) -> bool {
    *count == 1
}

/// Words that share a baseline, from left to right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The words, padded with spaces so that columns stay under each other (`pdftotext -layout`).
    pub text: String,
    /// Around all words.
    pub bbox: BBox,
    /// The words.
    pub words: Vec<Word>,
}

/// Characters without a gap between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its characters, normalised to Unicode NFC.
    pub text: String,
    /// Around all characters.
    pub bbox: BBox,
    /// How surely it was recognised, from 0 to 1; absent where it stands in the file as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

impl Word {
    /// A word that stands in the file as text.
    #[must_use]
    pub const fn new(text: String, bbox: BBox) -> Self {
        Self { text, bbox, confidence: None }
    }
}

impl Page {
    /// The words in the order in which they are read, a block a paragraph: lines within it are joined by a space, or by
    /// nothing where a word is hyphenated over both; paragraphs end with a newline.
    #[must_use]
    pub fn prose(&self) -> String {
        let words = |span: &Span| {
            let line = self.lines.get(span.line as usize);
            line.and_then(|line| line.words.get(span.from as usize..span.to as usize)).unwrap_or_default()
        };
        let mut prose = String::new();
        let mut add = |spans: &mut dyn Iterator<Item = &[Word]>| {
            let start = prose.len();
            for words in spans {
                for (index, word) in words.iter().enumerate() {
                    if prose.len() > start {
                        if index == 0 && is_hyphenated(&prose[start..], &word.text) {
                            prose.pop();
                        } else {
                            prose.push(' ');
                        }
                    }
                    prose.push_str(&word.text);
                }
            }
            prose.push('\n');
        };
        if self.blocks.is_empty() {
            self.lines.iter().for_each(|line| add(&mut std::iter::once(line.words.as_slice())));
        } else {
            self.blocks.iter().for_each(|block| add(&mut block.spans.iter().map(words)));
        }
        prose
    }
}

/// Whether a text that ends with a hyphen at the end of a line goes on in the small letters that begin the next one.
/// A compound that is broken at its own hyphen is taken for a hyphenated word: nothing on the page tells them apart.
fn is_hyphenated(text: &str, next: &str) -> bool {
    let mut end = text.chars().rev();
    end.next() == Some('-')
        && end.next().is_some_and(char::is_alphabetic)
        && next.chars().next().is_some_and(char::is_lowercase)
}

impl Document {
    /// The whole text with its layout: lines end with a newline, pages with a form feed.
    ///
    /// Offsets of chunks are byte offsets into this text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for page in &self.pages {
            for line in &page.lines {
                text.push_str(&line.text);
                text.push('\n');
            }
            text.push(Self::PAGE_END);
        }
        text
    }

    /// What ends a page in [`Document::text`].
    pub const PAGE_END: char = '\u{c}';

    /// The page of that number, counted from 1.
    #[must_use]
    pub fn page(&self, number: u32) -> Option<&Page> {
        self.pages.iter().find(|page| page.number == number)
    }

    /// Whether not a single word was read.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.pages.iter().all(|page| page.lines.iter().all(|line| line.words.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_travels_as_four_rounded_numbers() {
        let bbox = BBox::new(10.123_456, 40.0, 5.0, 20.0);
        assert_eq!(serde_json::to_string(&bbox).unwrap(), "[5.0,20.0,10.12,40.0]");
    }

    #[test]
    fn text_marks_lines_and_pages() {
        let line = |text: &str| Line { text: text.to_owned(), ..Line::default() };
        let page = |lines: &[&str]| Page { lines: lines.iter().map(|text| line(text)).collect(), ..Page::default() };
        let document = Document {
            media_type: "text/plain".into(),
            pages: vec![page(&["a", "b"]), page(&["c"])],
            ..Document::default()
        };
        assert_eq!(document.text(), "a\nb\n\u{c}c\n\u{c}");
    }

    #[test]
    fn prose_goes_block_by_block() {
        let word = |text: &&str| Word { text: (*text).to_owned(), ..Word::default() };
        let line = |words: &[&str]| Line { words: words.iter().map(word).collect(), ..Line::default() };
        let lines = vec![line(&["one", "two", "five"]), line(&["three", "four", "six"])];
        let spans =
            |parts: &[[u32; 3]]| Block { spans: parts.iter().copied().map(Span::from).collect(), ..Block::default() };
        let mut page = Page { lines, ..Page::default() };
        assert_eq!(page.prose(), "one two five\nthree four six\n");
        page.blocks = vec![spans(&[[0, 0, 2], [1, 0, 2]]), spans(&[[0, 2, 3], [1, 2, 3]])];
        assert_eq!(page.prose(), "one two three four\nfive six\n");
        // What points nowhere is nothing rather than a panic: artifacts come from stores that others write to.
        page.blocks = vec![spans(&[[7, 0, 2], [1, 2, 9]])];
        assert_eq!(page.prose(), "\n");
    }

    #[test]
    fn prose_joins_words_that_are_hyphenated_over_two_lines_of_a_block() {
        let word = |text: &&str| Word { text: (*text).to_owned(), ..Word::default() };
        let line = |words: &[&str]| Line { words: words.iter().map(word).collect(), ..Line::default() };
        let lines = vec![line(&["a", "hy-"]), line(&["phen", "COVID-"]), line(&["19", "-"]), line(&["x"])];
        let spans = [[0, 0, 2], [1, 0, 2], [2, 0, 2], [3, 0, 1]].map(Span::from).to_vec();
        let page = Page { lines, blocks: vec![Block { spans, ..Block::default() }], ..Page::default() };
        assert_eq!(page.prose(), "a hyphen COVID- 19 - x\n");
    }

    #[test]
    fn what_a_plain_page_does_not_have_does_not_travel() {
        let word = Word { text: "a".into(), bbox: BBox::new(0.0, 0.0, 6.0, 12.0), confidence: None };
        let line = Line { text: "a".into(), bbox: word.bbox, words: vec![word] };
        let page = Page { number: 1, width: 6.0, height: 12.0, lines: vec![line], ..Page::default() };
        let document = Document { media_type: "text/plain".into(), pages: vec![page], ..Document::default() };
        let json = r#"{"media_type":"text/plain","pages":[{"number":1,"width":6.0,"height":12.0,"lines":[{"text":"a","bbox":[0.0,0.0,6.0,12.0],"words":[{"text":"a","bbox":[0.0,0.0,6.0,12.0]}]}]}]}"#;
        assert_eq!(serde_json::to_string(&document).unwrap(), json);
        assert_eq!(serde_json::from_str::<Document>(json).unwrap(), document);
    }
}
