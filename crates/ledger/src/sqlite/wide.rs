//! Whether the wide runs kept in memory are still what the file holds.

use protocol::RunId;
use sqlx::SqliteConnection;

use crate::Error;
use crate::fold::Loaded;
use crate::wide;

/// Runs as the writer last stored them. Whoever holds it is the only one to write.
#[derive(Debug, Default)]
pub(super) struct WideRuns {
    kept: wide::WideRuns<Loaded>,
    data_version: i64,
}

impl WideRuns {
    /// Forgets everything when somebody else has written since the last transaction. To be called at the start of
    /// each, on the one connection that writes: SQLite counts the changes that other connections made.
    pub(super) async fn check(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        let data_version = sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await?;
        if self.data_version != data_version {
            *self = Self { data_version, ..Self::default() };
        }
        Ok(())
    }

    /// Hands out a run. It has to be brought back by [`Self::keep`], after its changes were committed.
    pub(super) fn take(&mut self, run_id: RunId) -> Option<Loaded> {
        self.kept.take(run_id)
    }

    /// Keeps a run if it is wide and goes on.
    pub(super) fn keep(&mut self, loaded: Loaded) {
        self.kept.keep(loaded);
    }

    /// Forgets everything, after changes that did not go through [`Self::take`].
    pub(super) fn clear(&mut self) {
        self.kept = wide::WideRuns::default();
    }
}
