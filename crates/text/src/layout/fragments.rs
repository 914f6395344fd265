//! Characters that are drawn one after the other without a gap: words, or parts of them.

use protocol::document::{BBox, Word};

use super::{Direction, Glyph, Mark};
use crate::pages::LONGEST_WORD;
use crate::unicode::is_right_to_left;

/// A gap wider than this part of the height ends a word even where no space is drawn.
const WORD_GAP: f32 = 0.25;

/// A character further up or down than this part of the height begins a new word; less is an index or an exponent.
const OFF_BASELINE: f32 = 0.5;

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
    /// Whether white space is drawn before it.
    pub(super) space_before: bool,
    /// Whether white space is drawn behind it.
    pub(super) space_after: bool,
    /// How surely it was recognised.
    pub(super) confidence: Option<f32>,
}

impl Fragment {
    fn of(glyph: &Glyph, space_before: bool) -> Self {
        Self {
            text: glyph.character.to_string(),
            bbox: glyph.bbox,
            direction: glyph.direction,
            u0: glyph.u0,
            u1: glyph.u1,
            baseline: glyph.baseline,
            size: glyph.size,
            space_before,
            space_after: false,
            confidence: None,
        }
    }

    /// A whole upright word.
    pub(super) fn of_word(word: Word, baseline: f32) -> Self {
        let Word { text, bbox, confidence } = word;
        Self {
            text,
            bbox,
            direction: Direction::of((1.0, 0.0)),
            u0: bbox.x0,
            u1: bbox.x1,
            baseline,
            size: bbox.height().max(1.0),
            space_before: true,
            space_after: true,
            confidence,
        }
    }

    /// Whether a word of both is not too long; counted in bytes, which are never fewer than its characters.
    pub(super) const fn has_room_for(&self, next: &Self) -> bool {
        self.text.len() + next.text.len() <= LONGEST_WORD
    }

    /// Takes in what follows it.
    pub(super) fn append(&mut self, next: Self) {
        self.text.push_str(&next.text);
        self.bbox = self.bbox.union(next.bbox);
        self.u0 = self.u0.min(next.u0);
        self.u1 = self.u1.max(next.u1);
        if next.size > self.size {
            (self.baseline, self.size) = (next.baseline, next.size);
        }
        self.space_after = next.space_after;
    }
}

/// The fragments in the order in which they are drawn.
pub(super) fn drawn(marks: &[&Mark]) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::new();
    // The character that the next one may continue, and whether white space came since.
    let mut last: Option<&Glyph> = None;
    let mut space = false;
    let leaders = leaders(marks);
    let mut was_leader = false;
    for (index, mark) in marks.iter().enumerate() {
        let Mark::Glyph(glyph) = mark else {
            space = true;
            if let Some(fragment) = fragments.last_mut() {
                fragment.space_after = true;
            }
            continue;
        };
        let is_leader = leaders[index];
        if is_leader != was_leader {
            space = true;
            if let Some(fragment) = fragments.last_mut() {
                fragment.space_after = true;
            }
        }
        let next = Fragment::of(glyph, space);
        match (fragments.last_mut(), last) {
            (Some(fragment), Some(last)) if !space && glyph.continues(last) && fragment.has_room_for(&next) => {
                fragment.append(next);
            }
            _ => fragments.push(next),
        }
        (last, space, was_leader) = (Some(glyph), false, is_leader);
    }
    fragments
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
        let steps_back = last.u0 - self.u0 > WORD_GAP * size;
        if steps_back && !(is_right_to_left(self.character) && is_right_to_left(last.character)) {
            return false;
        }
        to_the_right.max(to_the_left) <= WORD_GAP * size
    }
}
