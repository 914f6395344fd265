//! Idempotency keys: which runs of a submission are new, and which repeat an earlier one.

use std::collections::HashMap;

use protocol::{Payload, RunId, TenantId};

use crate::again::{Batch, Link};
use crate::values::{json, parsed};
use crate::{Error, NewRun, Refused, Submitted};

/// A tenant's idempotency key.
pub(crate) type Key = (TenantId, String);

/// What a key was first used for.
pub(crate) struct FirstUse {
    pub(crate) id: RunId,
    pub(crate) workflow: String,
    pub(crate) input: Payload,
    pub(crate) link: Option<Link>,
}

/// Runs whose keys were looked at.
pub(crate) struct Sorted {
    /// The answer to each, in order.
    pub(crate) submitted: Vec<Result<Submitted, Refused>>,
    /// Those that are to be recorded.
    pub(crate) fresh: Vec<NewRun>,
}

/// The keys of runs that have one.
pub(crate) fn keys(runs: &[NewRun]) -> Vec<Key> {
    runs.iter().filter_map(key_of).collect()
}

fn key_of(new: &NewRun) -> Option<Key> {
    new.idempotency_key.clone().map(|key| (new.tenant.clone(), key))
}

/// Tells the runs whose keys are new from those that repeat one that was used before, by `used` or earlier in the batch.
/// Takes the runs out of the batch.
///
/// # Errors
/// [`Error::IdempotencyConflict`] when a key was used for something else, unless each run of the batch is for itself.
pub(crate) fn sort_out(batch: &mut Batch, mut used: HashMap<Key, FirstUse>) -> Result<Sorted, Error> {
    let runs = std::mem::take(&mut batch.runs);
    let mut submitted = Vec::with_capacity(runs.len());
    let mut fresh = Vec::with_capacity(runs.len());
    for new in runs {
        if let Some(key) = key_of(&new) {
            // Compared as it reads back from the store.
            let input: Payload = parsed("input", &json("input", &new.input)?)?;
            let link = batch.link(new.id);
            if let Some(first) = used.get(&key) {
                if first.workflow == new.workflow && first.input == input && first.link.as_ref() == link {
                    submitted.push(Ok(Submitted { id: first.id, created: false }));
                } else if batch.each {
                    submitted.push(Err(Refused::IdempotencyConflict(key.1)));
                } else {
                    return Err(Error::IdempotencyConflict(key.1));
                }
                continue;
            }
            let first = FirstUse { id: new.id, workflow: new.workflow.clone(), input, link: link.cloned() };
            used.insert(key, first);
        }
        submitted.push(Ok(Submitted { id: new.id, created: true }));
        fresh.push(new);
    }
    Ok(Sorted { submitted, fresh })
}
