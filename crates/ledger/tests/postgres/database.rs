//! A schema of its own for each test, in the Postgres that `make setup` provides.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ledger::postgres::{Config, PostgresLedger, migrate};
use protocol::RunId;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Where Postgres is, unless the environment says otherwise.
const URL: &str = "postgres://flotilla:flotilla@127.0.0.1:5432/flotilla_test";

/// A schema that is dropped with this.
pub(crate) struct Schema {
    pub(crate) config: Config,
}

impl Schema {
    /// A schema without tables.
    pub(crate) fn empty() -> Self {
        let url = std::env::var("FLOTILLA_TEST_POSTGRES").unwrap_or_else(|_| URL.to_owned());
        let schema = format!("test_{}", RunId::new().as_uuid().simple());
        Self { config: Config { schema, max_connections: 4, ..Config::new(url) } }
    }

    /// A schema that is up to date.
    pub(crate) async fn create() -> Self {
        let schema = Self::empty();
        if let Err(error) = migrate(&schema.config).await {
            let url = &schema.config.url;
            panic!("Postgres at {url} cannot be used ({error:?}). Run `make setup`, or set FLOTILLA_TEST_POSTGRES.");
        }
        schema
    }

    /// A ledger over it, with connections and memory of its own, as another process would have.
    pub(crate) async fn ledger(&self) -> PostgresLedger {
        PostgresLedger::connect(self.config.clone()).await.unwrap()
    }

    /// Runs a statement of the test's own.
    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.connection().await).await.unwrap();
    }

    /// What a counting statement counts.
    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.connection().await).await.unwrap()
    }

    /// A connection that sees its tables.
    pub(crate) async fn connection(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.config.url).await.unwrap();
        let search_path = format!("SET search_path TO {}", self.config.schema);
        sqlx::query(AssertSqlSafe(search_path)).execute(&mut connection).await.unwrap();
        connection
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (url, schema) = (self.config.url.clone(), self.config.schema.clone());
        let drop_it = async move {
            let mut connection = PgConnection::connect(&url).await?;
            let statement = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
            sqlx::query(statement).execute(&mut connection).await?;
            connection.close().await
        };
        // The test's own runtime cannot wait inside a drop.
        let dropper = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(drop_it).unwrap();
        });
        let dropped = dropper.join();
        assert!(dropped.is_ok() || std::thread::panicking());
    }
}
