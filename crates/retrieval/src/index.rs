//! The chunks of one document and the index of their words, as stored between stages.

use std::collections::BTreeMap;

use protocol::document::Document;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::chunking::{self, Chunk, Chunking};
use crate::tokens::{self, TokenMap};
use crate::words::words;

/// BM25's saturation of repeated words, at its usual value.
const K1: f64 = 1.2;
/// BM25's correction for long chunks, at its usual value.
const B: f64 = 0.75;

/// The chunks of one document and the index of their words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Version of this document's shape.
    pub version: u32,
    /// How the document was cut.
    pub chunking: Chunking,
    /// The chunks in reading order; a single one where the whole document fits the room that the model has for it.
    pub chunks: Vec<Chunk>,
    /// Tokens in the document.
    pub tokens: u64,
    /// Whether [`Index::tokens`] was estimated, because the document is too short to be worth counting.
    pub tokens_estimated: bool,
    /// Whether the whole document fits the room that the model has for it.
    pub fits_context: bool,
    /// Length of [`Document::text`] in bytes, to notice when index and document are mixed up.
    pub text_len: usize,
    keywords: Keywords,
}

/// Which words stand in which chunk, and how often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Keywords {
    /// Number of words by chunk.
    lengths: Vec<u32>,
    /// By word: chunk and count, by chunk.
    postings: BTreeMap<String, Vec<(u32, u32)>>,
}

/// A chunk that matches a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Position in [`Index::chunks`].
    pub chunk: usize,
    /// BM25 score, above 0; comparable within one search only.
    pub score: f64,
}

impl Index {
    /// What [`Index::version`] is written as.
    pub const VERSION: u32 = 1;

    /// Cuts and indexes a document. Tokens are only counted where the document might not fit.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] when tokens cannot be counted.
    pub fn build(document: &Document, chunking: Chunking) -> Result<Self, Error> {
        let text = document.text();
        let map = if tokens::obviously_fits(&text, chunking.room) { None } else { Some(TokenMap::new(&text)?) };
        let tokens = map.as_ref().map_or_else(|| tokens::estimate(&text), |map| map.len() as u64);
        let (ranges, fits_context) = match &map {
            Some(map) if map.len() > chunking.room as usize => (chunking::split(&text, map, chunking), false),
            _ => (whole(&text), true),
        };
        let count = |start: usize, end: usize| {
            let count = map.as_ref().map_or(tokens, |map| map.count(start, end) as u64);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let chunks = chunking::chunks(document, &ranges, count);
        let keywords = Keywords::build(chunks.iter().map(|chunk| &text[chunk.start..chunk.end]));
        Ok(Self {
            version: Self::VERSION,
            chunking,
            chunks,
            tokens,
            tokens_estimated: map.is_none(),
            fits_context,
            text_len: text.len(),
            keywords,
        })
    }

    /// The `top_k` chunks that match a query best, best first; equal scores in reading order.
    /// Chunks that share no word with the query are not among them.
    #[must_use]
    pub fn search(&self, query: &str, top_k: usize) -> Vec<Hit> {
        let mut hits = self.keywords.scores(query);
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
        hits.truncate(top_k);
        hits
    }
}

/// The whole text without white space at its ends; no range where there is nothing else.
fn whole(text: &str) -> Vec<(usize, usize)> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    if start < end { vec![(start, end)] } else { Vec::new() }
}

impl Keywords {
    fn build<'a>(chunks: impl Iterator<Item = &'a str>) -> Self {
        let mut keywords = Self::default();
        for (chunk, text) in (0_u32..).zip(chunks) {
            let words = words(text);
            keywords.lengths.push(u32::try_from(words.len()).unwrap_or(u32::MAX));
            for word in words {
                let postings = keywords.postings.entry(word).or_default();
                match postings.last_mut() {
                    Some((last, count)) if *last == chunk => *count += 1,
                    _ => postings.push((chunk, 1)),
                }
            }
        }
        keywords
    }

    fn scores(&self, query: &str) -> Vec<Hit> {
        let mut query = words(query);
        query.sort_unstable();
        query.dedup();
        let chunks = self.lengths.len() as f64;
        let average = self.lengths.iter().map(|length| f64::from(*length)).sum::<f64>() / chunks.max(1.0);
        let mut scores: BTreeMap<u32, f64> = BTreeMap::new();
        for postings in query.iter().filter_map(|word| self.postings.get(word)) {
            let having = postings.len() as f64;
            let rarity = ((chunks - having + 0.5) / (having + 0.5)).ln_1p();
            for (chunk, count) in postings {
                let length = self.lengths.get(*chunk as usize).copied().map_or(average, f64::from);
                let count = f64::from(*count);
                let saturated = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / average.max(1.0)));
                *scores.entry(*chunk).or_default() += rarity * saturated;
            }
        }
        scores.into_iter().map(|(chunk, score)| Hit { chunk: chunk as usize, score }).collect()
    }
}

#[cfg(test)]
mod tests;
