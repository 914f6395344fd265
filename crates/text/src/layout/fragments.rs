//! Characters that are drawn one after the other without a gap: words, or parts of them.

use protocol::document::{BBox, Word};

use super::{Direction, Glyph, Mark};
use crate::pages::LONGEST_WORD;
use crate::unicode::{is_combining, is_right_to_left};

/// A gap wider than this part of the height ends a word even where no space is drawn.
const WORD_GAP: f32 = 0.25;

/// A character further up or down than this part of the height begins a new word; less is an index or an exponent.
const OFF_BASELINE: f32 = 0.5;

/// An accent belongs to a letter no further away than this part of the height.
const ACCENT_GAP: f32 = 0.5;

/// A number is the mark of a note when it is no higher than this part of the word that follows it …
const NOTE_SIZE: f32 = 0.8;

/// … and stands higher by at least this part.
const NOTE_RISE: f32 = 0.15;

/// A word or a part of one, in the reading frame.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) text: String,
    pub(super) bbox: BBox,
    pub(super) direction: Direction,
    pub(super) u0: f32,
    pub(super) u1: f32,
    /// Baseline of its tallest character.
    pub(super) baseline: f32,
    /// Height of its tallest character.
    pub(super) size: f32,
    /// Whether white space is drawn on its left.
    pub(super) space_left: bool,
    /// Whether white space is drawn on its right.
    pub(super) space_right: bool,
    /// Whether any of it is written from right to left.
    pub(super) is_right_to_left: bool,
    /// How surely it was recognised.
    pub(super) confidence: Option<f32>,
}

impl Fragment {
    fn of(glyph: &Glyph, space_before: bool) -> Self {
        let is_right_to_left = is_right_to_left(glyph.character);
        Self {
            text: glyph.character.to_string(),
            bbox: glyph.bbox,
            direction: glyph.direction,
            u0: glyph.u0,
            u1: glyph.u1,
            baseline: glyph.baseline,
            size: glyph.size,
            space_left: space_before && !is_right_to_left,
            space_right: space_before && is_right_to_left,
            is_right_to_left,
            confidence: None,
        }
    }

    /// A whole upright word.
    pub(super) fn of_word(word: Word, baseline: f32) -> Self {
        let Word { text, bbox, confidence } = word;
        Self {
            is_right_to_left: text.chars().any(is_right_to_left),
            text,
            bbox,
            direction: Direction::of((1.0, 0.0)),
            u0: bbox.x0,
            u1: bbox.x1,
            baseline,
            size: bbox.height().max(1.0),
            space_left: true,
            space_right: true,
            confidence,
        }
    }

    /// Takes in the character that is drawn next.
    fn push(&mut self, glyph: &Glyph) {
        self.text.push(glyph.character);
        self.grow(glyph.bbox, (glyph.u0, glyph.u1), (glyph.baseline, glyph.size));
        self.is_right_to_left |= is_right_to_left(glyph.character);
    }

    /// White space is drawn behind it.
    const fn end(&mut self) {
        if self.is_right_to_left {
            self.space_left = true;
        } else {
            self.space_right = true;
        }
    }

    /// Whether a word with so many more bytes is not too long; bytes are never fewer than characters.
    pub(super) const fn has_room_for(&self, bytes: usize) -> bool {
        self.text.len() + bytes <= LONGEST_WORD
    }

    /// Takes in its right neighbour. Where one of them is written from right to left, that one is read first.
    pub(super) fn append(&mut self, right: Self) {
        if self.is_right_to_left || right.is_right_to_left {
            self.text.insert_str(0, &right.text);
        } else {
            self.text.push_str(&right.text);
        }
        self.grow(right.bbox, (right.u0, right.u1), (right.baseline, right.size));
        self.space_right = right.space_right;
        self.is_right_to_left |= right.is_right_to_left;
    }

