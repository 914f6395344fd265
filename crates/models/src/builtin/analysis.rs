//! What every question needs to know of a document, found out once: words, segments of lines, labels, dates, numbers.
//!
//! A *segment* is a run of words without a column gap. Labels, values and cells of tables are made of segments.

use std::ops::Range;

use protocol::answer::Evidence;
use protocol::document::{BBox, Document};
use values::{Conventions, Number};

use super::concept::Concept;
use super::lexicon::LABELS;
use super::tokens;

/// A document, taken apart.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) words: Vec<Word>,
    pub(super) segments: Vec<Segment>,
    pub(super) lines: Vec<Line>,
    pub(super) tokens: Vec<Token>,
    pub(super) labels: Vec<Label>,
    pub(super) dates: Vec<Dated>,
    pub(super) numbers: Vec<Numbered>,
    pub(super) conventions: Conventions,
    /// From where to where each page holds anything.
    page_spans: Vec<Range<f32>>,
}

/// A word, or the part of one before or after a colon.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) bbox: BBox,
    pub(super) line: usize,
    pub(super) segment: usize,
}

/// Words without a column gap between them.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) line: usize,
    pub(super) words: Range<usize>,
    pub(super) bbox: BBox,
}

/// A line of a page.
#[derive(Debug)]
pub(super) struct Line {
    /// Position of the page in the document, from 0.
    pub(super) page: usize,
    pub(super) page_number: u32,
    pub(super) words: Range<usize>,
    pub(super) segments: Range<usize>,
    pub(super) tokens: Range<usize>,
    pub(super) bbox: BBox,
}

/// A folded word: `USt.-Id.` is two of them.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) word: usize,
}

/// A label that was recognised.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) concept: Concept,
    pub(super) words: Range<usize>,
    /// Number of words of the phrase: longer ones are surer.
    pub(super) length: usize,
    pub(super) weak: bool,
    /// Whether a colon follows.
    pub(super) colon: bool,
    /// Whether nothing stands before it in its segment.
    pub(super) leads: bool,
    /// Whether nothing stands after it in its segment.
    pub(super) ends: bool,
}

/// A day that stands in the document.
#[derive(Debug)]
pub(super) struct Dated {
    pub(super) words: Range<usize>,
    pub(super) iso: String,
    pub(super) ambiguous: bool,
}

/// A number that stands in the document.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) words: Range<usize>,
    pub(super) number: Number,
    /// Whether it looks like money: a currency or two digits after the decimal mark.
    pub(super) money: bool,
}

/// Gaps wider than this part of the line's height separate columns.
const COLUMN_GAP: f32 = 0.85;

impl Analysis {
    /// Takes a document apart.
    pub(super) fn of(document: &Document) -> Self {
        let mut analysis = Self {
            words: Vec::new(),
            segments: Vec::new(),
            lines: Vec::new(),
            tokens: Vec::new(),
            labels: Vec::new(),
            dates: Vec::new(),
            numbers: Vec::new(),
            conventions: Conventions::of(&document.text()),
            page_spans: Vec::new(),
        };
        for (page, content) in document.pages.iter().enumerate() {
            let all = BBox::around(content.lines.iter().map(|line| line.bbox)).unwrap_or_default();
            analysis.page_spans.push(all.y0..all.y1.max(all.y0 + 1.0));
            for line in &content.lines {
                analysis.add_line(page, content.number, line);
            }
        }
        analysis.dates = tokens::dates(&analysis);
        analysis.numbers = tokens::numbers(&analysis);
        analysis.labels = analysis.find_labels();
        super::qualified::settle(&mut analysis);
        analysis
    }

    fn add_line(&mut self, page: usize, page_number: u32, line: &protocol::document::Line) {
        let first_word = self.words.len();
        let (first_segment, first_token) = (self.segments.len(), self.tokens.len());
        let mut heights: Vec<f32> = line.words.iter().map(|word| word.bbox.height()).collect();
        heights.sort_by(f32::total_cmp);
        let Some(height) = heights.get(heights.len() / 2).copied() else { return };
        let at = self.lines.len();
        let mut right = f32::NEG_INFINITY;
        for word in &line.words {
            if self.segments.len() == first_segment || word.bbox.x0 - right > COLUMN_GAP * height || is_rule(&word.text)
            {
                let next = self.words.len();
                self.segments.push(Segment { line: at, words: next..next, bbox: word.bbox });
            }
            right = word.bbox.x1;
            if is_rule(&word.text) {
                continue;
            }
            for part in parts(&word.text) {
                for token in values::fold::fold_words(part).split(' ').filter(|token| !token.is_empty()) {
                    self.tokens.push(Token { text: token.to_owned(), word: self.words.len() });
                }
                let segment = self.segments.len() - 1;
                self.words.push(Word { text: part.to_owned(), bbox: word.bbox, line: at, segment });
                let next = self.words.len();
                let last = &mut self.segments[segment];
                last.words.end = next;
                last.bbox = if last.words.len() == 1 { word.bbox } else { last.bbox.union(word.bbox) };
            }
        }
        let (words, tokens) = (first_word..self.words.len(), first_token..self.tokens.len());
        // Cell borders of Markdown tables leave segments without words behind.
        let kept: Vec<Segment> =
            self.segments.drain(first_segment..).filter(|segment| !segment.words.is_empty()).collect();
        for segment in kept {
            for word in segment.words.clone() {
                self.words[word].segment = self.segments.len();
            }
            self.segments.push(segment);
        }
        let segments = first_segment..self.segments.len();
        self.lines.push(Line { page, page_number, words, segments, tokens, bbox: line.bbox });
    }

