//! Tasks that a Celery worker does.

use serde::{Deserialize, Serialize};

/// How a Celery worker is asked to do a task: which task of its own, and with which arguments. The message goes to the
/// queue of the task, by its very name, without the fleet's prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CeleryTask {
    /// The name that the Celery application registered it under, such as `billing.tasks.book`.
    pub task: String,
    /// What it is called with.
    #[serde(default)]
    pub arguments: Arguments,
}

/// What a Celery task is called with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// Keywords `input` (of the run, or the item of a mapped task) and `outputs` (of ancestors, by task name).
    #[default]
    Envelope,
    /// The fields of the input, as keywords: a task that exists already needs no change.
    Input,
    /// The outputs of its parents, in their order, as positional arguments: what a chain or a chord would pass on.
    Parents,
}