    fn grow(&mut self, bbox: BBox, (u0, u1): (f32, f32), (baseline, size): (f32, f32)) {
        self.bbox = self.bbox.union(bbox);
        self.u0 = self.u0.min(u0);
        self.u1 = self.u1.max(u1);
        if size > self.size {
            (self.baseline, self.size) = (baseline, size);
        }
    }
}

/// The fragments in the order in which they are drawn.
pub(super) fn drawn(marks: &[&Mark]) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::with_capacity(marks.len() / 4);
    // The character that the next one may continue, and whether white space came since.
    let mut last: Option<&Glyph> = None;
    let (mut space, mut ended) = (false, false);
    let leaders = leaders(marks);
    let mut was_leader = false;
    for (mark, is_leader) in marks.iter().zip(leaders) {
        let glyph = match mark {
            Mark::Glyph(glyph) => glyph,
            Mark::Space => {
                space = true;
                fragments.last_mut().into_iter().for_each(Fragment::end);
                continue;
            }
            Mark::Break => {
                ended = true;
                continue;
            }
        };
        if is_leader != was_leader {
            space = true;
            fragments.last_mut().into_iter().for_each(Fragment::end);
        }
        match (fragments.last_mut(), last) {
            (Some(fragment), Some(last)) if !space && !ended && glyph.continues(last) => {
                if is_note_of(fragment, glyph) {
                    // On the baseline of the word that it stands before, so that both share a line.
                    fragment.baseline = glyph.baseline;
                    fragment.end();
                    fragments.push(Fragment::of(glyph, true));
                } else if fragment.has_room_for(glyph.character.len_utf8()) {
                    fragment.push(glyph);
                } else {
                    fragments.push(Fragment::of(glyph, false));
                }
            }
            _ => fragments.push(Fragment::of(glyph, space)),
        }
        (last, space, ended, was_leader) = (Some(glyph), false, false, is_leader);
    }
    fragments
}

/// Whether a small raised number stands right before the first letter of a word: the mark of a note, and no part of it.
fn is_note_of(fragment: &Fragment, glyph: &Glyph) -> bool {
    glyph.character.is_alphabetic()
        && fragment.size <= NOTE_SIZE * glyph.size
        && glyph.baseline - fragment.baseline >= NOTE_RISE * glyph.size
        && fragment.text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which marks are part of a leader, the dots between a label and its value: they are no part of either.
fn leaders(marks: &[&Mark]) -> Vec<bool> {
    const SHORTEST: usize = 4;
    let dot = |mark: &Mark| match mark {
        Mark::Glyph(glyph) if matches!(glyph.character, '.' | '_' | '·' | '…') => Some(glyph.character),
        _ => None,
    };
    let runs = marks.chunk_by(|a, b| dot(a).is_some() && dot(a) == dot(b));
    runs.flat_map(|run| std::iter::repeat_n(run.len() >= SHORTEST, run.len())).collect()
}

impl Glyph {
    /// Whether this character goes on where the last one ended.
    fn continues(&self, last: &Self) -> bool {
        let size = self.size.max(last.size);
        if self.direction != last.direction || (self.baseline - last.baseline).abs() > OFF_BASELINE * size {
            return false;
        }
        let (to_the_right, to_the_left) = (self.u0 - last.u1, last.u0 - self.u1);
        let gap = to_the_right.max(to_the_left);
        if is_combining(self.character) {
            return gap <= ACCENT_GAP * size;
        }
        let steps_back = last.u0 - self.u0 > WORD_GAP * size;
        // Leftwards go letters that are written so, and the signs between and behind them.
        let goes_left = |glyph: &Self| is_right_to_left(glyph.character) || !glyph.character.is_alphanumeric();
        let either_does = is_right_to_left(self.character) || is_right_to_left(last.character);
        if steps_back && !(either_does && goes_left(self) && goes_left(last)) {
            return false;
        }
        gap <= WORD_GAP * size
    }
}
