//! Finds the passages of a document that a question is about.
//!
//! A document that fits the model's context is read whole. A longer one is cut into chunks at natural
//! boundaries, each knowing where in the document it stands ([`chunking`]), and its words are indexed
//! ([`Index`]), so that the passages which match a question best can be put before the model ([`passages`]).

pub mod chunking;
mod index;
mod passages;
pub mod tokens;
mod words;

pub use chunking::{Chunk, Chunking};
pub use index::{Hit, Index};
pub use passages::{Context, StrategyUsed, passages};

/// Why a document could not be cut or searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The model reads too little at once to be given passages.
    #[error("a context of {context_tokens} tokens is too small: at least {least} are needed")]
    ContextTooSmall {
        /// The model's context.
        context_tokens: u32,
        /// The smallest usable context.
        least: u32,
    },
    /// The chunk size is below what makes a passage.
    #[error("chunk-size {size} is too small: use at least {least} tokens, or 0 to follow the model's context")]
    ChunkTooSmall {
        /// What was asked for.
        size: u32,
        /// The smallest usable size.
        least: u32,
    },
    /// A single chunk would not leave the model room for the question and its answer.
    #[error("chunk-size {size} is too large: the model has room for {room} tokens of the document")]
    ChunkTooLarge {
        /// What was asked for.
        size: u32,
        /// What the model's context leaves for passages.
        room: u32,
    },
    /// Neighbouring chunks would be nearly the same.
    #[error("chunk-overlap {overlap} is too large for chunk-size {size}: use at most {most}")]
    OverlapTooLarge {
        /// What was asked for.
        overlap: u32,
        /// The size of the chunks.
        size: u32,
        /// The largest usable overlap.
        most: u32,
    },
    /// The vocabulary that tokens are counted with could not be read.
    #[error("the token vocabulary could not be loaded: {0}")]
    Vocabulary(String),
    /// The index was built from another text than the one given.
    #[error("the index belongs to another document: it covers {indexed} bytes, the text has {given}")]
    OtherDocument {
        /// Bytes in the text the index was built from.
        indexed: usize,
        /// Bytes in the text given.
        given: usize,
    },
}
