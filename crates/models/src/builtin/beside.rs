//! Where the value of a label may stand: after it, to its right, or below it.

use std::ops::Range;

use super::analysis::{Analysis, Label};
use super::concept::Concept;

/// A place where a label's value may stand.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) words: Range<usize>,
    pub(super) how: How,
}

/// How a value stands to its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// In the same run of words.
    After,
    /// Further right on the same line.
    Right,
    /// Under the label.
    Below,
}

impl How {
    /// Points.
    pub(super) fn points(self) -> f32 {
        match self {
            Self::After => 0.3,
            Self::Right => 0.25,
            Self::Below => 0.1,
        }
    }
}

/// How far below a label its value may stand, in heights of the label.
const REACH: f32 = 3.2;

/// The places of a label's value, most likely first.
pub(super) fn places(analysis: &Analysis, label: &Label) -> Vec<Place> {
    let mut places = Vec::new();
    let start = skip_separators(analysis, label.words.end, analysis.line_of(label.words.start).words.end);
    let end = end_of_value(analysis, label, start);
    let segment_end = analysis.segment_of(label.words.start).words.end;
    if start < end.min(segment_end) {
        places.push(Place { words: start..end.min(segment_end), how: How::After });
    }
    let from = start.max(segment_end);
    if from < end {
        places.push(Place { words: from..end, how: How::Right });
    }
    let bbox = analysis.bbox(label.words.clone());
    for segment in analysis.below(label.words.start, bbox, REACH).take(2) {
        places.push(Place { words: segment.words.clone(), how: How::Below });
    }
    places
}

/// Past colons, number signs and what else stands between a label and its value.
pub(super) fn skip_separators(analysis: &Analysis, from: usize, end: usize) -> usize {
    let separates = |word: &str| {
        !word.chars().any(char::is_alphanumeric)
            && !matches!(word, "-" | "−" | "€" | "$" | "£" | "¥" | "₹" | "☒" | "☐" | "✓" | "☑" | "✔")
    };
    (from..end).find(|at| !separates(&analysis.words[*at].text)).unwrap_or(end)
}

/// A value ends with its line or where the next label begins.
fn end_of_value(analysis: &Analysis, label: &Label, start: usize) -> usize {
    let line_end = analysis.line_of(label.words.start).words.end;
    analysis
        .labels_in(label.words.end..line_end)
        // "Rechnung Nr. 5": a title is no label of another value; nor is a weak word within a value.
        .filter(|other| other.concept != Concept::InvoiceTitle)
        .find(|other| {
            other.words.start >= start
                && (other.colon || (other.leads && !other.weak && other.words.start > label.words.end))
        })
        .map_or(line_end, |other| other.words.start)
}
