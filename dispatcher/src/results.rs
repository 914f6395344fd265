//! A recorded run becomes the result that users read, as often as they like.

use std::collections::BTreeMap;

use ledger::RunRecord;
use objects::Objects;
use protocol::request::ExtractionRequest;
use protocol::result::{Collated, DocumentSummary, ExtractionResult, ResultError, StageSummary};
use protocol::stages::{Collate, ExtractText};
use protocol::{Payload, Task};
use serde::de::DeserializeOwned;

mod outputs;

pub use outputs::outputs;

/// A result that could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object store failed.
    #[error("the result could not be fetched")]
    Objects(#[from] objects::Error),
    /// What was stored is not a result.
    #[error("the stored result cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

/// The result of a run in whatever state it is: complete for a finished run, and for one that failed or is still
/// under way with as much as is known.
///
/// # Errors
/// [`Error`] when the stored output cannot be fetched.
pub async fn assemble(record: &RunRecord, objects: &dyn Objects) -> Result<ExtractionResult, Error> {
    let mut collated = match output::<Collate>(record) {
        Some(payload) => load(payload, objects).await?,
        None => outline(record, objects).await?,
    };
    for (stage, error) in stage_errors(record) {
        collated.errors.entry(stage).or_insert(error);
    }
    collated.usage = record.usage.clone();
    Ok(ExtractionResult { run_id: record.run.id, status: record.run.state, collated, stages: stages(record) })
}

/// How each stage went, in the workflow's order.
#[must_use]
pub fn stages(record: &RunRecord) -> Vec<StageSummary> {
    let ordinary = record.run.tasks.iter().filter(|task_run| task_run.index.is_none());
    ordinary
        .map(|task_run| {
            let last = record.attempts.get(&task_run.id).and_then(|attempts| attempts.last());
            let ms = last.map_or(0, |attempt| attempt.started_at.duration_until(attempt.ended_at).as_millis());
            StageSummary {
                name: task_run.task.clone(),
                state: task_run.state,
                attempts: task_run.attempt,
                ms: u64::try_from(ms).unwrap_or(0),
            }
        })
        .collect()
}

/// What is known of a run that left no result: its document and, if it was asked, the questions with null answers.
async fn outline(record: &RunRecord, objects: &dyn Objects) -> Result<Collated, Error> {
    let request: ExtractionRequest = load(&record.input, objects).await?;
    let pages = match output::<ExtractText>(record) {
        Some(payload) => load::<<ExtractText as Task>::Output>(payload, objects).await?.pages,
        None => 0,
    };
    let names = request.outputs.iter().filter(|output| output.active).map(|output| output.name.clone());
    Ok(Collated {
        document: DocumentSummary { name: request.file_name, sha256: request.file_hash, pages },
        output: names.map(|name| (name, serde_json::Value::Null)).collect(),
        ..Collated::default()
    })
}

fn stage_errors(record: &RunRecord) -> BTreeMap<String, ResultError> {
    let failed = record.run.tasks.iter().filter(|task_run| task_run.state == protocol::TaskState::Failed);
    let mut errors: BTreeMap<String, ResultError> = failed
        .filter_map(|task_run| Some((task_run.task.clone(), ResultError::from(task_run.error.as_ref()?))))
        .collect();
    if errors.is_empty()
        && let Some(error) = &record.run.error
    {
        errors.insert("run".to_owned(), ResultError::from(error));
    }
    errors
}

/// What a task of the run left behind, if it did.
pub(crate) fn output<T: Task>(record: &RunRecord) -> Option<&Payload> {
    let task_run = record.run.tasks.iter().find(|task_run| task_run.task == T::NAME && task_run.index.is_none())?;
    task_run.output.as_ref()
}

pub(crate) async fn load<V: DeserializeOwned>(payload: &Payload, objects: &dyn Objects) -> Result<V, Error> {
    Ok(match payload {
        Payload::Inline(value) => serde_json::from_value(value.clone())?,
        Payload::Artifact(artifact) => serde_json::from_slice(&objects.get_checked(artifact).await?)?,
    })
}
