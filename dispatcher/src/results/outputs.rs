//! What a run of any workflow leaves: the outputs of the tasks at its ends.

use std::collections::BTreeMap;

use ledger::RunRecord;
use objects::Objects;
use protocol::result::WorkflowResult;
use serde_json::Value;

use super::{Error, load, stage_errors, stages};

/// The result of a run in whatever state it is.
///
/// # Errors
/// [`Error`] when a stored output cannot be fetched.
pub async fn outputs(record: &RunRecord, objects: &dyn Objects) -> Result<WorkflowResult, Error> {
    let run = &record.run;
    let mut outputs = BTreeMap::new();
    for task in run.workflow.sinks() {
        let Some(own) = run.tasks.iter().find(|one| one.task == task.name && one.index.is_none()) else { continue };
        if task.map_over.is_none() {
            if let Some(payload) = &own.output {
                outputs.insert(task.name.clone(), load(payload, objects).await?);
            }
            continue;
        }
        let mut children: Vec<_> =
            run.tasks.iter().filter(|one| one.task == task.name && one.index.is_some()).collect();
        if children.is_empty() && !own.state.is_final() {
            continue;
        }
        children.sort_by_key(|child| child.index);
        let mut list = Vec::with_capacity(children.len());
        for child in children {
            list.push(match &child.output {
                Some(payload) => load(payload, objects).await?,
                None => Value::Null,
            });
        }
        outputs.insert(task.name.clone(), Value::Array(list));
    }
    Ok(WorkflowResult {
        run_id: run.id,
        workflow: run.workflow.name.clone(),
        status: run.state,
        outputs,
        errors: stage_errors(record),
        usage: record.usage.clone(),
        stages: stages(record),
    })
}
