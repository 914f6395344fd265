//! What can go wrong in a ledger.

/// A ledger operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workflow is not registered.
    #[error("workflow {0:?} is not registered")]
    UnknownWorkflow(String),
    /// That name and version is known with other tasks.
    #[error("workflow {name:?} version {version} is already registered with other tasks; raise its version")]
    WorkflowChanged {
        /// Name of the workflow.
        name: String,
        /// Its version.
        version: u32,
    },
    /// The idempotency key belongs to a run of another workflow or with another input.
    #[error("idempotency key {0:?} was used before with another workflow or input")]
    IdempotencyConflict(String),
    /// A stored value cannot be understood.
    #[error("the ledger holds a {what} that cannot be read: {detail}")]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The database failed.
    #[error("the ledger's database failed")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the ledger's schema could not be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
}
