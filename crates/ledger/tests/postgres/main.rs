//! The Postgres ledger: the suite every ledger passes, and what only a shared database can show.

mod cluster;
mod database;
mod restart;
mod schema;
mod shared;
mod unreadable;
mod work;

mod conformance {
    use std::sync::Arc;

    use crate::database::Schema;

    ledger::conformance_tests!(async {
        let schema = Schema::create().await;
        (Arc::new(schema.ledger().await), schema)
    });
}
