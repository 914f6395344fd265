//! Fragments → rows of words that share a baseline.

use super::fragments::Fragment;

/// Words share a line when their baselines are no further apart than this part of the smaller one's height.
const SAME_BASELINE: f32 = 0.35;

/// Fragments belong to one word when they are no further apart than this part of their height.
const SAME_WORD: f32 = 0.1;

/// The rows from top to bottom, each with its words from left to right.
pub(super) fn rows(mut fragments: Vec<Fragment>) -> Vec<Vec<Fragment>> {
    fragments.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut rows: Vec<Vec<Fragment>> = Vec::new();
    for fragment in fragments {
        // Compared with the first of the row, so that a staircase of small steps does not become one line.
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| share_baseline(first, &fragment)) => row.push(fragment),
            _ => rows.push(vec![fragment]),
        }
    }
    rows.into_iter().map(words).collect()
}

fn share_baseline(one: &Fragment, other: &Fragment) -> bool {
    (one.baseline - other.baseline).abs() <= SAME_BASELINE * one.size.min(other.size)
}

/// Joins what is one word and yet drawn in parts.
fn words(mut row: Vec<Fragment>) -> Vec<Fragment> {
    row.sort_by(|a, b| a.u0.total_cmp(&b.u0));
    let mut words: Vec<Fragment> = Vec::with_capacity(row.len());
    for fragment in row {
        match words.last_mut() {
            Some(word) if continues(word, &fragment) => word.append(fragment),
            _ => words.push(fragment),
        }
    }
    words
}

/// Whether a fragment continues its left neighbour.
fn continues(left: &Fragment, right: &Fragment) -> bool {
    let gap = right.u0 - left.u1;
    let is_near = gap.abs() <= SAME_WORD * left.size.max(right.size);
    !left.space_after && !right.space_before && is_near && left.has_room_for(right)
}
