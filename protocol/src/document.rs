//! The document model: pages, lines and words with their boxes.
//!
//! All lengths are points (1/72 inch) on the page **as a reader sees it**: after rotation and cropping,
//! origin at the top left, y growing downwards. Formats without a layout of their own (plain text,
//! Markdown) are set on a fixed grid of 6 × 12 points per character, so that everything that reads
//! positions works on them too.

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
    /// IANA media type of the source: `application/pdf`, `text/plain`, `text/markdown`.
    pub media_type: String,
    /// Its pages in order.
    pub pages: Vec<Page>,
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
        let document = Document { media_type: "text/plain".into(), pages: vec![page(&["a", "b"]), page(&["c"])] };
        assert_eq!(document.text(), "a\nb\n\u{c}c\n\u{c}");
    }
}
