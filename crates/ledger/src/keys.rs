//! Idempotency keys: which runs of a submission are new, and which repeat an earlier one.

use std::collections::HashMap;

use protocol::{Payload, RunId, TenantId};

use crate::values::{json, parsed};
use crate::{Error, NewRun, Submitted};

/// A tenant's idempotency key.
pub(crate) type Key = (TenantId, String);

/// What a key was first used for.
pub(crate) struct FirstUse {
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) input: Payload,
}

/// The keys of runs that have one.
pub(crate) fn keys(runs: &[NewRun]) -> Vec<Key> {
    runs.iter().filter_map(key_of).collect()
}

fn key_of(new: &NewRun) -> Option<Key> {
    new.idempotency_key.clone().map(|key| (new.tenant.clone(), key))
}

/// Tells the runs whose keys are new from those that repeat one that was used before, by `used` or earlier in `runs`.
/// Returns the answer to each of `runs`, and those that are to be recorded.
///
/// # Errors
/// [`Error::IdempotencyConflict`] when a key was used for something else.
pub(crate) fn sort_out(
    runs: Vec<NewRun>,
    mut used: HashMap<Key, FirstUse>,
) -> Result<(Vec<Submitted>, Vec<NewRun>), Error> {
    let mut submitted = Vec::with_capacity(runs.len());
    let mut fresh = Vec::with_capacity(runs.len());
    for new in runs {
        if let Some(key) = key_of(&new) {
            // Compared as it reads back from the store.
            let input: Payload = parsed("input", &json("input", &new.input)?)?;
            if let Some(first) = used.get(&key) {
                if first.workflow != new.workflow || first.input != input {
                    return Err(Error::IdempotencyConflict(key.1));
                }
                submitted.push(Submitted { id: first.id, created: false });
                continue;
            }
            used.insert(key, FirstUse { id: new.id, workflow: new.workflow.clone(), input });
        }
        submitted.push(Submitted { id: new.id, created: true });
        fresh.push(new);
    }
    Ok((submitted, fresh))
}
