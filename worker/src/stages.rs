//! The six stages of the document workflow: the deeds to the contracts in `protocol::stages`.
//!
//! One stage is one file and one line in [`register`]. A stage never imports another stage; what they share of
//! documents lives in the crates of the intelligence half.

use std::sync::Arc;

use crate::worker::Builder;

pub mod agentic_extract;
pub mod chunk_embed;
pub mod collate;
pub mod evaluate;
pub mod extract_text;
pub mod extractors;
pub mod generate_digraph;
mod lookup;
pub mod readers;

use extractors::Extractors;
use readers::Readers;

/// What the stages use besides their context.
#[derive(Clone)]
pub struct Tools {
    /// Know who reads documents.
    pub extractors: Arc<Extractors>,
    /// Know who answers questions.
    pub readers: Arc<Readers>,
    /// How many prompts of one document are asked at a time.
    pub prompts_at_once: usize,
}

/// Serves all six stages.
#[must_use]
pub fn register(worker: Builder, tools: &Tools) -> Builder {
    let readers = || Arc::clone(&tools.readers);
    worker
        .register(extract_text::Handler { extractors: Arc::clone(&tools.extractors) })
        .register(chunk_embed::Handler { readers: readers() })
        .register(generate_digraph::Handler)
        .register(agentic_extract::Handler { readers: readers(), prompts_at_once: tools.prompts_at_once })
        .register(evaluate::Handler)
        .register(collate::Handler)
}
