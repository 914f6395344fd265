//! Migrating, starting, leading, forgetting.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan};
use ledger::postgres::{PostgresLedger, migrate};
use ledger::{Error, Ledger};
use protocol::message::WIRE_VERSION;
use protocol::{Job, Lifecycle, LifecycleEvent, RunState, TenantId};

use crate::database::Schema;
use crate::work::{done, map_and_sum, submit};

#[tokio::test]
async fn a_schema_that_is_not_up_to_date_is_refused_with_the_command_that_helps() {
    let schema = Schema::empty();
    let refused = PostgresLedger::connect(schema.config.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::SchemaOutdated { found: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("flotilla migrate"), "{refused}");

    migrate(&schema.config).await.unwrap();
    schema.ledger().await;
    schema
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (9999, 'from the future', true, '', 0)",
        )
        .await;
    let refused = PostgresLedger::connect(schema.config.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::SchemaNewer { found: 9999, .. }), "{refused:?}");
}

#[tokio::test]
async fn many_processes_may_migrate_at_once() {
    let schema = Schema::empty();
    let config = &schema.config;
    let (a, b, c, d) = tokio::join!(migrate(config), migrate(config), migrate(config), migrate(config));
    for migrated in [a, b, c, d] {
        migrated.unwrap();
    }
    schema.ledger().await.register(&map_and_sum()).await.unwrap();
}

#[tokio::test]
async fn a_schema_name_is_no_place_for_sql() {
    let mut schema = Schema::empty();
    for name in ["", "1st", "a b", "a\"; DROP TABLE runs", "Upper", &"x".repeat(49)] {
        schema.config.schema = name.to_owned();
        let refused = migrate(&schema.config).await;
        assert!(matches!(refused, Err(Error::InvalidSchema(_))), "{name}: {refused:?}");
    }
    schema.config.schema = "unused".to_owned();
}

#[tokio::test]
async fn one_process_leads_until_it_lets_go() {
    let schema = Schema::create().await;
    let (one, other) = (schema.ledger().await, schema.ledger().await);
    let lead = one.try_lead("sweeper").await.unwrap().unwrap();
    assert!(other.try_lead("sweeper").await.unwrap().is_none());
    assert!(other.try_lead("cron").await.unwrap().is_some(), "another name is another lead");
    drop(lead);
    take_over(&other, Instant::now()).await;
}

#[tokio::test]
async fn a_leader_whose_connection_dies_knows_it_and_is_replaced_within_five_seconds() {
    let schema = Schema::create().await;
    let (one, other) = (schema.ledger().await, schema.ledger().await);
    let lead = one.try_lead("sweeper").await.unwrap().unwrap();
    assert!(lead.is_held());
    let start = Instant::now();
    schema
        .execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l \
             WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(current_schema() || '/sweeper', 0)",
        )
        .await;
    tokio::time::timeout(Duration::from_secs(5), lead.lost()).await.expect("the leader has to notice");
    assert!(!lead.is_held());
    take_over(&other, start).await;
}

async fn take_over(other: &PostgresLedger, since: Instant) {
    while other.try_lead("sweeper").await.unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(5), "nobody leads");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_ended_is_forgotten_after_its_retention_with_its_history() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    let now = Timestamp::now();
    let long_ago = now - (24 * 200).hours();
    let old = submit(&ledger, 2, long_ago).await;
    ledger.maintain(Duration::from_secs(3600), long_ago).await.unwrap();
    ledger.record_events(&[line(&old[0], long_ago)], long_ago).await.unwrap();
    let mut jobs = vec![old[0].clone()];
    while !jobs.is_empty() {
        let callbacks = jobs.iter().map(|job| done(job, 3)).collect();
        let applied = ledger.record(callbacks, long_ago).await.unwrap();
        jobs = applied.into_iter().flat_map(|applied| applied.jobs).collect();
    }
    let day = Duration::from_secs(24 * 3600);
    let kept = ledger.maintain(300 * day, now).await.unwrap();
    assert_eq!((kept.runs_deleted, kept.partitions_dropped.len()), (0, 0));

    let tenant = TenantId::default_tenant();
    let maintained = ledger.maintain(90 * day, now).await.unwrap();
    assert_eq!(maintained.runs_deleted, 1);
    assert!(maintained.partitions_dropped.is_empty(), "the other run may need its history");
    assert!(ledger.run(&tenant, old[0].run_id).await.unwrap().is_none());
    let other = ledger.run(&tenant, old[1].run_id).await.unwrap().unwrap();
    assert_eq!(other.run.state, RunState::Running);

    let cancel = engine::Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(old[1].run_id, cancel)], long_ago).await.unwrap();
    let maintained = ledger.maintain(90 * day, now).await.unwrap();
    assert_eq!(maintained.runs_deleted, 1);
    assert!(!maintained.partitions_dropped.is_empty());
    assert_eq!(schema.count("SELECT count(*) FROM task_runs").await, 0);
    assert_eq!(schema.count("SELECT count(*) FROM attempts").await, 0);
    assert_eq!(schema.count("SELECT count(*) FROM events").await, 0);
}

#[tokio::test]
async fn history_without_a_partition_moves_into_the_one_that_comes_late() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    let next_year = Timestamp::now() + (24 * 365).hours();
    let jobs = submit(&ledger, 1, next_year).await;
    ledger.record(vec![done(&jobs[0], 3)], next_year).await.unwrap();
    ledger.record_events(&[line(&jobs[0], next_year)], next_year).await.unwrap();
    let unplaced = "SELECT (SELECT count(*) FROM attempts_unplaced) + (SELECT count(*) FROM events_unplaced)";
    assert_eq!(schema.count(unplaced).await, 2);
    ledger.maintain(Duration::MAX, next_year).await.unwrap();
    assert_eq!(schema.count(unplaced).await, 0);
    let (tenant, run) = (TenantId::default_tenant(), jobs[0].run_id);
    assert_eq!(ledger.run(&tenant, run).await.unwrap().unwrap().attempts.len(), 1);
    assert_eq!(ledger.events(&tenant, run, 0, 10).await.unwrap().unwrap().events.len(), 1);
}

/// Nobody waits for the commit of an event, so a crash of Postgres may take the latest numbers back.
#[tokio::test]
async fn numbers_of_events_grow_even_after_the_latest_were_lost() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    let now = Timestamp::now();
    let jobs = submit(&ledger, 1, now).await;
    let (tenant, run) = (TenantId::default_tenant(), jobs[0].run_id);
    ledger.record_events(&[line(&jobs[0], now)], now).await.unwrap();
    let seen = ledger.events(&tenant, run, 0, 10).await.unwrap().unwrap().events[0].seq;
    schema.execute("DELETE FROM events").await;
    schema.execute("UPDATE event_clock SET last = 0").await;

    let later = now + 1.second();
    ledger.record_events(&[line(&jobs[0], later)], later).await.unwrap();
    assert_eq!(ledger.events(&tenant, run, seen, 10).await.unwrap().unwrap().events.len(), 1);
}

fn line(job: &Job, at: Timestamp) -> Lifecycle {
    Lifecycle {
        v: WIRE_VERSION,
        run_id: job.run_id,
        tenant: job.tenant.clone(),
        task_run_id: Some(job.task_run_id),
        task: Some(job.task.clone()),
        attempt: Some(job.attempt),
        worker: "worker-1".to_owned(),
        at,
        event: LifecycleEvent::Log { level: "info".to_owned(), message: "at work".to_owned() },
    }
}
