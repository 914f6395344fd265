//! Rows that make no sense.

use std::num::NonZeroU32;

use jiff::Timestamp;
use ledger::{Error, Ledger, RunFilter, Share};
use protocol::{RunState, TenantId};

use crate::database::Schema;
use crate::work::{done, map_and_sum, new_run, submit};

const SPOIL_THE_FIRST_INPUT: &str = "UPDATE runs SET input = '{' WHERE id = (SELECT id FROM runs ORDER BY id LIMIT 1)";
const SPOIL_A_TASK_OF_THE_FIRST_RUN: &str = "UPDATE task_runs SET state = 'quantum' \
    WHERE position = 0 AND run_id = (SELECT id FROM runs ORDER BY id LIMIT 1)";
const FAILED_AS_UNREADABLE: &str =
    "SELECT count(*) FROM runs WHERE state = 'failed' AND error LIKE '%run_unreadable%' AND ended_at IS NOT NULL";
const TASKS_LEFT: &str = "SELECT count(*) FROM task_runs WHERE state NOT IN ('cancelled', 'succeeded') \
    AND run_id = (SELECT id FROM runs ORDER BY id LIMIT 1)";

/// It fails and its place goes to the next; nobody else waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_with_an_unreadable_input_fails_instead_of_holding_up_admission() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    ledger.register(&map_and_sum()).await.unwrap();
    let tenant = TenantId::default_tenant();
    let one_at_a_time = Share { weight: NonZeroU32::MIN, max_concurrent: Some(1) };
    ledger.set_share(&tenant, one_at_a_time).await.unwrap();
    let submitted = ledger.submit((0..2).map(|_| new_run("default")).collect(), Timestamp::now()).await.unwrap();
    schema.execute(SPOIL_THE_FIRST_INPUT).await;

    assert_eq!(ledger.admit(10, Timestamp::now()).await.unwrap(), []);
    assert_eq!(schema.count(FAILED_AS_UNREADABLE).await, 1);
    assert_eq!(schema.count(TASKS_LEFT).await, 0);
    let next = ledger.admit(10, Timestamp::now()).await.unwrap();
    assert_eq!(next.iter().map(|job| job.run_id).collect::<Vec<_>>(), [submitted[1].id]);

    let list = ledger.runs(&tenant, &RunFilter::all(), None, 10).await.unwrap();
    assert_eq!(list[1].state, RunState::Failed);
    let read = ledger.run(&tenant, submitted[0].id).await;
    assert!(matches!(read, Err(Error::Corrupt { what: "input", .. })), "{read:?}");
}

/// Outcomes of others in the same batch are recorded; its own is one for a run that has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_task_run_fails_its_run_and_holds_up_no_outcome() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    let jobs = submit(&ledger, 3, Timestamp::now()).await;
    schema.execute(SPOIL_A_TASK_OF_THE_FIRST_RUN).await;

    let applied = ledger.record(jobs.iter().map(|job| done(job, 2)).collect(), Timestamp::now()).await.unwrap();
    assert_eq!(applied.iter().map(|one| one.jobs.len()).sum::<usize>(), 4);
    assert_eq!(applied.iter().filter(|one| one.tenant.is_none()).count(), 1);
    assert_eq!(schema.count(FAILED_AS_UNREADABLE).await, 1);
    assert_eq!(schema.count(TASKS_LEFT).await, 0);
}

/// The sweeper of the outbox comes across it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_became_unreadable_in_the_outbox_fails_there() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    submit(&ledger, 3, Timestamp::now()).await;
    schema.execute(SPOIL_THE_FIRST_INPUT).await;

    let later = Timestamp::now() + jiff::SignedDuration::from_secs(10);
    assert_eq!(ledger.unpublished(std::time::Duration::ZERO, &[], 10, later).await.unwrap().len(), 2);
    assert_eq!(schema.count(FAILED_AS_UNREADABLE).await, 1);
    assert_eq!(schema.count(TASKS_LEFT).await, 0);
}
