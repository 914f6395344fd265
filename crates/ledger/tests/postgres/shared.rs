//! Several processes over one database, some of which die.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use engine::Action;
use jiff::Timestamp;
use ledger::postgres::{Config, PostgresLedger};
use ledger::{Applied, Ledger, NewRun, Share, Submitted};
use protocol::{Job, RunId, RunState, TaskRunId, TaskState};
use sqlx::Connection;
use tokio::task::JoinSet;

use crate::database::Schema;
use crate::work::{done, map_and_sum, new_run, records, submit};

/// Ledgers with connections and memory of their own.
async fn ledgers<const N: usize>(schema: &Schema) -> [Arc<PostgresLedger>; N] {
    let mut ledgers = Vec::with_capacity(N);
    for _ in 0..N {
        ledgers.push(Arc::new(schema.ledger().await));
    }
    ledgers.try_into().unwrap()
}

/// Four callbacks workers get overlapping batches in different orders, while jobs are marked as published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_callbacks_are_recorded_once_by_whoever_comes_first() {
    const RUNS: usize = 20;
    const ITEMS: u32 = 110;
    let schema = Schema::create().await;
    let ledgers: [_; 4] = ledgers(&schema).await;
    let mut jobs = submit(&*ledgers[0], RUNS, Timestamp::now()).await;
    let mut ends = 0;
    while !jobs.is_empty() {
        let mut workers = JoinSet::new();
        for (number, ledger) in ledgers.iter().enumerate() {
            let ledger = Arc::clone(ledger);
            // Everybody gets three quarters of the jobs, so most are reported three times.
            let mut mine: Vec<Job> =
                jobs.iter().enumerate().filter(|(place, _)| place % 4 != number).map(|(_, job)| job.clone()).collect();
            let step = [1, 7, 11, 13][number];
            let order: HashMap<TaskRunId, usize> =
                mine.iter().enumerate().map(|(place, job)| (job.task_run_id, (place * step) % 997)).collect();
            mine.sort_by_key(|job| order[&job.task_run_id]);
            workers.spawn(async move {
                let mut applied: Vec<Applied> = Vec::new();
                for jobs in mine.chunks(100) {
                    let marks: Vec<_> = jobs.iter().map(|job| (job.task_run_id, job.attempt)).collect();
                    let callbacks = jobs.iter().map(|job| done(job, ITEMS)).collect();
                    let (marked, recorded) = tokio::join!(
                        ledger.mark_published(&marks, Timestamp::now()),
                        ledger.record(callbacks, Timestamp::now())
                    );
                    marked.unwrap();
                    applied.extend(recorded.unwrap());
                }
                applied
            });
        }
        let applied: Vec<Applied> = workers.join_all().await.into_iter().flatten().collect();
        ends += applied.iter().flat_map(|applied| &applied.actions).filter(|action| is_end(action)).count();
        jobs = applied.into_iter().flat_map(|applied| applied.jobs).collect();
    }
    assert_eq!(ends, RUNS);
    for record in records(&*ledgers[1]).await {
        assert_eq!(record.run.state, RunState::Succeeded);
        assert_eq!(record.usage.calls, u64::from(ITEMS) + 2, "list, children, sum: each once");
    }
}

