//! The grid that text without a layout of its own is set on: 6 × 12 points per character.

use protocol::document::{BBox, Line, Word};

/// Width of a character in points.
const ADVANCE: f32 = 6.0;

/// Height of a line in points.
const LINE_HEIGHT: f32 = 12.0;

/// Lines on a page that nothing ends earlier.
pub(super) const LINES: usize = 60;

/// A tab goes to the next multiple of so many columns.
const TAB: usize = 8;

/// A line of text in a row of the page.
pub(super) fn line(row: usize, text: &str) -> Line {
    let mut words: Vec<Word> = Vec::new();
    let mut is_within = false;
    for (column, character) in text.chars().enumerate() {
        let bbox = BBox::new(x(column), y(row), x(column + 1), y(row + 1));
        match words.last_mut() {
            _ if character.is_whitespace() => {}
            Some(word) if is_within => {
                word.text.push(character);
                word.bbox = word.bbox.union(bbox);
            }
            _ => words.push(Word::new(character.to_string(), bbox)),
        }
        is_within = !character.is_whitespace();
    }
    let blank = BBox::new(0.0, y(row), 0.0, y(row + 1));
    let bbox = BBox::around(words.iter().map(|word| word.bbox)).unwrap_or(blank);
    Line { text: text.to_owned(), bbox, words }
}

/// The line with spaces instead of tabs, without control characters, and without white space at its end.
pub(super) fn expand(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut length = 0;
    for character in line.trim_end().chars().filter(|character| *character == '\t' || !character.is_control()) {
        let (character, count) = if character == '\t' { (' ', TAB - length % TAB) } else { (character, 1) };
        text.extend(std::iter::repeat_n(character, count));
        length += count;
    }
    text
}

/// Where a column begins, in points.
#[expect(clippy::cast_precision_loss, reason = "far fewer columns than an f32 counts exactly")]
pub(super) fn x(column: usize) -> f32 {
    column as f32 * ADVANCE
}

/// Where a row begins, in points.
#[expect(clippy::cast_precision_loss, reason = "far fewer lines than an f32 counts exactly")]
pub(super) fn y(row: usize) -> f32 {
    row as f32 * LINE_HEIGHT
}
