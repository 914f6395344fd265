//! The beginning of a transaction.

use sqlx::{PgPool, Postgres, Transaction};

use crate::Error;

/// Begins a transaction, in a task of its own, which goes on when the caller goes away in the middle of it.
///
/// sqlx (0.9) counts a transaction as begun when the answer to its first statement was read, and rolls back what it has
/// counted: a caller that is dropped in between would leave a connection in a transaction that nobody knows of, and the next
/// one to get the connection would work inside it.
///
/// # Errors
/// When no connection is to be had in time.
pub(super) async fn begin(
    pool: &PgPool,
    statement: Option<&'static str>,
) -> Result<Transaction<'static, Postgres>, Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move {
        match statement {
            Some(statement) => pool.begin_with(statement).await,
            None => pool.begin().await,
        }
    });
    let begun = begun.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    Ok(begun?)
}
