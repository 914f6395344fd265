//! Rows that make no sense.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::num::NonZeroU32;
use std::path::Path;

use jiff::Timestamp;
use ledger::sqlite::SqliteLedger;
use ledger::{Error, Ledger, NewRun, RunFilter, Share};
use protocol::workflow::TaskSpec;
use protocol::{Payload, RunId, RunState, TenantId, Workflow};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

/// Changes the file as somebody would who edits it by hand.
async fn spoil(file: &Path, statement: &'static str) {
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    connection.close().await.unwrap();
}

async fn submit(ledger: &SqliteLedger, runs: usize) -> Vec<RunId> {
    let mut flow = Workflow::named("flow");
    flow.tasks = vec![TaskSpec::named("only")];
    ledger.register(&flow).await.unwrap();
    let run = |_| NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: "flow".to_owned(),
        input: Payload::Inline(json!("input")),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    };
    let submitted = ledger.submit((0..runs).map(run).collect(), Timestamp::now()).await.unwrap();
    submitted.into_iter().map(|one| one.id).collect()
}

/// It fails and its place goes to the next; nobody else waits for it.
#[tokio::test]
async fn a_run_with_an_unreadable_input_fails_instead_of_holding_up_admission() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&file).await.unwrap();
    let tenant = TenantId::default_tenant();
    let one_at_a_time = Share { weight: NonZeroU32::MIN, max_concurrent: Some(1) };
    ledger.set_share(&tenant, one_at_a_time).await.unwrap();
    let runs = submit(&ledger, 2).await;
    spoil(&file, "UPDATE runs SET input = '{' WHERE id = (SELECT id FROM runs ORDER BY id LIMIT 1)").await;

    assert_eq!(ledger.admit(10, Timestamp::now()).await.unwrap(), []);
    let next = ledger.admit(10, Timestamp::now()).await.unwrap();
    assert_eq!(next.iter().map(|job| job.run_id).collect::<Vec<_>>(), [runs[1]]);
    let list = ledger.runs(&tenant, &RunFilter::all(), None, 10).await.unwrap();
    assert_eq!(
        (list[1].state, list[1].tasks.clone().into_iter().collect::<Vec<_>>()),
        (RunState::Failed, vec![("cancelled", 1)])
    );
    let read = ledger.run(&tenant, runs[0]).await;
    assert!(matches!(read, Err(Error::Corrupt { what: "input", .. })), "{read:?}");
}

/// The sweeper of the outbox comes across it.
#[tokio::test]
async fn a_run_with_an_unreadable_task_fails_in_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&file).await.unwrap();
    submit(&ledger, 2).await;
    assert_eq!(ledger.admit(10, Timestamp::now()).await.unwrap().len(), 2);
    let spoil_it = "UPDATE task_runs SET output = '{' WHERE id = (SELECT id FROM task_runs ORDER BY id LIMIT 1)";
    spoil(&file, spoil_it).await;

    let later = Timestamp::now() + jiff::SignedDuration::from_secs(10);
    assert_eq!(ledger.unpublished(std::time::Duration::ZERO, &[], 10, later).await.unwrap().len(), 1);
    let list = ledger.runs(&TenantId::default_tenant(), &RunFilter::all(), None, 10).await.unwrap();
    assert_eq!(list.iter().filter(|run| run.state == RunState::Failed).count(), 1);
}
