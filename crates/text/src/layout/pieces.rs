//! Words of lines, in the reading frame: what reading order and tables are found from.

use protocol::document::{BBox, Line};

use super::Direction;

/// A word with where it is, on the page and in its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Index of its line.
    pub(super) line: usize,
    /// Index within the line.
    pub(super) word: usize,
    /// Its box in the reading frame: x along the text, y across it.
    pub(super) frame: BBox,
    /// Its box on the displayed page.
    pub(super) bbox: BBox,
}

impl<'a> Piece<'a> {
    /// All words of these lines, in their order.
    pub(super) fn all(lines: &'a [Line], direction: Direction) -> Vec<Self> {
        let of_line = |(line, of): (usize, &'a Line)| {
            of.words.iter().enumerate().map(move |(word, of)| {
                let frame = direction.project_box(of.bbox);
                Piece { text: &of.text, line, word, frame, bbox: of.bbox }
            })
        };
        lines.iter().enumerate().flat_map(of_line).collect()
    }

    /// Middle of its box in the reading frame.
    pub(super) fn centre(&self) -> (f32, f32) {
        (f32::midpoint(self.frame.x0, self.frame.x1), f32::midpoint(self.frame.y0, self.frame.y1))
    }
}

/// The middle one of these numbers, if there are any.
pub(super) fn median(mut numbers: Vec<f32>) -> Option<f32> {
    let middle = numbers.len() / 2;
    (!numbers.is_empty()).then(|| *numbers.select_nth_unstable_by(middle, f32::total_cmp).1)
}
