//! Runs that are recorded one by one, each for itself: new ones, and such as do an earlier run again.

use std::collections::HashMap;

use engine::{NotAgain, Run};
use jiff::Timestamp;
use protocol::{Job, Payload, RunId};

use crate::unreadable::{self, Unreadable};
use crate::{NewRun, Submitted};

/// An order to do a run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Id of the new run.
    pub id: RunId,
    /// The run that is done again.
    pub of: RunId,
    /// The task to begin with, even if it succeeded.
    pub from: Option<String>,
    /// Within a tenant, a key records at most one run.
    pub idempotency_key: Option<String>,
    /// Whether somebody wants to be told about its end.
    pub notify: bool,
}

/// What became of runs that were to be started each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct StartedEach {
    /// What became of each, in order.
    pub runs: Vec<Result<Submitted, Refused>>,
    /// Jobs that became ready.
    pub jobs: Vec<Job>,
}

/// Why one run was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its idempotency key was used for something else.
    #[error("idempotency key {0:?} was used before for another run")]
    IdempotencyConflict(String),
    /// That tenant has no such run to do again.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The run cannot be done again.
    #[error(transparent)]
    NotAgain(#[from] NotAgain),
    /// What is recorded of it makes no sense.
    #[error("the record of run {0} cannot be read")]
    Unreadable(RunId),
}

/// Runs on their way into the record.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) runs: Vec<NewRun>,
    /// Those of them that do another run again, by their id.
    pub(crate) again: HashMap<RunId, Again>,
    /// Whether a run that is refused leaves the others alone.
    pub(crate) each: bool,
}

/// A run that does another one again.
#[derive(Debug)]
pub(crate) struct Again {
    /// What it begins with.
    pub(crate) run: Run,
    /// What it repeats.
    pub(crate) link: Link,
}

/// What a run repeats: the run, and the task that was named to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) of: RunId,
    pub(crate) from: Option<String>,
}

/// A run that may be done again, as the ledger holds it.
pub(crate) struct Earlier {
    pub(crate) run: Run,
    pub(crate) input: Payload,
    pub(crate) priority: i16,
}

impl From<Vec<NewRun>> for Batch {
    fn from(runs: Vec<NewRun>) -> Self {
        Self { runs, ..Self::default() }
    }
}

impl Batch {
    /// Runs of which each is recorded for itself.
    pub(crate) fn each(runs: Vec<NewRun>) -> Self {
        Self { each: true, ..Self::from(runs) }
    }

    /// The link of a run, if it does another one again.
    pub(crate) fn link(&self, id: RunId) -> Option<&Link> {
        self.again.get(&id).map(|again| &again.link)
    }
}

/// Decides for each order what its run begins with. Returns what is to be recorded, and for every order, in order, why
/// it is refused; `None` for those that are among the runs, which keep their order.
pub(crate) fn decide(
    retries: Vec<Retry>,
    earlier: &HashMap<RunId, Earlier>,
    unreadable: &[Unreadable],
    now: Timestamp,
) -> (Batch, Vec<Option<Refused>>) {
    let mut batch = Batch::each(Vec::with_capacity(retries.len()));
    let mut refused = Vec::with_capacity(retries.len());
    for Retry { id, of, from, idempotency_key, notify } in retries {
        let Some(Earlier { run, input, priority }) = earlier.get(&of) else {
            let corrupt = unreadable::contains(unreadable, of);
            refused.push(Some(if corrupt { Refused::Unreadable(of) } else { Refused::NoSuchRun(of) }));
            continue;
        };
        match run.again(id, from.as_deref(), now) {
            Ok(again) => {
                let (tenant, workflow) = (run.tenant.clone(), run.workflow.name.clone());
                let (input, priority) = (input.clone(), *priority);
                batch.runs.push(NewRun {
                    id,
                    tenant,
                    workflow,
                    input,
                    idempotency_key,
                    priority,
                    notify,
                    backend: Some(run.backend),
                    shadow_of: None,
                });
                batch.again.insert(id, Again { run: again, link: Link { of, from } });
                refused.push(None);
            }
            Err(error) => refused.push(Some(error.into())),
        }
    }
    (batch, refused)
}

/// What became of every order: why it was refused, or what was recorded for it.
pub(crate) fn answers(
    refused: Vec<Option<Refused>>,
    recorded: Vec<Result<Submitted, Refused>>,
) -> Vec<Result<Submitted, Refused>> {
    let mut recorded = recorded.into_iter();
    refused.into_iter().filter_map(|refused| refused.map(Err).or_else(|| recorded.next())).collect()
}
