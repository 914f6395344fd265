//! Characters with positions → words → lines, and text in which columns stay under each other.
//!
//! Everything here works in the *reading frame* of a writing direction: `u` runs along the text, `v` across it
//! downwards. For upright text these are x and y. Text that runs in different directions never shares a line.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use protocol::document::{BBox, Block, Line, Table, Word};

use self::fragments::Fragment;
use self::pieces::Piece;

mod bands;
mod blocks;
mod columns;
mod duplicates;
mod fragments;
mod grid;
mod pieces;
mod rows;
mod stacked;
mod tables;

/// What a page's text consists of, in the order in which it is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// A visible character.
    Glyph(Glyph),
    /// White space: whatever comes next begins a new word.
    Space,
    /// Nothing is drawn, and yet what comes next does not continue what came before: a line ends, a gap begins. What
    /// stands next to it on the page may belong to it all the same.
    Break,
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

/// A straight line that is drawn along one of the page's sides, in displayed points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Whether it runs from left to right rather than downwards.
    pub(crate) is_horizontal: bool,
    /// Its y if horizontal, else its x.
    pub(crate) at: f32,
    /// Where it begins: its least x if horizontal, else its least y.
    pub(crate) from: f32,
    /// Where it ends.
    pub(crate) to: f32,
}

/// Which way text runs, in degrees clockwise from "left to right".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Direction(i16);

impl Direction {
    /// Rounded so that the tilt of a skewed scan is no direction of its own, while a diagonal stamp is.
    fn of((dx, dy): (f32, f32)) -> Self {
        if dx > 0.0 && dy == 0.0 {
            return Self(0);
        }
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

    /// The smallest box of the reading frame that holds a displayed one.
    fn project_box(self, bbox: BBox) -> BBox {
        if self.0 == 0 {
            return bbox;
        }
        let corners = [(bbox.x0, bbox.y0), (bbox.x1, bbox.y0), (bbox.x0, bbox.y1), (bbox.x1, bbox.y1)];
        let points = corners.map(|corner| self.project(corner)).map(|(u, v)| BBox { x0: u, y0: v, x1: u, y1: v });
        BBox::around(points).unwrap_or(bbox)
    }

    /// A box of the reading frame, on the displayed page.
    fn displayed(self, frame: BBox) -> BBox {
        Self((360 - self.0) % 360).project_box(frame)
    }

    /// Whether text runs along one of the page's sides.
    const fn is_square(self) -> bool {
        self.0 % 90 == 0
    }
}

impl Glyph {
    /// A character with its box, its origin on the baseline, and the direction in which its text runs.
    pub(crate) fn new(character: char, bbox: BBox, origin: (f32, f32), along: (f32, f32)) -> Self {
        let direction = Direction::of(along);
        let frame = direction.project_box(bbox);
        let baseline = direction.project(origin).1;
        Self { character, bbox, direction, u0: frame.x0, u1: frame.x1, baseline, size: frame.height().max(1.0) }
    }

    /// Where it stands on the displayed page.
    pub(crate) fn bbox(&self) -> BBox {
        self.bbox
    }

    /// Which character it is.
    pub(crate) fn character(&self) -> char {
        self.character
    }
}

/// The text of a page in the three ways in which a page says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laid {
    pub(crate) lines: Vec<Line>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) tables: Vec<Table>,
}

/// Lays out a page: its lines, the order in which they are read where that is another one, and its tables.
pub(crate) fn page(marks: Vec<Mark>, rules: &[Rule]) -> Laid {
    laid(by_direction(marks), rules)
}

/// The same for upright words, each with its baseline.
pub(crate) fn page_of_words(words: Vec<(Word, f32)>) -> Laid {
    let fragments = words.into_iter().map(|(word, baseline)| Fragment::of_word(word, baseline)).collect();
    laid(vec![(Direction(0), lines_of_direction(fragments))], &[])
}

fn laid(directions: Vec<(Direction, Vec<Line>)>, rules: &[Rule]) -> Laid {
    let Some(&(direction, ref first)) = directions.first() else { return Laid::default() };
    let (mut blocks, mut tables) = (Vec::new(), Vec::new());
    // Text that runs along no side of the page is a stamp, and what else runs in other directions stands beside it.
    if direction.is_square() {
        let pieces = Piece::all(first, direction);
        let found = tables::found(&pieces, rules, direction);
        blocks = blocks::in_reading_order(&pieces, first, &found);
        tables = found.into_iter().map(|found| found.table).collect();
    }
    let main = first.len();
    let lines: Vec<Line> = directions.into_iter().flat_map(|(_, lines)| lines).collect();
    if !blocks.is_empty() {
        blocks.extend((main..).zip(&lines[main..]).filter_map(|(index, line)| blocks::whole(index, line)));
    }
    Laid { lines, blocks, tables }
}

/// The lines of a page: those of the prevailing direction first, each direction from its top to its bottom.
#[cfg(test)]
fn lines(marks: &[Mark]) -> Vec<Line> {
    page(marks.to_vec(), &[]).lines
}

fn by_direction(mut marks: Vec<Mark>) -> Vec<(Direction, Vec<Line>)> {
    stacked::turn(&mut marks);
    let mut by_direction: BTreeMap<Direction, Vec<Fragment>> = BTreeMap::new();
    for fragment in fragments::drawn(&duplicates::dropped(&marks)) {
        by_direction.entry(fragment.direction).or_default().push(fragment);
    }
    let mut directions: Vec<(Direction, Vec<Fragment>)> = by_direction.into_iter().collect();
    directions
        .sort_by_key(|(_, fragments)| Reverse(fragments.iter().map(|fragment| fragment.text.len()).sum::<usize>()));
    directions.into_iter().map(|(direction, fragments)| (direction, lines_of_direction(fragments))).collect()
}

fn lines_of_direction(fragments: Vec<Fragment>) -> Vec<Line> {
    let rows = rows::rows(fragments);
    let rows: Vec<Vec<Vec<Fragment>>> = rows.into_iter().map(columns::segments).collect();
    let grid = columns::Grid::of(&rows);
    rows.into_iter().filter_map(|row| line(grid, row)).collect()
}

fn line(grid: columns::Grid, segments: Vec<Vec<Fragment>>) -> Option<Line> {
    let bbox = BBox::around(segments.iter().flatten().map(|word| word.bbox))?;
    let text = grid.text(&segments);
    let words = segments
        .into_iter()
        .flatten()
        .map(|word| Word { text: word.text, bbox: word.bbox, confidence: word.confidence })
        .collect();
    Some(Line { text, bbox, words })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
