//! Finished answers, kept so that a second attempt does not pay for them again.

use async_trait::async_trait;
use models::Question;
use protocol::answer::Answer;
use sha2::{Digest, Sha256};

/// Where finished answers are kept between attempts.
///
/// A memo that cannot be read or written costs money, not correctness: implementations log what went wrong and
/// carry on.
#[async_trait]
pub trait Memo: Send + Sync {
    /// The answer kept under that key, if there is one.
    async fn get(&self, key: &str) -> Option<Answer>;

    /// Keeps an answer.
    async fn put(&self, key: &str, answer: &Answer);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemo;

#[async_trait]
impl Memo for NoMemo {
    async fn get(&self, _key: &str) -> Option<Answer> {
        None
    }

    async fn put(&self, _key: &str, _answer: &Answer) {}
}

/// Everything an answer depends on, as 64 hex digits: a change of any of it asks again.
pub(super) fn key(question: &Question<'_>, model: &str, document_hash: &str) -> String {
    /// Raised whenever answers made before should not be used any more.
    const VERSION: &str = "1";
    let spec = question.spec;
    let table_settings = spec.table_settings.as_ref().map(|settings| format!("{settings:?}")).unwrap_or_default();
    let grammar = format!("{:?}", question.grammar);
    let mut hash = Sha256::new();
    for part in [
        VERSION,
        model,
        document_hash,
        &spec.name,
        spec.kind.as_str(),
        if spec.enforce_type { "enforced" } else { "free" },
        &table_settings,
        question.prompt,
        question.preamble,
        question.postamble,
        &grammar,
        question.context,
    ] {
        // With its length, so that no text can pass for two.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{:x}", hash.finalize())
}
