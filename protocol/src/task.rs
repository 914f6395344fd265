//! The contract of a task: its name and what goes in and out. The deed lives in `worker`.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A named unit of work with a typed input and output.
///
/// Implement it once per task in a crate that both the submitting and the executing side can see.
pub trait Task {
    /// Unique within a fleet: `extract-text`.
    const NAME: &'static str;
    /// What the run was submitted with or, for a mapped task, one item of the list.
    type Input: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the task leaves for its descendants.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;
}
