//! The text of a line, padded so that columns stay under each other.

use super::fragments::Fragment;
use crate::unicode::{is_right_to_left, normalise};

/// A gap wider than this part of the height separates columns rather than words.
const COLUMN_GAP: f32 = 1.0;

/// Between columns stand at least so many spaces, so that they can be told from words.
const COLUMN_SPACES: usize = 2;

/// No text begins behind this column, however wide the page and small the print.
const LAST_COLUMN: usize = 400;

/// Width of a character where no word tells.
const USUAL_ADVANCE: f32 = 5.0;

/// A grid of characters laid over the text of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Where column 0 begins.
    left: f32,
    /// Width of a column.
    advance: f32,
}

impl Grid {
    /// As wide as the median character, beginning with the leftmost word.
    pub(super) fn of(rows: &[Vec<Fragment>]) -> Self {
        let words = || rows.iter().flatten();
        let left = words().map(|word| word.u0).reduce(f32::min).unwrap_or(0.0);
        let mut advances: Vec<f32> = words().filter_map(advance).collect();
        let middle = advances.len() / 2;
        let advance = if advances.is_empty() {
            USUAL_ADVANCE
        } else {
            *advances.select_nth_unstable_by(middle, f32::total_cmp).1
        };
        Self { left, advance: advance.max(0.5) }
    }

    /// The text of a line.
    pub(super) fn text(self, segments: &[Vec<Fragment>]) -> String {
        let mut text = String::new();
        let mut length = 0;
        for segment in segments {
            let least = if length == 0 { 0 } else { COLUMN_SPACES };
            let padding = self.column(segment).saturating_sub(length).max(least);
            let words: Vec<&str> = segment.iter().map(|word| word.text.as_str()).collect();
            let words = words.join(" ");
            text.extend(std::iter::repeat_n(' ', padding));
            text.push_str(&words);
            length += padding + words.chars().count();
        }
        text
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is capped")]
    fn column(self, segment: &[Fragment]) -> usize {
        let start = segment.iter().map(|word| word.u0).reduce(f32::min).unwrap_or(self.left);
        (((start - self.left) / self.advance).round() as usize).min(LAST_COLUMN)
    }
}

#[expect(clippy::cast_precision_loss, reason = "words are short")]
fn advance(word: &Fragment) -> Option<f32> {
    let count = word.text.chars().count();
    (count > 1).then(|| (word.u1 - word.u0) / count as f32)
}

/// Splits a row, sorted from left to right, at its wide gaps; the words of each part come in reading order, with
/// normalised text.
pub(super) fn segments(row: Vec<Fragment>) -> Vec<Vec<Fragment>> {
    let mut segments: Vec<Vec<Fragment>> = Vec::new();
    let mut end = f32::MIN;
    for mut word in row {
        word.text = normalise(&word.text);
        let is_near = word.u0 - end <= COLUMN_GAP * word.size;
        end = end.max(word.u1);
        match segments.last_mut() {
            Some(segment) if is_near => segment.push(word),
            _ => segments.push(vec![word]),
        }
    }
    for segment in &mut segments {
        turn_right_to_left(segment);
    }
    segments
}

/// Puts a part of a line that is written from right to left into reading order. Words of other scripts within it,
/// numbers too, keep their order among themselves.
fn turn_right_to_left(segment: &mut [Fragment]) {
    let is_turned = |word: &Fragment| word.text.chars().any(is_right_to_left);
    if segment.iter().any(is_turned) {
        segment.reverse();
        segment.chunk_by_mut(|a, b| !is_turned(a) && !is_turned(b)).for_each(<[Fragment]>::reverse);
    }
}
