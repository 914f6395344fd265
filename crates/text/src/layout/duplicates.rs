//! Drops characters that are drawn twice to look bold.

use std::collections::HashMap;

use super::{Glyph, Mark};

/// Two of the same character no further apart than this part of their height are one. The narrowest letters advance
/// by twice as much, so "ll" stays.
const SAME_PLACE: f32 = 0.1;

/// Side of the squares by which neighbours are found, in points; larger than [`SAME_PLACE`] of any usual height.
const CELL: f32 = 4.0;

/// The marks without characters that stand on top of an equal one. Letters that follow each other in the very same box
/// are no duplicates but a ligature taken apart: both letters f of "office" come that way.
pub(super) fn dropped(marks: &[Mark]) -> Vec<&Mark> {
    let mut seen: HashMap<(char, i32, i32), Vec<&Glyph>> = HashMap::new();
    let mut kept = Vec::with_capacity(marks.len());
    let mut last: Option<&Glyph> = None;
    for mark in marks {
        if let Mark::Glyph(glyph) = mark {
            let is_ligature = last.replace(glyph).is_some_and(|last| last.bbox == glyph.bbox);
            if is_ligature {
                kept.push(mark);
                continue;
            }
            let (column, row) = cell(glyph);
            // Characters may stand anywhere, far beyond the page.
            let beside = |dx, dy| (column.saturating_add(dx), row.saturating_add(dy));
            let mut around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| beside(dx, dy)));
            let near = |(column, row)| seen.get(&(glyph.character, column, row));
            if around.any(|at| near(at).is_some_and(|glyphs| glyphs.iter().any(|other| is_same(glyph, other)))) {
                continue;
            }
            seen.entry((glyph.character, column, row)).or_default().push(glyph);
        }
        kept.push(mark);
    }
    kept
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and pages are no wider than that")]
fn cell(glyph: &Glyph) -> (i32, i32) {
    ((glyph.bbox.x0 / CELL).floor() as i32, (glyph.bbox.y0 / CELL).floor() as i32)
}

fn is_same(one: &Glyph, other: &Glyph) -> bool {
    let reach = (SAME_PLACE * one.size.min(other.size)).min(CELL);
    (one.bbox.x0 - other.bbox.x0).abs() <= reach
        && (one.bbox.y0 - other.bbox.y0).abs() <= reach
        && (one.bbox.x1 - other.bbox.x1).abs() <= reach
        && (one.bbox.y1 - other.bbox.y1).abs() <= reach
}
