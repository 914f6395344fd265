//! Runs that stay on the worker that has their files, and go elsewhere when they cannot.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use ledger::RunRecord;

use crate::fleet::{Document, Fleet, restarted_after};
use crate::model::Model;
use crate::process::{Process, tell};

const OTHERS: [&str; 3] = ["dispatcher", "worker-callbacks", "worker-logging"];
const QUEUES: [&str; 2] = ["--queues", "file_processing,api_processing,default"];

/// The workers that worked on a run.
fn workers(record: &RunRecord) -> BTreeSet<&str> {
    record.attempts.values().flatten().map(|attempt| attempt.worker.as_str()).collect()
}

async fn bytes(fleet: &Fleet, workers: &[Process], result: &str) -> f64 {
    let name = format!("flotilla_artifact_cache_bytes_total{{result=\"{result}\"}}");
    let mut bytes = 0.0;
    for worker in workers {
        bytes += worker.metric(&fleet.client, &name).await;
    }
    bytes
}

/// Plays twenty runs one after another on two workers; the runs that stayed on one, and the bytes fetched and not fetched.
async fn twenty_runs(more: &[&str]) -> (usize, f64, f64) {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&OTHERS).await;
    let flags = [&QUEUES[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let two = [fleet.start("worker", &flags).await, fleet.start("worker", &flags).await];
    let document = Document::example("invoice.pdf");
    let mut runs = Vec::new();
    for _ in 0..20 {
        let run = fleet.submit(&processes[0], &document).await;
        fleet.result(&processes[0], run).await;
        runs.push(run);
    }
    let records = fleet.all_succeed_and_are_recorded_once(&runs).await;
    let stayed = records.iter().filter(|record| workers(record).len() == 1).count();
    let (fetched, spared) = (bytes(&fleet, &two, "miss").await, bytes(&fleet, &two, "hit").await);
    processes.extend(two);
    fleet.stop(processes).await;
    (stayed, fetched, spared)
}

#[tokio::test]
async fn a_run_stays_on_the_worker_that_has_its_files() {
    let (stayed, fetched, spared) = twenty_runs(&[]).await;
    tell(&format!("{stayed} of 20 runs stayed on one worker; {fetched} bytes fetched, {spared} found there"));
    // One that was busy for long lets a run go: that is allowed, and rare where only one runs at a time.
    assert!(stayed >= 18, "{stayed} of 20 runs stayed on one worker");
    assert!(fetched < (fetched + spared) / 5.0, "{fetched} bytes fetched, {spared} found");
}

#[tokio::test]
async fn without_a_cache_nothing_binds_a_run_to_a_worker() {
    let (stayed, fetched, spared) = twenty_runs(&["--artifact-cache", "0"]).await;
    tell(&format!("without a cache {stayed} of 20 runs stayed on one worker"));
    assert!(stayed < 20, "two workers take turns");
    assert_eq!((fetched, spared), (0.0, 0.0), "nothing is counted where nothing is kept");
}

#[tokio::test]
async fn runs_of_a_killed_worker_go_on_elsewhere_within_the_wait() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&OTHERS).await;
    let model = Model::asleep().await;
    let more = [QUEUES.as_slice(), &["--concurrency", "4"]].concat().into_iter().map(str::to_owned);
    let flags: Vec<String> = model.flags().into_iter().chain(more).collect();
    let doomed = fleet.start("worker", &flags).await;
    let runs = fleet.submit_many(&[&processes[0]], &Document::one_question(fleet.folder()), 10).await;
    fleet.until("four answers are waited for", async || model.calls() == 4).await;
    fleet.until("their start is recorded", async || fleet.running("agentic-extract").await.len() == 4).await;
    let in_hand = fleet.running("agentic-extract").await;
    let heir = fleet.start("worker", &flags).await;

    let killed = Timestamp::now();
    let name = doomed.name();
    doomed.kill();
    fleet.until("all of them are asked again", async || model.calls() >= 8).await;
    model.wake();
    let records = fleet.all_succeed_and_are_recorded_once(&runs).await;

    let interrupted: Vec<_> = records.into_iter().filter(|record| in_hand.contains(&record.run.id)).collect();
    for record in &interrupted {
        let task = record.run.tasks.iter().find(|task| task.task == "agentic-extract").unwrap();
        assert!(!record.attempts[&task.id][0].worker.starts_with(&name), "a dead worker is on record");
    }
    let recovery = restarted_after(&interrupted, "agentic-extract", killed);
    tell(&format!("from the kill of a preferred worker to the restart of its last task: {recovery:.1?}"));
    assert!(recovery < Duration::from_secs(8), "{recovery:?}");
    processes.push(heir);
    fleet.stop(processes).await;
}