    fn find_labels(&self) -> Vec<Label> {
        let mut labels = Vec::new();
        for line in &self.lines {
            let mut at = line.tokens.start;
            while at < line.tokens.end {
                let rest = &self.tokens[at..line.tokens.end];
                let found = LABELS.at(rest.iter().map(|token| token.text.as_str()));
                let Some(length) = found.first().map(|found| found.words) else {
                    at += 1;
                    continue;
                };
                let words = rest[0].word..rest[length - 1].word + 1;
                let segment = &self.segments[self.words[words.start].segment];
                // A phrase across a column gap is two things.
                if self.words[words.end - 1].segment == self.words[words.start].segment {
                    let follows = self.words.get(words.end).map(|word| word.text.as_str());
                    let within = |word: &str| word.ends_with(':') || word.ends_with('：');
                    let colon = within(&self.words[words.end - 1].text)
                        || follows.is_some_and(|word| word == ":" || word == "：");
                    for found in found {
                        labels.push(Label {
                            concept: found.key,
                            words: words.clone(),
                            length: found.words,
                            weak: found.weak,
                            colon,
                            leads: words.start == segment.words.start,
                            ends: words.end == segment.words.end,
                        });
                    }
                    at += length;
                } else {
                    at += 1;
                }
            }
        }
        labels
    }

    /// The labels within words, in reading order.
    pub(super) fn labels_in(&self, words: Range<usize>) -> impl Iterator<Item = &Label> {
        let from = self.labels.partition_point(|label| label.words.start < words.start);
        self.labels[from..].iter().take_while(move |label| label.words.end <= words.end)
    }

    /// The labels of a concept, in reading order.
    pub(super) fn labels_of(&self, concept: Concept) -> impl Iterator<Item = &Label> {
        self.labels.iter().filter(move |label| label.concept == concept)
    }

    /// Words as text, with single spaces.
    pub(super) fn text(&self, words: Range<usize>) -> String {
        self.words[words].iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Around words.
    pub(super) fn bbox(&self, words: Range<usize>) -> BBox {
        BBox::around(self.words[words].iter().map(|word| word.bbox)).unwrap_or_default()
    }

    /// The line that a word stands on.
    pub(super) fn line_of(&self, word: usize) -> &Line {
        &self.lines[self.words[word].line]
    }

    /// The segment that a word belongs to.
    pub(super) fn segment_of(&self, word: usize) -> &Segment {
        &self.segments[self.words[word].segment]
    }

    /// Words as evidence, one per line.
    pub(super) fn evidence(&self, words: Range<usize>) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        let mut first = words.start;
        for line in self.words[words].chunk_by(|a, b| a.line == b.line) {
            let range = first..first + line.len();
            first = range.end;
            evidence.push(Evidence {
                page: self.line_of(range.start).page_number,
                bbox: self.bbox(range.clone()),
                quote: self.text(range),
            });
        }
        evidence
    }

    /// How far down what its page holds a word stands, 0 to 1: a receipt ends where its text does.
    pub(super) fn depth(&self, word: usize) -> f32 {
        let span = &self.page_spans[self.line_of(word).page];
        ((self.words[word].bbox.y0 - span.start) / (span.end - span.start)).clamp(0.0, 1.0)
    }

    /// Segments of the same page below `bbox` whose left part is under it, nearest first, no further than `reach` line heights.
    pub(super) fn below(&self, word: usize, bbox: BBox, reach: f32) -> impl Iterator<Item = &Segment> {
        let from = self.words[word].line;
        let page = self.lines[from].page;
        let limit = bbox.y1 + reach * bbox.height().max(6.0);
        self.lines[from + 1..]
            .iter()
            .take_while(move |line| line.page == page && line.bbox.y0 <= limit)
            .flat_map(|line| &self.segments[line.segments.clone()])
            .filter(move |segment| {
                let centre = segment.bbox.y0.midpoint(segment.bbox.y1);
                centre > bbox.y1 && centre <= limit && segment.bbox.x0 < bbox.x1 && segment.bbox.x1 > bbox.x0
            })
    }

    /// The dates that stand within words.
    pub(super) fn dates_in(&self, words: Range<usize>) -> impl Iterator<Item = &Dated> {
        let from = self.dates.partition_point(|date| date.words.start < words.start);
        self.dates[from..].iter().take_while(move |date| date.words.end <= words.end)
    }

    /// The numbers that stand within words.
    pub(super) fn numbers_in(&self, words: Range<usize>) -> impl Iterator<Item = &Numbered> {
        let from = self.numbers.partition_point(|number| number.words.start < words.start);
        self.numbers[from..].iter().take_while(move |number| number.words.end <= words.end)
    }
}

/// Borders of tables drawn with characters.
fn is_rule(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|ch| matches!(ch, '|' | '│' | '┃' | '+' | '=' | '_' | '─' | '━'))
        && word != "+"
        || (word.len() > 2 && word.chars().all(|ch| matches!(ch, '-' | '|' | ':' | '.' | '*' | '+')))
}

/// A word, cut after a colon that ends a label: `Kundennummer:2`, but not `12:30` or `http://…`.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let bytes = word.as_bytes();
    let cut = word.find(':').filter(|&at| {
        let before = word[..at].chars().next_back();
        at + 1 < bytes.len() && bytes[at + 1] != b'/' && before.is_some_and(|ch| !ch.is_ascii_digit())
    });
    let (head, tail) = word.split_at(cut.map_or(word.len(), |at| at + 1));
    [head, tail].into_iter().filter(|part| !part.is_empty())
}
