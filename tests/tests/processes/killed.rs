//! Processes that are killed, with more than a hundred runs under way.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::fleet::{Document, Fleet, ROLES, restarted_after};
use crate::model::Model;
use crate::process::tell;

/// How many runs there are.
const RUNS: usize = 110;

/// How many of them have to be under way at the moment of the kill.
const UNDER_WAY: usize = 100;

#[tokio::test]
async fn tasks_of_a_killed_worker_start_again_and_nothing_is_recorded_twice() {
    let fleet = Fleet::without_processes().await;
    let others = ["dispatcher", "worker-file-processing", "worker-default", "worker-callbacks", "worker-logging"];
    let mut processes = fleet.start_all(&others).await;
    let model = Model::asleep().await;
    let flags = [model.flags(), vec!["--concurrency".to_owned(), "4".to_owned()]].concat();
    let worker = fleet.start("worker-api-processing", &flags).await;
    let runs = fleet.submit_many(&[&processes[0]], &Document::one_question(fleet.folder()), RUNS).await;
    fleet.until("four answers are waited for", async || model.calls() == 4).await;
    fleet.until("their start is recorded", async || fleet.running("agentic-extract").await.len() == 4).await;
    let in_hand = fleet.running("agentic-extract").await;
    assert!(fleet.under_way().await >= UNDER_WAY);

    let killed = Timestamp::now();
    worker.kill();
    model.wake();
    processes.push(fleet.start("worker-api-processing", &flags).await);
    let records = fleet.all_succeed_and_are_recorded_once(&runs).await;

    let interrupted: Vec<_> = records.into_iter().filter(|record| in_hand.contains(&record.run.id)).collect();
    let recovery = restarted_after(&interrupted, "agentic-extract", killed);
    tell(&format!("from the kill of a worker to the restart of its last task: {recovery:.1?}"));
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    fleet.stop(processes).await;
}

#[tokio::test]
async fn outcomes_that_a_killed_callbacks_worker_held_are_recorded_by_the_next_one() {
    let fleet = Fleet::without_processes().await;
    let others = ["dispatcher", "worker-file-processing", "worker-api-processing", "worker-default", "worker-logging"];
    let mut processes = fleet.start_all(&others).await;
    let runs = fleet.submit_many(&[&processes[0]], &Document::one_question(fleet.folder()), RUNS).await;
    let callbacks = fleet.start("worker-callbacks", &[]).await;
    fleet.until("a first outcome is recorded", async || fleet.recorded().await > 0).await;
    assert!(fleet.under_way().await >= UNDER_WAY);

    let killed = Instant::now();
    callbacks.kill();
    let before = fleet.recorded().await;
    processes.push(fleet.start("worker-callbacks", &[]).await);
    fleet.until("a next outcome is recorded", async || fleet.recorded().await > before).await;
    tell(&format!("from the kill of the callbacks worker to the next recorded outcome: {:.1?}", killed.elapsed()));
    fleet.all_succeed_and_are_recorded_once(&runs).await;
    fleet.stop(processes).await;
}

#[tokio::test]
async fn a_killed_leader_is_replaced_within_five_seconds() {
    let fleet = Fleet::without_processes().await;
    let leader = fleet.start("dispatcher", &[]).await;
    fleet.until("it leads", async || fleet.leads(&leader).await).await;
    let mut processes = vec![fleet.start("dispatcher", &[]).await];
    let runs = fleet.submit_many(&[&processes[0], &leader], &Document::one_question(fleet.folder()), RUNS).await;
    processes.extend(fleet.start_all(&ROLES[1..]).await);
    fleet.until("a first outcome is recorded", async || fleet.recorded().await > 0).await;
    assert!(!fleet.leads(&processes[0]).await, "one leads");
    assert!(fleet.under_way().await >= UNDER_WAY);

    let killed = Instant::now();
    leader.kill();
    fleet.until("the other leads", async || fleet.leads(&processes[0]).await).await;
    let recovery = killed.elapsed();
    fleet.all_succeed_and_are_recorded_once(&runs).await;

    tell(&format!("from the kill of the leading dispatcher to the next one leading: {recovery:.1?}"));
    assert!(recovery < Duration::from_secs(5), "{recovery:?}");
    fleet.stop(processes).await;
}
