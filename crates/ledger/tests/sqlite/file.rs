//! What only a file can show: it outlives the ledger, the process, and shares itself between two.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::Action;
use jiff::Timestamp;
use ledger::sqlite::SqliteLedger;
use ledger::{Ledger, NewRun, RunFilter, RunRecord};
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::workflow::TaskSpec;
use protocol::{Callback, Job, Outcome, Payload, RunId, RunState, TaskRunId, TaskState, TenantId, Workflow};
use serde_json::json;

/// `list`, `each` per item, `sum` over the results.
fn map_and_sum() -> Workflow {
    let mut flow = Workflow::named("map-and-sum");
    flow.tasks = ["list", "each", "sum"].map(TaskSpec::named).into();
    flow.tasks[1].parents = vec!["list".to_owned()];
    flow.tasks[1].map_over = Some("list".to_owned());
    flow.tasks[2].parents = vec!["each".to_owned()];
    flow
}

async fn submit(ledger: &SqliteLedger, runs: usize) -> Vec<Job> {
    ledger.register(&map_and_sum()).await.unwrap();
    let run = |number| NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: "map-and-sum".to_owned(),
        input: Payload::Inline(json!(number)),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    };
    ledger.submit((0..runs).map(run).collect(), Timestamp::now()).await.unwrap();
    ledger.admit(runs, Timestamp::now()).await.unwrap()
}

fn done(job: &Job, items: u32) -> Callback {
    let now = Timestamp::now();
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: "worker-1".to_owned(),
        outcome: Outcome::Done {
            output: Payload::Inline(json!(job.index)),
            fan_out: (job.task == "list").then_some(items),
        },
        started_at: now,
        ended_at: now,
        usage: Usage { calls: 1, ..Usage::default() },
    }
}

async fn records(ledger: &SqliteLedger) -> Vec<RunRecord> {
    let tenant = TenantId::default_tenant();
    let mut records = Vec::new();
    for run in ledger.runs(&tenant, &RunFilter::all(), None, usize::MAX).await.unwrap() {
        records.push(ledger.run(&tenant, run.id).await.unwrap().unwrap());
    }
    records
}

#[tokio::test]
async fn a_ledger_opened_again_knows_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("ledger.db");
    let ledger = SqliteLedger::open(&path).await.unwrap();
    let jobs = submit(&ledger, 2).await;
    ledger.record(vec![done(&jobs[0], 3)], Timestamp::now()).await.unwrap();
    let (before, outbox) = (records(&ledger).await, unpublished(&ledger).await);
    drop(ledger);

    let ledger = SqliteLedger::open(&path).await.unwrap();
    assert_eq!(records(&ledger).await, before);
    assert_eq!(unpublished(&ledger).await, outbox);
    assert_eq!(outbox.len(), 4, "three children and the other run's list");
}

async fn unpublished(ledger: &SqliteLedger) -> Vec<Job> {
    ledger.unpublished(Duration::ZERO, &[], usize::MAX, Timestamp::now()).await.unwrap()
}

/// As two processes would: each has connections and memory of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_over_one_file_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (one, other) = (SqliteLedger::open(&path).await.unwrap(), SqliteLedger::open(&path).await.unwrap());
    let mut jobs = submit(&one, 1).await;
    let mut ends = 0;
    while !jobs.is_empty() {
        let record = async |ledger: &SqliteLedger, jobs: &[Job]| {
            let mut applied = Vec::new();
            for jobs in jobs.chunks(10) {
                let callbacks = jobs.iter().map(|job| done(job, 200)).collect();
                applied.extend(ledger.record(callbacks, Timestamp::now()).await.unwrap());
            }
            applied
        };
        // Halves that overlap: some callbacks are recorded by both.
        let (middle, margin) = (jobs.len() / 2, jobs.len() / 10);
        let (by_one, by_other) =
            tokio::join!(record(&one, &jobs[..middle + margin]), record(&other, &jobs[middle - margin..]));
        let applied = [by_one, by_other].concat();
        ends += applied.iter().flat_map(|applied| &applied.actions).filter(|action| is_end(action)).count();
        jobs = applied.into_iter().flat_map(|applied| applied.jobs).collect();
    }
    assert_eq!(ends, 1);
    let record = &records(&one).await[0];
    assert_eq!(record.run.state, RunState::Succeeded);
    assert_eq!(record.usage.calls, 202, "list, 200 children, sum");
}

fn is_end(action: &Action) -> bool {
    matches!(action, Action::RunEnded { .. })
}

const FILE_FOR_VICTIM: &str = "LEDGER_TEST_FILE";

/// Started in a process of its own by [`what_was_acknowledged_survives_a_kill`]: records until it is killed, and
/// says so after each acknowledgement.
#[tokio::test]
#[ignore = "the half of another test that gets killed"]
async fn victim() {
    let Some(path) = std::env::var_os(FILE_FOR_VICTIM) else { return };
    let ledger = SqliteLedger::open(Path::new(&path)).await.unwrap();
    loop {
        let mut jobs = submit(&ledger, 3).await;
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::victim", "--ignored", "--nocapture"])
        .env(FILE_FOR_VICTIM, &path)
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

    let ledger = SqliteLedger::open(&path).await.unwrap();
    let before = records(&ledger).await;
    let recorded: BTreeSet<TaskRunId> = before.iter().flat_map(|record| record.attempts.keys().copied()).collect();
    assert!(acknowledged.is_subset(&recorded));
    for record in &before {
        for task_run in &record.run.tasks {
            let worked_on = task_run.attempt > 0 && task_run.state == TaskState::Succeeded;
            assert_eq!(worked_on, record.attempts.contains_key(&task_run.id), "{task_run:?}");
        }
    }

    // A new process goes on where the old one was killed.
    ledger.forget_published().await.unwrap();
    ledger.admit(usize::MAX, Timestamp::now()).await.unwrap();
    loop {
        let jobs = unpublished(&ledger).await;
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
