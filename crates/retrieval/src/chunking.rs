//! Cuts a text into overlapping chunks at natural boundaries.
//!
//! A chunk is filled up to its size in tokens and then cut at the last paragraph end in its second half; failing
//! that at the last sentence, line or word end, and within an endless word at a character. The next chunk starts
//! up to `overlap` tokens before the cut, at the first sentence, line or word there. Nothing but white space lies
//! outside all chunks. The same text with the same settings always gives the same chunks.

use protocol::document::Document;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::tokens::TokenMap;

/// Smallest chunk: one character has at most four tokens, so even the smallest chunk takes the text further.
const LEAST_SIZE: u32 = 8;

/// Smallest context that leaves room for a question and an answer.
const LEAST_CONTEXT: u32 = 128;

/// How a document is cut. All numbers are tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunking {
    /// Most tokens in a chunk.
    pub size: u32,
    /// Most tokens that a chunk repeats of the one before it.
    pub overlap: u32,
    /// What the model's context leaves for passages of the document: 60 %, the rest is for question and answer.
    pub room: u32,
}

impl Chunking {
    /// Decides how to cut for a model that reads `context_tokens` at once.
    ///
    /// With `smart`, or where `chunk_size` is 0, a chunk takes all the room there is and the overlap is a tenth of it.
    ///
    /// # Errors
    /// Names the setting that is out of range, and its bounds.
    pub fn choose(context_tokens: u32, chunk_size: u32, chunk_overlap: u32, smart: bool) -> Result<Self, Error> {
        if context_tokens < LEAST_CONTEXT {
            return Err(Error::ContextTooSmall { context_tokens, least: LEAST_CONTEXT });
        }
        let room = context_tokens / 10 * 6;
        if smart || chunk_size == 0 {
            return Ok(Self { size: room, overlap: room / 10, room });
        }
        if chunk_size < LEAST_SIZE {
            return Err(Error::ChunkTooSmall { size: chunk_size, least: LEAST_SIZE });
        }
        if chunk_size > room {
            return Err(Error::ChunkTooLarge { size: chunk_size, room });
        }
        // Beyond that, chunks and index grow to many times the document.
        let most = chunk_size / 4 * 3;
        if chunk_overlap > most {
            return Err(Error::OverlapTooLarge { overlap: chunk_overlap, size: chunk_size, most });
        }
        Ok(Self { size: chunk_size, overlap: chunk_overlap, room })
    }
}

/// A passage of a document and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// First byte in [`Document::text`].
    pub start: usize,
    /// Byte after the last one in [`Document::text`].
    pub end: usize,
    /// Number of the page it starts on, from 1.
    pub first_page: u32,
    /// Number of the page it ends on.
    pub last_page: u32,
    /// Tokens of the document that it holds, wholly or in part.
    pub tokens: u32,
}

/// Cuts `text` into ranges of at most `chunking.size` tokens, without white space at their ends.
#[must_use]
pub fn split(text: &str, tokens: &TokenMap, chunking: Chunking) -> Vec<(usize, usize)> {
    let (size, overlap) = (chunking.size.max(LEAST_SIZE) as usize, chunking.overlap as usize);
    let mut ranges = Vec::new();
    let mut start = skip_white_space(text, 0);
    while start < text.len() {
        let first = tokens.covering(start);
        let limit = text.floor_char_boundary(tokens.start(first + size));
        let cut = if limit == text.len() {
            limit
        } else {
            // The cut lies past the middle, and past the overlap, so that the next chunk starts well after this one.
            let least = first + (size / 2).max(overlap + (size - overlap.min(size)) / 2);
            let from = text.ceil_char_boundary(tokens.start(least)).clamp(start, limit);
            from + last_boundary(&text[from..limit])
        };
        ranges.push((start, start + text[start..cut].trim_end().len()));
        if cut == text.len() {
            break;
        }
        let earliest = tokens.start((tokens.at_or_after(cut).saturating_sub(overlap)).max(first + 1));
        let earliest = text.ceil_char_boundary(earliest).min(cut);
        start = skip_white_space(text, earliest + first_boundary(&text[earliest..cut]));
    }
    ranges
}

/// Gives ranges of a document's text their pages and token counts.
#[must_use]
pub fn chunks(document: &Document, ranges: &[(usize, usize)], count: impl Fn(usize, usize) -> u32) -> Vec<Chunk> {
    let mut ends = Vec::with_capacity(document.pages.len());
    let mut offset = 0;
    for page in &document.pages {
        offset += page.lines.iter().map(|line| line.text.len() + 1).sum::<usize>() + Document::PAGE_END.len_utf8();
        ends.push((offset, page.number));
    }
    let page_of =
        |byte: usize| ends.get(ends.partition_point(|(end, _)| *end <= byte)).map_or(1, |(_, number)| *number);
    ranges
        .iter()
        .map(|&(start, end)| Chunk {
            start,
            end,
            first_page: page_of(start),
            last_page: page_of(end.saturating_sub(1).max(start)),
            tokens: count(start, end),
        })
        .collect()
}

fn skip_white_space(text: &str, from: usize) -> usize {
    text.len() - text[from..].trim_start().len()
}

/// Where to cut a window: after its last paragraph, else sentence, else line, else word, else at its end.
fn last_boundary(window: &str) -> usize {
    let after = |found: Option<(usize, &str)>| found.map(|(at, matched)| at + matched.len());
    let paragraph = window
        .rmatch_indices(['\n', Document::PAGE_END])
        .find(|(at, matched)| *matched != "\n" || window[..*at].trim_end_matches([' ', '\t', '\r']).ends_with('\n'));
    after(paragraph)
        .or_else(|| sentence_ends(window).last())
        .or_else(|| after(window.rmatch_indices('\n').next()))
        .or_else(|| after(window.rmatch_indices(char::is_whitespace).next()))
        .unwrap_or(window.len())
}

/// Where the next chunk starts within the tail that it may repeat: after the first sentence, line or word that
/// ends there, else at its beginning.
fn first_boundary(tail: &str) -> usize {
    sentence_ends(tail)
        .next()
        .or_else(|| tail.find('\n'))
        .filter(|at| *at < tail.len())
        .or_else(|| tail.find(char::is_whitespace))
        .unwrap_or(0)
}

/// Ends of sentences: a full stop and its kin before white space, or one that needs no space after it.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut characters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while let Some((at, character)) = characters.next() {
            let ends = match character {
                '.' | '!' | '?' | '…' | '؟' | '।' => {
                    characters.peek().is_some_and(|(_, next)| next.is_whitespace())
                }
                '。' | '！' | '？' => true,
                _ => false,
            };
            if ends {
                return Some(at + character.len_utf8());
            }
        }
        None
    })
}

#[cfg(test)]
mod tests;
