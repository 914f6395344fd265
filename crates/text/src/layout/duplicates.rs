//! Drops characters that are drawn twice to look bold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Glyph, Mark};

/// Two of the same character no further apart than this part of their height are one. The narrowest letters advance
/// by twice as much, so "ll" stays.
const SAME_PLACE: f32 = 0.1;

/// Side of the squares by which neighbours are found, in points; larger than [`SAME_PLACE`] of any usual height.
const CELL: f32 = 4.0;

/// Marks the end of a chain.
const NONE: u32 = u32::MAX;

/// The marks without characters that stand on top of an equal one. Letters that follow each other in the very same box
/// are no duplicates but a ligature taken apart: both letters f of "office" come that way.
pub(super) fn dropped(marks: &[Mark]) -> Vec<&Mark> {
    // The last glyph of each square, and for each glyph the one before it in its square.
    let mut last_in: HashMap<(char, i32, i32), u32> = HashMap::with_capacity(marks.len());
    let mut seen: Vec<(&Glyph, u32)> = Vec::with_capacity(marks.len());
    let mut kept = Vec::with_capacity(marks.len());
    let mut last: Option<&Glyph> = None;
    for mark in marks {
        let Mark::Glyph(glyph) = mark else {
            kept.push(mark);
            continue;
        };
        if last.replace(glyph).is_some_and(|last| last.bbox == glyph.bbox) {
            kept.push(mark);
            continue;
        }
        let reach = (SAME_PLACE * glyph.size).min(CELL);
        let squares = |low: f32| (square(low - reach)..=square(low + reach), square(low));
        let ((columns, column), (rows, row)) = (squares(glyph.bbox.x0), squares(glyph.bbox.y0));
        let is_drawn = columns.into_iter().any(|column| {
            rows.clone().any(|row| {
                let mut at = last_in.get(&(glyph.character, column, row)).copied().unwrap_or(NONE);
                while let Some((other, before)) = seen.get(at as usize) {
                    if is_same(glyph, other) {
                        return true;
                    }
                    at = *before;
                }
                false
            })
        });
        if is_drawn {
            continue;
        }
        let number = u32::try_from(seen.len()).unwrap_or(NONE);
        let before = match last_in.entry((glyph.character, column, row)) {
            Entry::Occupied(mut entry) => entry.insert(number),
            Entry::Vacant(entry) => {
                entry.insert(number);
                NONE
            }
        };
        seen.push((glyph, before));
        kept.push(mark);
    }
    kept
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and pages are no wider than that")]
fn square(position: f32) -> i32 {
    (position / CELL).floor() as i32
}

fn is_same(one: &Glyph, other: &Glyph) -> bool {
    let reach = (SAME_PLACE * one.size.min(other.size)).min(CELL);
    (one.bbox.x0 - other.bbox.x0).abs() <= reach
        && (one.bbox.y0 - other.bbox.y0).abs() <= reach
        && (one.bbox.x1 - other.bbox.x1).abs() <= reach
        && (one.bbox.y1 - other.bbox.y1).abs() <= reach
}
