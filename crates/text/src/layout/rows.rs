//! Fragments → rows of words that share a baseline.

use super::fragments::Fragment;

/// Words share a line when their baselines are no further apart than this part of the smaller one's height.
const SAME_BASELINE: f32 = 0.35;

/// Fragments belong to one word when they are no further apart than this part of their height.
const SAME_WORD: f32 = 0.1;

/// The number of a note is no higher than this part of the words that it stands with …
const NOTE_SIZE: f32 = 0.8;

/// … is raised by no more than this part of their height …
const NOTE_RISE: f32 = 0.6;

/// … and stands no further from one of them than this part.
const NOTE_GAP: f32 = 0.5;

/// So many letters that stand alone and evenly apart are a word set with wide spacing.
const SHORTEST_SPACED: usize = 4;

/// The gaps within such a word differ from the least of them by no more than this part of the height …
const EVEN: f32 = 0.12;

/// … and are no wider than this part.
const WIDEST_SPACING: f32 = 0.9;

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
    put_down_notes(&mut rows);
    rows.into_iter().filter(|row| !row.is_empty()).map(words).collect()
}

/// Puts the raised numbers of notes, which have a baseline of their own, into the line that they stand in.
fn put_down_notes(rows: &mut [Vec<Fragment>]) {
    /// The line that a note stands in is one of the next.
    const NEXT: usize = 3;
    /// No line of any page has more words; each may be compared with each.
    const LONGEST_ROW: usize = 1_000;
    for index in 1..rows.len() {
        let (above, below) = rows.split_at_mut(index);
        let row = &mut below[0];
        if row.len() > LONGEST_ROW {
            continue;
        }
        for raised in above.iter_mut().rev().take(NEXT).filter(|raised| raised.len() <= LONGEST_ROW) {
            let mut moved: Vec<Fragment> = raised.extract_if(.., |note| stands_in(note, row)).collect();
            row.append(&mut moved);
        }
    }
}

/// Whether a fragment is small and raised and stands next to one of a row.
fn stands_in(note: &Fragment, row: &[Fragment]) -> bool {
    /// No note has a longer number.
    const LONGEST: usize = 4;
    let is_number = note.text.len() <= LONGEST && note.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    is_number
        && row.iter().any(|word| {
            let (rise, gap) = (word.baseline - note.baseline, (note.u0 - word.u1).max(word.u0 - note.u1));
            note.size <= NOTE_SIZE * word.size
                && (0.0..=NOTE_RISE * word.size).contains(&rise)
                && gap <= NOTE_GAP * word.size
        })
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
    spaced(words)
}

/// Whether a fragment continues its left neighbour.
fn continues(left: &Fragment, right: &Fragment) -> bool {
    let gap = right.u0 - left.u1;
    let is_near = gap.abs() <= SAME_WORD * left.size.max(right.size);
    !left.space_right && !right.space_left && is_near && left.has_room_for(right.text.len())
}

/// Joins the letters of titles that are set with wide spacing. Their words stay apart where the gap between them is wider
/// than those within.
fn spaced(row: Vec<Fragment>) -> Vec<Fragment> {
    if !row.windows(SHORTEST_SPACED).any(|run| run.iter().all(is_letter)) {
        return row;
    }
    let mut words: Vec<Fragment> = Vec::with_capacity(row.len());
    let mut rest = row.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut run = vec![first];
        let mut least = f32::MAX;
        while let (Some(last), Some(next)) = (run.last(), rest.peek()) {
            let gap = next.u0 - last.u1;
            let is_even = (gap - least).abs() <= EVEN * last.size || run.len() == 1;
            if !(is_letter(last) && is_letter(next) && is_even && is_spacing(last, next)) {
                break;
            }
            least = least.min(gap);
            run.extend(rest.next());
        }
        if run.len() < SHORTEST_SPACED {
            words.extend(run);
        } else {
            words.extend(run.into_iter().reduce(|mut word, letter| {
                word.append(letter);
                word
            }));
        }
    }
    words
}

fn is_letter(fragment: &Fragment) -> bool {
    let mut characters = fragment.text.chars();
    // Letters that are written from right to left are drawn joined, and ideographs stand alone by nature.
    let is_spaced = |letter: char| letter.is_alphabetic() && (letter.is_uppercase() || letter.is_lowercase());
    characters.next().is_some_and(is_spaced) && characters.next().is_none()
}

fn is_spacing(left: &Fragment, right: &Fragment) -> bool {
    let gap = right.u0 - left.u1;
    let size = left.size;
    let is_alike = (left.size - right.size).abs() <= 0.1 * size && left.baseline.to_bits() == right.baseline.to_bits();
    is_alike && !left.space_right && !right.space_left && gap > 0.0 && gap <= WIDEST_SPACING * size
}
