//! What answers questions: adapters for language models, and the built-in reader that needs none.
//!
//! Callers hold an `Arc<dyn Model>` and never learn which adapter is behind it. An adapter is one file
//! (`openai_compatible.rs`, `builtin.rs`) that implements [`Model`].

use async_trait::async_trait;
use protocol::answer::{Evidence, Usage};
use protocol::document::Document;
use protocol::request::{GrammarEntry, OutputSpec};
use serde_json::Value;

pub mod builtin;
mod error;
pub mod openai_compatible;
pub mod providers;
mod resolve;

pub use builtin::Builtin;
pub use error::Error;
pub use resolve::{ModelConfig, resolve};

/// Answers one question about one document.
#[async_trait]
pub trait Model: Send + Sync {
    /// What the model is called and how much it can read at once.
    fn info(&self) -> &ModelInfo;

    /// Answers a question. A value that the document does not hold is `Value::Null`, never a guess.
    ///
    /// # Errors
    /// [`Error`], whose class says whether trying again can help.
    async fn answer(&self, question: Question<'_>) -> Result<Reply, Error>;
}

/// What callers need to know about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// `builtin`, or the name the provider knows the model by.
    pub name: String,
    /// How many tokens fit into one call, question, document and answer together.
    pub context_tokens: u32,
}

/// One question and what there is to answer it from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The question's settings: name, type, …
    pub spec: &'a OutputSpec,
    /// The text to ask, references to other answers already replaced.
    pub prompt: &'a str,
    /// Put before the question.
    pub preamble: &'a str,
    /// Put after the question.
    pub postamble: &'a str,
    /// Words of the trade and their synonyms.
    pub grammar: &'a [GrammarEntry],
    /// The passages to answer from, layout preserved; the whole document where it fits.
    pub context: &'a str,
    /// The document with its boxes.
    pub document: &'a Document,
}

/// What the model said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The value as the model gave it; not yet coerced to the asked type. Null: the document does not say.
    pub value: Value,
    /// The words the model says it read the value from.
    pub quote: Option<String>,
    /// Where the value stands, from adapters that know; empty from those that only see text.
    pub evidence: Vec<Evidence>,
    /// How sure the model is, 0 to 1, where it can say.
    pub confidence: Option<f32>,
    /// A remark for the user.
    pub note: Option<String>,
    /// What the call consumed.
    pub usage: Usage,
}
