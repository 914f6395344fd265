//! What a document may have, counted page by page while it is read, so that too much is never held.

use protocol::document::{Line, Page};

use crate::config::Limits;
use crate::error::Limit;

/// No word is longer, in characters; what is longer is read as several. No word of any language comes near, while data
/// that was put into a document as letters does.
pub(crate) const LONGEST_WORD: usize = 10_000;

/// What a word takes in the answer besides its letters: keys, quotes and four numbers.
const WORD_OVERHEAD: usize = 56;

/// What a line takes in the answer besides its text and words.
const LINE_OVERHEAD: usize = 64;

/// What was read so far.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    words: usize,
    bytes: usize,
}

impl<'a> Budget<'a> {
    pub(crate) const fn new(limits: &'a Limits) -> Self {
        Self { limits, words: 0, bytes: 0 }
    }

    /// Counts a page; the limit that is exceeded with it, if any.
    pub(crate) fn add(&mut self, page: &Page) -> Result<(), Limit> {
        self.words += page.lines.iter().map(|line| line.words.len()).sum::<usize>();
        self.bytes += page.lines.iter().map(weight).sum::<usize>();
        if self.words > self.limits.words as usize {
            return Err(Limit::Words(self.limits.words));
        }
        if self.bytes as u64 > self.limits.output_bytes {
            return Err(Limit::OutputBytes(self.limits.output_bytes));
        }
        Ok(())
    }
}

/// About how many bytes a line takes in the answer.
fn weight(line: &Line) -> usize {
    let words = line.words.iter().map(|word| word.text.len() + WORD_OVERHEAD).sum::<usize>();
    LINE_OVERHEAD + line.text.len() + words
}
