//! The SQLite ledger: the suite every ledger passes, and what only a file can show.

mod conformance {
    mod in_memory {
        use std::sync::Arc;

        use ledger::sqlite::SqliteLedger;

        ledger::conformance_tests!(async { (Arc::new(SqliteLedger::in_memory().await.unwrap()), ()) });
    }

    mod in_a_file {
        use std::sync::Arc;

        use ledger::sqlite::SqliteLedger;

        ledger::conformance_tests!(async {
            let folder = tempfile::tempdir().unwrap();
            let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).await.unwrap();
            (Arc::new(ledger), folder)
        });
    }
}

mod file;
mod unreadable;
