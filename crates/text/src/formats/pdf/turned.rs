//! Puts letters right that PDFium turns round along with those around them.
//!
//! PDFium gives text that runs from right to left in the order in which it is read, by turning all its characters round.
//! That is right for letters, and wrong for what was in order already: the letters of one shape, and accents.

use protocol::document::BBox;

use super::ink::Ink;
use crate::layout::{Glyph, Mark};
use crate::unicode::{is_combining, is_right_to_left};

/// Puts right the order of letters of one shape, and of accents and the letters below them.
pub(super) fn put_right(marks: &mut Vec<(Mark, Ink)>) {
    let is_turned = |mark: &(Mark, Ink)| glyph(mark).is_some_and(|glyph| is_right_to_left(glyph.character()));
    if !marks.iter().any(is_turned) {
        return;
    }
    drop_spaces_under_accents(marks);
    put_right_shapes(marks);
    for index in 1..marks.len() {
        if is_before_its_letter(marks, index - 1) {
            marks.swap(index - 1, index);
        }
    }
}

fn glyph((mark, _): &(Mark, Ink)) -> Option<&Glyph> {
    if let Mark::Glyph(glyph) = mark { Some(glyph) } else { None }
}

fn is_accent(mark: &(Mark, Ink)) -> bool {
    glyph(mark).is_some_and(|glyph| is_combining(glyph.character()) && is_right_to_left(glyph.character()))
}

/// A shape that is an accent alone comes as a space and the accent.
fn drop_spaces_under_accents(marks: &mut Vec<(Mark, Ink)>) {
    let is_dropped: Vec<bool> =
        marks.windows(2).map(|pair| matches!(pair[0].0, Mark::Space) && is_accent(&pair[1])).collect();
    let mut is_dropped = is_dropped.into_iter();
    marks.retain(|_| !is_dropped.next().unwrap_or(false));
}

/// The letters of one shape share a box.
fn put_right_shapes(marks: &mut [(Mark, Ink)]) {
    let bbox = |mark: &(Mark, Ink)| glyph(mark).map(Glyph::bbox);
    let is_of_script =
        |mark: &(Mark, Ink)| glyph(mark).is_some_and(|glyph| is_right_to_left(glyph.character())) || is_accent(mark);
    for shape in marks.chunk_by_mut(|a, b| bbox(a).is_some() && bbox(a) == bbox(b)) {
        if shape.len() > 1 && shape.iter().all(is_of_script) {
            shape.reverse();
        }
    }
}

/// Whether an accent comes before the letter that it stands over.
fn is_before_its_letter(marks: &[(Mark, Ink)], accent: usize) -> bool {
    let stands_over = |accent: BBox, letter: &(Mark, Ink)| {
        let middle = f32::midpoint(accent.x0, accent.x1);
        glyph(letter).is_some_and(|letter| {
            !is_combining(letter.character())
                && is_right_to_left(letter.character())
                && (letter.bbox().x0..=letter.bbox().x1).contains(&middle)
        })
    };
    let (Some(this), Some(next)) = (marks.get(accent), marks.get(accent + 1)) else { return false };
    let Some(bbox) = glyph(this).filter(|_| is_accent(this)).map(Glyph::bbox) else { return false };
    let last = accent.checked_sub(1).and_then(|last| marks.get(last));
    stands_over(bbox, next) && !last.is_some_and(|last| stands_over(bbox, last))
}
