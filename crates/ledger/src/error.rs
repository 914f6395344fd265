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
    /// The database holds no schema, or that of an earlier version.
    #[error("the ledger's schema is at version {found}, this program needs {wanted}: run `flotilla migrate`")]
    SchemaOutdated {
        /// The latest migration that was applied; 0 for none.
        found: i64,
        /// The latest that this program knows.
        wanted: i64,
    },
    /// The database was migrated by a newer version.
    #[error("the ledger's schema is at version {found}, this program knows {known} at most: use a newer `flotilla`")]
    SchemaNewer {
        /// The latest migration that was applied.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// The name cannot be used as a schema.
    #[error("schema {0:?}: use 1 to 48 of a-z, 0-9 and '_', not beginning with a digit")]
    InvalidSchema(String),
}
