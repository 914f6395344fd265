//! Counts tokens, and knows where in the text each one starts.
//!
//! Tokens are those of `cl100k_base`. Which tokenizer a provider uses is mostly unknown, so what matters is to
//! err on the safe side cheaply: `cl100k_base` rarely counts less than its successor `o200k_base` and costs
//! half of its time and memory to load. It is loaded on first use only; [`obviously_fits`] and [`estimate`]
//! answer for short documents without it.

use std::sync::OnceLock;

use tiktoken_rs::CoreBPE;

use crate::Error;

/// Longest stretch that is encoded at once. The encoder's pattern backtracks within long runs of spaces and its
/// time grows faster than the run, so a hostile document must not choose the length.
const STRETCH: usize = 2048;

/// Whether a text has at most `limit` tokens for sure: a token is at least one byte.
#[must_use]
pub fn obviously_fits(text: &str, limit: u32) -> bool {
    text.len() <= limit as usize
}

/// About how many tokens a text has, without the vocabulary: one for every four bytes of a word.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    text.split_whitespace().map(|word| word.len().div_ceil(4) as u64).sum()
}

/// Where each token of a text starts.
#[derive(Clone, Debug)]
pub struct TokenMap {
    starts: Vec<usize>,
    text_len: usize,
}

impl TokenMap {
    /// Tokenizes a text; the first call loads the vocabulary.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] when the vocabulary is unusable.
    pub fn new(text: &str) -> Result<Self, Error> {
        let vocabulary = vocabulary()?;
        let mut starts = Vec::with_capacity(text.len() / 4);
        let mut offset = 0;
        while offset < text.len() {
            let stretch = stretch(&text[offset..]);
            let mut at = offset;
            for token in vocabulary._decode_native_and_split(vocabulary.encode_ordinary(stretch)) {
                starts.push(at);
                at += token.len();
            }
            offset += stretch.len();
        }
        Ok(Self { starts, text_len: text.len() })
    }

    /// Number of tokens in the text.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Where the token of that index starts; the end of the text past the last one.
    pub(crate) fn start(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.text_len)
    }

    /// Index of the token that covers that byte.
    pub(crate) fn covering(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// Index of the first token that starts at that byte or later.
    pub(crate) fn at_or_after(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start < byte)
    }

    /// How many tokens have a byte within `start..end`.
    #[must_use]
    pub fn count(&self, start: usize, end: usize) -> usize {
        if start >= end { 0 } else { self.at_or_after(end).saturating_sub(self.covering(start)) }
    }
}

fn vocabulary() -> Result<&'static CoreBPE, Error> {
    static VOCABULARY: OnceLock<Result<CoreBPE, String>> = OnceLock::new();
    VOCABULARY
        .get_or_init(|| tiktoken_rs::cl100k_base().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|reason| Error::Vocabulary(reason.clone()))
}

/// The beginning of `rest` up to the last line end, else space, else character within [`STRETCH`] bytes.
fn stretch(rest: &str) -> &str {
    if rest.len() <= STRETCH {
        return rest;
    }
    let window = &rest[..rest.floor_char_boundary(STRETCH)];
    let end = match window.rfind('\n') {
        Some(line_end) => line_end + 1,
        // A token takes the space before its word along, so the space goes with what follows.
        None => window.rfind(' ').filter(|space| *space > 0).unwrap_or(window.len()),
    };
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_placed_and_the_places_agree_with_the_encoder() {
        let text = "Invoice INV-2024-001\n  Total: 1.234,56 €\n\u{c}合計 1,000円 👩‍👩‍👧\n".repeat(80);
        let map = TokenMap::new(&text).unwrap();
        let whole = vocabulary().unwrap().count_ordinary(&text);
        assert!(map.len() >= whole && map.len() <= whole + whole / 100, "{} against {whole}", map.len());
        assert_eq!(map.count(0, text.len()), map.len());
        assert!(map.starts.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn hostile_runs_without_a_boundary_take_linear_time() {
        for run in [" ", "a", "\n", "9", "é", "="] {
            let text = run.repeat(100_000);
            assert!(TokenMap::new(&text).unwrap().len() <= text.len());
        }
    }

    #[test]
    fn a_short_text_is_judged_without_the_vocabulary() {
        assert!(obviously_fits("Total 12.50 EUR", 15));
        assert!(!obviously_fits("Total 12.50 EUR", 14));
        assert_eq!(estimate("Total      12.50 EUR"), 2 + 2 + 1);
    }
}
