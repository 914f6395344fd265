//! Characters with positions → words → lines, and text in which columns stay under each other.
//!
//! Everything here works in the *reading frame* of a writing direction: `u` runs along the text, `v` across it
//! downwards. For upright text these are x and y. Text that runs in different directions never shares a line.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use protocol::document::{BBox, Line, Word};

use self::fragments::Fragment;

mod columns;
mod duplicates;
mod fragments;
mod rows;

/// What a page's text consists of, in the order in which it is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A visible character.
    Glyph(Glyph),
    /// White space: whatever comes next begins a new word.
    Space,
}

/// A visible character on the displayed page.
#[derive(Clone, Debug)]
pub(crate) struct Glyph {
    character: char,
    bbox: BBox,
    direction: Direction,
    /// Extent along the text.
    u0: f32,
    u1: f32,
    /// Position of the baseline across the text.
    baseline: f32,
    /// Height of the character box across the text.
    size: f32,
}

/// Which way text runs, in degrees clockwise from "left to right".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Direction(i16);

impl Direction {
    /// Rounded so that the tilt of a skewed scan is no direction of its own, while a diagonal stamp is.
    fn of((dx, dy): (f32, f32)) -> Self {
        let degrees = dy.atan2(dx).to_degrees();
        let quarter = (degrees / 90.0).round() * 90.0;
        let rounded = if (degrees - quarter).abs() <= 10.0 { quarter } else { (degrees / 15.0).round() * 15.0 };
        Self((rounded as i16).rem_euclid(360))
    }

    /// Displayed point to reading frame.
    fn project(self, (x, y): (f32, f32)) -> (f32, f32) {
        match self.0 {
            0 => (x, y),
            90 => (y, -x),
            180 => (-x, -y),
            270 => (-y, x),
            degrees => {
                let (sin, cos) = f32::from(degrees).to_radians().sin_cos();
                (x * cos + y * sin, y * cos - x * sin)
            }
        }
    }
}

impl Glyph {
    /// A character with its box, its origin on the baseline, and the direction in which its text runs.
    pub(crate) fn new(character: char, bbox: BBox, origin: (f32, f32), along: (f32, f32)) -> Self {
        let direction = Direction::of(along);
        let corners = [(bbox.x0, bbox.y0), (bbox.x1, bbox.y0), (bbox.x0, bbox.y1), (bbox.x1, bbox.y1)];
        let corners = corners.map(|corner| direction.project(corner));
        let range = |of: fn(&(f32, f32)) -> f32| {
            corners.iter().map(of).fold((f32::MAX, f32::MIN), |(low, high), at| (low.min(at), high.max(at)))
        };
        let ((u0, u1), (v0, v1)) = (range(|corner| corner.0), range(|corner| corner.1));
        let baseline = direction.project(origin).1;
        Self { character, bbox, direction, u0, u1, baseline, size: (v1 - v0).max(1.0) }
    }

    /// Where it stands on the displayed page.
    pub(crate) fn bbox(&self) -> BBox {
        self.bbox
    }
}

/// The lines of a page: those of the prevailing direction first, each direction from its top to its bottom.
pub(crate) fn lines(marks: &[Mark]) -> Vec<Line> {
    let mut by_direction: BTreeMap<Direction, Vec<Fragment>> = BTreeMap::new();
    for fragment in fragments::drawn(&duplicates::dropped(marks)) {
        by_direction.entry(fragment.direction).or_default().push(fragment);
    }
    let mut directions: Vec<Vec<Fragment>> = by_direction.into_values().collect();
    directions.sort_by_key(|fragments| Reverse(fragments.iter().map(|fragment| fragment.text.len()).sum::<usize>()));
    directions.into_iter().flat_map(lines_of_direction).collect()
}

/// The lines of a page of upright words, each with its baseline.
pub(crate) fn lines_of_words(words: Vec<(Word, f32)>) -> Vec<Line> {
    lines_of_direction(words.into_iter().map(|(word, baseline)| Fragment::of_word(word, baseline)).collect())
}

fn lines_of_direction(fragments: Vec<Fragment>) -> Vec<Line> {
    let rows = rows::rows(fragments);
    let grid = columns::Grid::of(&rows);
    rows.into_iter().filter_map(|row| line(grid, row)).collect()
}

fn line(grid: columns::Grid, row: Vec<Fragment>) -> Option<Line> {
    let bbox = BBox::around(row.iter().map(|word| word.bbox))?;
    let segments = columns::segments(row);
    let text = grid.text(&segments);
    let words = segments
        .into_iter()
        .flatten()
        .map(|word| Word { text: word.text, bbox: word.bbox, confidence: word.confidence })
        .collect();
    Some(Line { text, bbox, words })
}

#[cfg(test)]
mod tests;
