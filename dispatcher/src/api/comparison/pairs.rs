//! Runs and those that repeat them on another backend.

use std::collections::{BTreeMap, HashMap};

use ledger::{RunRecord, RunSummary};
use objects::Objects;
use protocol::stages::PIPELINE;
use protocol::{Backend, RunId, RunState, TenantId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::{Api, Problem};
use super::difference::first_difference;
use crate::results;

/// Most pairs whose results one call compares: each reads two runs in full.
const MOST_COMPARED: usize = 500;

/// How many differences of two backends are listed.
const LISTED: usize = 20;

/// How the runs of one backend compare with those that repeated them on another.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct PairLine {
    /// Of the runs that callers got their answers from.
    #[schema(value_type = String)]
    backend: Backend,
    /// Of those that repeated them.
    #[schema(value_type = String)]
    shadow: Backend,
    pairs: usize,
    /// Both succeeded with the same answers.
    equal: usize,
    /// Both succeeded with different answers.
    different: usize,
    /// One of them succeeded; the other one failed or was cancelled.
    one_failed: usize,
    /// Neither succeeded.
    both_failed: usize,
    /// One of them is still under way.
    open: usize,
    /// Beyond the newest 500, or with results that cannot be read any more.
    not_compared: usize,
    /// The newest 20 of those with different answers.
    differences: Vec<Difference>,
}

/// A run and its repetition that gave different answers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Difference {
    #[schema(value_type = String)]
    run_id: RunId,
    #[schema(value_type = String)]
    shadow_run_id: RunId,
    /// The first place in which the answers differ, as a JSON path.
    at: String,
}

/// Pairs that are being looked at.
#[derive(Default)]
pub(super) struct Pairs {
    lines: BTreeMap<(Backend, Backend), PairLine>,
    compared: usize,
    left_out: bool,
}

impl Pairs {
    /// Whether there were more pairs than are compared.
    pub(super) const fn left_out(&self) -> bool {
        self.left_out
    }

    /// What was found, by backends.
    pub(super) fn lines(self) -> Vec<PairLine> {
        self.lines.into_values().collect()
    }

    /// Looks at a run that repeats another one; any other is passed over, and so is one whose original is gone. `known` are the
    /// runs that need not be looked for.
    pub(super) async fn look_at(
        &mut self,
        api: &Api,
        tenant: &TenantId,
        run: &RunSummary,
        known: &HashMap<RunId, &RunSummary>,
    ) -> Result<(), Problem> {
        let Some(of) = run.shadow_of else { return Ok(()) };
        let known = known.get(&of);
        let is_open = !run.state.is_final() || known.is_some_and(|original| !original.state.is_final());
        if let Some(original) = known.filter(|_| is_open) {
            self.line(original.backend, run.backend).open += 1;
            return Ok(());
        }
        if self.compared >= MOST_COMPARED {
            self.left_out = true;
            if let Some(original) = known {
                self.line(original.backend, run.backend).not_compared += 1;
            }
            return Ok(());
        }
        self.compared += 1;
        let Some(original) = api.fleet.status(tenant, of).await? else { return Ok(()) };
        let line = self.line(original.run.backend, run.backend);
        if is_open || !original.run.state.is_final() {
            line.open += 1;
            return Ok(());
        }
        match (original.run.state, run.state) {
            (RunState::Succeeded, RunState::Succeeded) => {}
            (RunState::Succeeded, _) | (_, RunState::Succeeded) => {
                line.one_failed += 1;
                return Ok(());
            }
            _ => {
                line.both_failed += 1;
                return Ok(());
            }
        }
        let Some(shadow) = api.fleet.status(tenant, run.id).await? else {
            line.not_compared += 1;
            return Ok(());
        };
        let objects = api.objects.as_ref();
        match (answers(&original, objects).await, answers(&shadow, objects).await) {
            (Ok(first), Ok(second)) => match first_difference(&first, &second) {
                None => line.equal += 1,
                Some(at) => {
                    line.different += 1;
                    if line.differences.len() < LISTED {
                        line.differences.push(Difference { run_id: of, shadow_run_id: run.id, at });
                    }
                }
            },
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(run.id = %of, shadow.id = %run.id, error = %error, "two results cannot be compared");
                line.not_compared += 1;
            }
        }
        Ok(())
    }

    fn line(&mut self, backend: Backend, shadow: Backend) -> &mut PairLine {
        let line = self.lines.entry((backend, shadow)).or_default();
        (line.backend, line.shadow) = (backend, shadow);
        line.pairs += 1;
        line
    }
}

/// The answers of a run, with its own id left out of them.
async fn answers(record: &RunRecord, objects: &dyn Objects) -> Result<Value, results::Error> {
    let answers = if record.run.workflow.name == PIPELINE {
        serde_json::to_value(results::assemble(record, objects).await?.collated.output)?
    } else {
        serde_json::to_value(results::outputs(record, objects).await?.outputs)?
    };
    Ok(without(answers, &record.run.id.to_string()))
}

/// A value whose texts do not hold this one any more: names of objects begin with the id of their run.
fn without(value: Value, id: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(id, "RUN")),
        Value::Array(list) => Value::Array(list.into_iter().map(|item| without(item, id)).collect()),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, without(value, id))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_hold_the_id_of_their_run_are_the_same() {
        let answers = |id: &str| json!({ "file": format!("runs/{id}/page-1.png"), "parts": [id, 7] });
        assert_eq!(without(answers("one"), "one"), without(answers("two"), "two"));
        assert_ne!(without(answers("one"), "one"), without(answers("two"), "three"));
    }
}
