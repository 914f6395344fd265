//! Chooses what a model gets to read for one question.

use std::borrow::Cow;
use std::ops::Range;

use protocol::request::RetrievalStrategy;

use crate::Error;
use crate::index::Index;

/// What a model gets to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Context<'a> {
    /// The passages in reading order with their pages named, or the whole document.
    pub text: Cow<'a, str>,
    /// Positions of the chunks in [`Index::chunks`], best first.
    pub chunks: Vec<usize>,
    /// How the passages were really chosen.
    pub strategy_used: StrategyUsed,
    /// Whether passages had to be chosen by another strategy than the one asked for.
    pub fell_back: bool,
}

/// How passages were really chosen, whatever was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyUsed {
    /// Not at all: the whole document fits.
    WholeDocument,
    /// By the words that question and passage share, weighted by BM25.
    Keywords,
    /// No passage shares a word with the question: the document from its beginning.
    Beginning,
}

impl StrategyUsed {
    /// The word used in logs and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WholeDocument => "whole_document",
            Self::Keywords => "keywords",
            Self::Beginning => "beginning",
        }
    }
}

/// Chooses at most `top_k` passages of `text` for a question, as many as the model has room for, but at least one.
///
/// `simple` and `keyword_table` are BM25 over the chunks. The other strategies need embeddings or a model to plan
/// with; without them they come down to the same base, and [`Context::fell_back`] says so.
///
/// # Errors
/// [`Error::OtherDocument`] when the index was built from another text.
pub fn passages<'a>(
    index: &Index,
    text: &'a str,
    strategy: RetrievalStrategy,
    question: &str,
    top_k: u32,
) -> Result<Context<'a>, Error> {
    if index.text_len != text.len() {
        return Err(Error::OtherDocument { indexed: index.text_len, given: text.len() });
    }
    if index.fits_context {
        let chunks = (0..index.chunks.len()).collect();
        return Ok(Context {
            text: Cow::Borrowed(text),
            chunks,
            strategy_used: StrategyUsed::WholeDocument,
            fell_back: false,
        });
    }
    let top_k = top_k.max(1) as usize;
    let hits = index.search(question, top_k);
    let (ranked, strategy_used) = if hits.is_empty() {
        ((0..index.chunks.len().min(top_k)).collect(), StrategyUsed::Beginning)
    } else {
        (hits.iter().map(|hit| hit.chunk).collect::<Vec<_>>(), StrategyUsed::Keywords)
    };
    let mut room = index.chunking.room;
    let mut chosen: Vec<usize> = Vec::new();
    for position in ranked {
        let tokens = index.chunks[position].tokens;
        if !chosen.is_empty() && tokens > room {
            continue;
        }
        room = room.saturating_sub(tokens);
        chosen.push(position);
    }
    let fell_back = !matches!(strategy, RetrievalStrategy::Simple | RetrievalStrategy::KeywordTable);
    Ok(Context { text: Cow::Owned(in_reading_order(index, text, &chosen)), chunks: chosen, strategy_used, fell_back })
}

/// The chosen chunks in reading order, overlapping ones joined, each stretch under the number of its page.
fn in_reading_order(index: &Index, text: &str, chosen: &[usize]) -> String {
    let mut positions = chosen.to_vec();
    positions.sort_unstable();
    let mut stretches: Vec<(u32, Range<usize>)> = Vec::new();
    for chunk in positions.into_iter().map(|position| &index.chunks[position]) {
        match stretches.last_mut() {
            Some((_, stretch)) if text[stretch.end.min(chunk.start)..chunk.start].trim().is_empty() => {
                stretch.end = chunk.end;
            }
            _ => stretches.push((chunk.first_page, chunk.start..chunk.end)),
        }
    }
    let mut passages = String::new();
    for (page, stretch) in stretches {
        // From the beginning of its line, so that columns stay under each other.
        let line = text[..stretch.start].rfind(['\n', '\u{c}']).map_or(0, |at| at + 1);
        let indent = if text[line..stretch.start].trim().is_empty() { &text[line..stretch.start] } else { "" };
        passages.push_str(&format!("[page {page}]\n{indent}{}\n\n", &text[stretch]));
    }
    passages
}

#[cfg(test)]
mod tests {
    use protocol::document::Document;
    use protocol::document::{Line, Page};

    use super::*;
    use crate::Chunking;

    fn long_document() -> Document {
        let line = |text: String| Line { text, ..Line::default() };
        let page = |number: u32| Page {
            number,
            lines: (0..20)
                .map(|row| line(format!("  Section {number} row {row}: plain filler about nothing.")))
                .collect(),
            ..Page::default()
        };
        let mut pages: Vec<Page> = (1..=10).map(page).collect();
        pages[6].lines[10].text = "  The governing law is that of Ruritania.".into();
        Document { media_type: "text/plain".into(), pages, ..Document::default() }
    }

    fn indexed(document: &Document, size: u32) -> Index {
        Index::build(document, Chunking::choose(1000, size, size / 8, false).unwrap()).unwrap()
    }

    #[test]
    fn the_passage_that_answers_is_chosen_with_its_page() {
        let (document, text) = (long_document(), long_document().text());
        let index = indexed(&document, 100);
        let context = passages(&index, &text, RetrievalStrategy::Simple, "Which governing law applies?", 2).unwrap();
        assert_eq!(context.strategy_used, StrategyUsed::Keywords);
        assert!(context.text.contains("  The governing law is that of Ruritania."), "{}", context.text);
        assert_eq!(index.chunks[context.chunks[0]].first_page, 7);
    }

    #[test]
    fn passages_stay_within_the_room_and_in_reading_order() {
        let (document, text) = (long_document(), long_document().text());
        let index = indexed(&document, 100);
        let context = passages(&index, &text, RetrievalStrategy::Fusion, "section row filler governing", 50).unwrap();
        let tokens: u32 = context.chunks.iter().map(|chunk| index.chunks[*chunk].tokens).sum();
        assert!(tokens <= index.chunking.room && context.chunks.len() > 2);
        let pages: Vec<usize> = context.text.match_indices("[page").map(|(at, _)| at).collect();
        assert!(pages.is_sorted());
        assert!(context.fell_back);
    }

    #[test]
    fn a_question_that_shares_no_word_reads_from_the_beginning_and_says_so() {
        let (document, text) = (long_document(), long_document().text());
        let index = indexed(&document, 100);
        let context = passages(&index, &text, RetrievalStrategy::Router, "¿Qué?", 2).unwrap();
        assert_eq!((context.strategy_used, context.chunks), (StrategyUsed::Beginning, vec![0, 1]));
    }

    #[test]
    fn a_document_that_fits_is_read_whole() {
        let mut document = long_document();
        document.pages.truncate(1);
        let index = Index::build(&document, Chunking::choose(8000, 50, 5, false).unwrap()).unwrap();
        let text = document.text();
        let context = passages(&index, &text, RetrievalStrategy::Simple, "anything", 1).unwrap();
        assert_eq!((context.text.as_ref(), context.strategy_used), (text.as_str(), StrategyUsed::WholeDocument));
        assert!(passages(&index, "another text", RetrievalStrategy::Simple, "anything", 1).is_err());
    }
}
