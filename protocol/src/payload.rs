//! Inputs and outputs of tasks: small ones travel inline, large ones by reference (claim check).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes in the object store, named and checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Key in the object store: `runs/<run>/<task>.json`, `documents/<sha256>`, …
    pub key: String,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
    /// IANA media type.
    pub media_type: String,
}

/// A value that travels in a message, or a reference to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The value itself; at most [`Payload::INLINE_LIMIT`] bytes of JSON.
    Inline(Value),
    /// The value's JSON lies in the object store.
    Artifact(ArtifactRef),
}

impl Payload {
    /// Above this many bytes of JSON a value is stored as an artifact and sent by reference.
    pub const INLINE_LIMIT: usize = 16 * 1024;
}

impl Default for Payload {
    fn default() -> Self {
        Self::Inline(Value::Null)
    }
}

/// What an ancestor of a task left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutput {
    /// The output of an ordinary task.
    One(Payload),
    /// The outputs of a mapped task's children, in the order of the list they were mapped over.
    Many(Vec<Payload>),
}
