//! Vertical writing: Chinese and Japanese characters that are drawn upright below each other.

use super::{Direction, Glyph, Mark};
use crate::unicode::is_ideographic;

/// So many characters below each other are vertical writing; fewer may be cells of a table.
const SHORTEST: usize = 4;

/// The next character stands no further below than this part of its height; lines of a table or of prose do.
const STEP: std::ops::RangeInclusive<f32> = 0.7..=1.25;

/// Characters stand below each other when their middles are no further apart than this part of their height.
const ASIDE: f32 = 0.2;

/// Has what is written vertically run downwards, columns from right to left.
pub(super) fn turn(marks: &mut [Mark]) {
    for run in marks.chunk_by_mut(|above, below| match (above, below) {
        (Mark::Glyph(above), Mark::Glyph(below)) => is_below(above, below),
        _ => false,
    }) {
        if run.len() < SHORTEST {
            continue;
        }
        for mark in run {
            let Mark::Glyph(glyph) = mark else { continue };
            let middle = (f32::midpoint(glyph.bbox.x0, glyph.bbox.x1), glyph.bbox.y0);
            let direction = Direction(90);
            let frame = direction.project_box(glyph.bbox);
            let baseline = direction.project(middle).1;
            *glyph = Glyph {
                direction,
                u0: frame.x0,
                u1: frame.x1,
                baseline,
                size: frame.height().max(1.0),
                ..glyph.clone()
            };
        }
    }
}

fn is_below(above: &Glyph, below: &Glyph) -> bool {
    if above.direction != Direction(0) || !is_ideographic(above.character) || !is_ideographic(below.character) {
        return false;
    }
    let size = above.bbox.height().max(above.bbox.width());
    let middle = |glyph: &Glyph| f32::midpoint(glyph.bbox.x0, glyph.bbox.x1);
    below.direction == Direction(0)
        && STEP.contains(&((below.bbox.y1 - above.bbox.y1) / size.max(1.0)))
        && (middle(above) - middle(below)).abs() <= ASIDE * size
}
