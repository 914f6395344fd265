//! What a reader found: a value, where it stands and how sure it is.

use std::ops::Range;

use protocol::answer::Evidence;
use serde_json::Value;

use super::analysis::{Analysis, Label};

/// A value with the words it was read from.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) value: Value,
    pub(super) evidence: Vec<Evidence>,
    /// Points; see [`confidence`].
    pub(super) score: f32,
    pub(super) note: Option<String>,
}

impl Found {
    /// A value that stands in `words`.
    pub(super) fn at(analysis: &Analysis, words: Range<usize>, value: impl Into<Value>, score: f32) -> Self {
        Self { value: value.into(), evidence: analysis.evidence(words), score, note: None }
    }

    pub(super) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// The best of several; of equals the first, because documents say the important things first.
pub(super) fn best(found: impl IntoIterator<Item = Found>) -> Option<Found> {
    found.into_iter().reduce(|best, next| if next.score > best.score { next } else { best })
}

/// Points as a probability: a clear label with a value of the right type beside it has about 1.5.
pub(super) fn confidence(score: f32) -> f32 {
    (1.0 / (1.0 + (-2.2 * (score - 0.35)).exp()) * 100.0).round() / 100.0
}

/// How much a label says by itself, in points.
pub(super) fn strength(label: &Label) -> f32 {
    let words = [0.0, 0.8, 1.1, 1.3][label.length.min(3)];
    let in_prose = !label.leads && !label.colon;
    words + if label.colon { 0.3 } else { 0.0 } + if label.leads { 0.1 } else { 0.0 }
        - if label.weak { 0.5 } else { 0.0 }
        - if in_prose { 0.4 } else { 0.0 }
}
