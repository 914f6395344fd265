//! Runs whose rows make no sense to this program: somebody edited them, or a disk did. Such a run fails with an error that
//! says so, because one that is passed over would be found again for ever, and one that is an error holds up all others.

use protocol::{RunId, TaskError};

use crate::Error;

/// A run that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The run.
    pub(crate) run_id: RunId,
    /// What is wrong with it.
    pub(crate) error: Error,
}

impl Unreadable {
    /// Passes a readable value on and notes the run of one that is not.
    ///
    /// # Errors
    /// Whatever else went wrong: that is no property of the run.
    pub(crate) fn sort<T>(
        run_id: RunId,
        read: Result<T, Error>,
        unreadable: &mut Vec<Self>,
    ) -> Result<Option<T>, Error> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error @ Error::Corrupt { .. }) => {
                unreadable.push(Self { run_id, error });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the run fails with. Its rows are left as they are otherwise, for whoever looks into it.
    pub(crate) fn failure(&self) -> TaskError {
        TaskError::permanent("run_unreadable", format!("The record of this run cannot be read: {}.", self.error))
    }

    /// Says that the run was failed.
    pub(crate) fn report(&self) {
        metrics::counter!("flotilla_runs_unreadable_total").increment(1);
        tracing::error!(run.id = %self.run_id, error = %self.error, "a run cannot be read and fails");
    }
}

/// Whether the run is one of them.
pub(crate) fn contains(unreadable: &[Unreadable], run_id: RunId) -> bool {
    unreadable.iter().any(|one| one.run_id == run_id)
}
