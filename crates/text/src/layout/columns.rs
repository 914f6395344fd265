//! The text of a line, padded so that columns stay under each other.

use super::fragments::Fragment;
use super::pieces::median;
use crate::unicode::{is_normal, is_right_to_left, normalise};

/// A gap wider than this part of the height separates columns rather than words.
pub(super) const COLUMN_GAP: f32 = 1.0;

/// Between columns stand at least so many spaces, so that they can be told from words.
const COLUMN_SPACES: usize = 2;

/// No text begins behind this column, however wide the page and small the print.
const LAST_COLUMN: usize = 400;

/// Width of a character where no word tells.
const USUAL_ADVANCE: f32 = 5.0;

/// The grid is made narrower by these, the first of which has its columns stay under each other.
const NARROWER: [f32; 5] = [1.0, 0.9, 0.8, 0.7, 0.6];

/// One in so many parts of lines may be pushed to the right by what stands before it.
const PUSHED: usize = 50;

/// A grid of characters laid over the text of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Where column 0 begins.
    left: f32,
    /// Width of a column.
    advance: f32,
}

impl Grid {
    /// As wide as the median character, or narrower where print is so uneven that text would push its neighbours out of
    /// their columns. Begins with the leftmost word.
    pub(super) fn of(rows: &[Vec<Vec<Fragment>>]) -> Self {
        let words = || rows.iter().flatten().flatten();
        let left = words().map(|word| word.u0).reduce(f32::min).unwrap_or(0.0);
        let advance = median(words().filter_map(advance).collect()).unwrap_or(USUAL_ADVANCE).max(0.5);
        let parts: usize = rows.iter().map(Vec::len).sum();
        let grids = NARROWER.map(|part| Self { left, advance: advance * part });
        let fits = |grid: &&Self| rows.iter().map(|row| grid.pushed(row)).sum::<usize>() * PUSHED <= parts;
        *grids.iter().find(fits).unwrap_or(&grids[grids.len() - 1])
    }

    /// How many parts of a line do not begin in their column, for want of room.
    fn pushed(self, row: &[Vec<Fragment>]) -> usize {
        let (mut pushed, mut length) = (0, 0);
        for segment in row {
            let least = if length == 0 { 0 } else { length + COLUMN_SPACES };
            let column = self.column(segment);
            pushed += usize::from(column < least);
            length = column.max(least) + segment.iter().map(|word| word.text.chars().count() + 1).sum::<usize>() - 1;
        }
        pushed
    }

    /// The text of a line.
    pub(super) fn text(self, segments: &[Vec<Fragment>]) -> String {
        let mut text = String::new();
        let mut length = 0;
        for segment in segments {
            let least = if length == 0 { 0 } else { COLUMN_SPACES };
            let padding = self.column(segment).saturating_sub(length).max(least);
            text.extend(std::iter::repeat_n(' ', padding));
            length += padding;
            for (index, word) in segment.iter().enumerate() {
                if index > 0 {
                    text.push(' ');
                    length += 1;
                }
                text.push_str(&word.text);
                length += word.text.chars().count();
            }
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
        if !is_normal(&word.text) {
            word.text = normalise(&word.text);
        }
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
/// numbers too, keep their order among themselves. What is mostly written from left to right keeps its order, and only
/// the words within it that are not are turned: the rules L2 and W of Unicode's bidirectional algorithm, for words.
fn turn_right_to_left(segment: &mut [Fragment]) {
    let is_turned = |word: &Fragment| word.text.chars().any(is_right_to_left);
    let turned = segment.iter().filter(|word| is_turned(word)).count();
    if turned == 0 {
        return;
    }
    let is_letters = |word: &&Fragment| !is_turned(word) && word.text.chars().any(char::is_alphabetic);
    if segment.iter().filter(is_letters).count() > turned {
        segment
            .chunk_by_mut(|a, b| is_turned(a) && is_turned(b))
            .filter(|run| is_turned(&run[0]))
            .for_each(<[_]>::reverse);
        return;
    }
    segment.reverse();
    segment.chunk_by_mut(|a, b| !is_turned(a) && !is_turned(b)).for_each(<[Fragment]>::reverse);
}