fn is_end(action: &Action) -> bool {
    matches!(action, Action::RunEnded { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_admissions_admit_each_run_once_and_no_tenant_beyond_its_limit() {
    let schema = Schema::create().await;
    let ledgers: [_; 3] = ledgers(&schema).await;
    ledgers[0].register(&map_and_sum()).await.unwrap();
    let share = Share { max_concurrent: Some(5), ..Share::default() };
    ledgers[0].set_share(&"limited".parse().unwrap(), share).await.unwrap();
    let runs = (0..300).map(|number| new_run(if number % 3 == 0 { "limited" } else { "free" }));
    ledgers[0].submit(runs.collect(), Timestamp::now()).await.unwrap();

    let mut jobs: BTreeMap<RunId, Job> = BTreeMap::new();
    let mut admissions = JoinSet::new();
    for ledger in &ledgers {
        let ledger = Arc::clone(ledger);
        admissions.spawn(async move {
            let mut admitted = Vec::new();
            let mut idle = 0;
            // What the others hold at that moment is passed over, so an empty answer is not yet the end.
            while idle < 20 {
                let jobs = ledger.admit(7, Timestamp::now()).await.unwrap();
                idle = if jobs.is_empty() { idle + 1 } else { 0 };
                admitted.extend(jobs);
            }
            admitted
        });
    }
    for job in admissions.join_all().await.into_iter().flatten() {
        assert!(jobs.insert(job.run_id, job).is_none(), "admitted twice");
    }
    let limited = jobs.values().filter(|job| job.tenant.as_str() == "limited").count();
    assert_eq!((limited, jobs.len()), (5, 205));
}

/// The next process goes on in the order that the first one decided.
/// Whoever changes a run locks its tenant last, and a submission locks the tenant first: if it waited for the run, each
/// would wait for the other.
#[tokio::test]
async fn a_repeated_submission_does_not_wait_for_whoever_changes_the_first_run() {
    let schema = Schema::create().await;
    let ledger = schema.ledger().await;
    ledger.register(&map_and_sum()).await.unwrap();
    let keyed = || NewRun { idempotency_key: Some("key".to_owned()), ..new_run("default") };
    let first = ledger.submit(vec![keyed()], Timestamp::now()).await.unwrap();
    let mut changing = schema.connection().await;
    let mut change = changing.begin().await.unwrap();
    sqlx::query("UPDATE runs SET started_at = now()").execute(&mut *change).await.unwrap();

    let again = ledger.submit(vec![keyed(), new_run("default")], Timestamp::now());
    let again = tokio::time::timeout(Duration::from_secs(10), again).await.expect("it waits for nobody").unwrap();

    assert_eq!(again[0], Submitted { id: first[0].id, created: false });
    assert!(again[1].created);
    sqlx::query("SELECT FROM tenants FOR UPDATE").execute(&mut *change).await.unwrap();
    change.commit().await.unwrap();
}

/// Clients of the API do so all the time. What they were in the middle of must not meet whoever gets the connection next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_no_transaction_behind() {
    let schema = Schema::create().await;
    let ledger = PostgresLedger::connect(Config { max_connections: 1, ..schema.config.clone() }).await.unwrap();
    ledger.register(&map_and_sum()).await.unwrap();
    let run = new_run("default");
    let (tenant, id) = (run.tenant.clone(), run.id);
    ledger.submit(vec![run], Timestamp::now()).await.unwrap();
    for patience in (0..400).map(|step| Duration::from_micros(step * 5)) {
        // Gone after a while that ends at any step of it.
        let _ = tokio::time::timeout(patience, ledger.run(&tenant, id)).await;
        ledger.submit(vec![new_run("default")], Timestamp::now()).await.unwrap();
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
        AND query NOT LIKE 'ROLLBACK%' AND application_name = 'flotilla' AND query LIKE '%READ ONLY%'";
    assert_eq!(schema.count(open).await, 0);
    assert_eq!(records(&ledger).await.len(), 401);
}

#[tokio::test]
async fn the_order_of_admission_survives_a_restart() {
    let schema = Schema::create().await;
    let first = schema.ledger().await;
    first.register(&map_and_sum()).await.unwrap();
    let runs = |tenant: &str, count| (0..count).map(|_| new_run(tenant)).collect::<Vec<_>>();
    first.submit(runs("many", 100), Timestamp::now()).await.unwrap();
    first.admit(50, Timestamp::now()).await.unwrap();
    drop(first);

    let second = schema.ledger().await;
    second.submit(runs("few", 3), Timestamp::now()).await.unwrap();
    let admitted = second.admit(6, Timestamp::now()).await.unwrap();
    let tenants: Vec<&str> = admitted.iter().map(|job| job.tenant.as_str()).collect();
    assert_eq!(tenants, ["many", "few", "many", "few", "many", "few"]);
}

const SCHEMA_FOR_VICTIM: &str = "LEDGER_TEST_SCHEMA";

/// Started in a process of its own by [`what_was_acknowledged_survives_a_kill`]: records until it is killed, and
/// says so after each acknowledgement.
#[tokio::test]
#[ignore = "the half of another test that gets killed"]
async fn victim() {
    let Ok(name) = std::env::var(SCHEMA_FOR_VICTIM) else { return };
    let schema = std::mem::ManuallyDrop::new(Schema::empty());
    let ledger = PostgresLedger::connect(Config { schema: name, ..schema.config.clone() }).await.unwrap();
    loop {
        let mut jobs = submit(&ledger, 3, Timestamp::now()).await;
        while !jobs.is_empty() {
            let mut ready = Vec::new();
            for jobs in jobs.chunks(4) {
                let callbacks = jobs.iter().map(|job| done(job, 10)).collect();
                let applied = ledger.record(callbacks, Timestamp::now()).await.unwrap();
                ready.extend(applied.into_iter().flat_map(|applied| applied.jobs));
                for job in jobs {
                    println!("acknowledged {}", job.task_run_id);
                }
            }
            jobs = ready;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let schema = Schema::create().await;
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shared::victim", "--ignored", "--nocapture"])
        .env(SCHEMA_FOR_VICTIM, &schema.config.schema)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged: BTreeSet<TaskRunId> = BTreeSet::new();
    for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The last line may be cut short.
        acknowledged.extend(line.split("acknowledged ").nth(1).and_then(|id| id.parse::<TaskRunId>().ok()));
        if acknowledged.len() == 200 {
            victim.kill().unwrap();
        }
    }
    assert!(!victim.wait().unwrap().success());
    assert!(acknowledged.len() >= 200, "{}", acknowledged.len());

    // A new process goes on where the old one was killed. Taking every run's lock waits for its last transaction.
    let ledger = schema.ledger().await;
    ledger.forget_published().await.unwrap();
    let before = records(&ledger).await;
    let recorded: BTreeSet<TaskRunId> = before.iter().flat_map(|record| record.attempts.keys().copied()).collect();
    assert!(acknowledged.is_subset(&recorded));
    for record in &before {
        for task_run in &record.run.tasks {
            let worked_on = task_run.attempt > 0 && task_run.state == TaskState::Succeeded;
            assert_eq!(worked_on, record.attempts.contains_key(&task_run.id), "{task_run:?}");
        }
    }
    ledger.admit(usize::MAX, Timestamp::now()).await.unwrap();
    loop {
        let jobs = ledger.unpublished(Duration::ZERO, &[], usize::MAX, Timestamp::now()).await.unwrap();
        if jobs.is_empty() {
            break;
        }
        ledger.record(jobs.iter().map(|job| done(job, 10)).collect(), Timestamp::now()).await.unwrap();
    }
    for record in records(&ledger).await {
        assert_eq!(record.run.state, RunState::Succeeded);
        assert_eq!(record.usage.calls, 12, "list, ten children, sum: each once");
    }
}
