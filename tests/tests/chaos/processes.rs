//! Processes that are killed.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use specs::Servers;

use crate::crowd::{BOOKKEEPING, Crowd, quick};
use crate::process::tell;

/// A machine that builds and tests at the same time is slower than the two seconds that are promised of a quiet one.
const RESTART: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_killed_worker_start_again_on_another() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    let mut workers = crowd.start(&["spec-worker", "spec-worker"]).await;
    let victim = workers.pop().unwrap();
    processes.append(&mut workers);
    // Long enough that their start is reported, so that it is on record who had what.
    crowd.submit(quick(400)).await;
    crowd.all_run().await;
    crowd.until("it is known what the worker has", async || crowd.books.with(&victim.name()).await >= 8).await;

    let in_hand = crowd.books.in_hands_of(&victim.name()).await;
    let blow = crowd.blow("worker kill -9").await;
    let killed = Timestamp::now();
    victim.kill();
    crowd.recovers(blow).await;

    let restarted = crowd.books.restarted_after(&in_hand, killed.as_microsecond()).await;
    tell(&format!("recovery: worker kill -9: the last of its {} tasks started again after {restarted} ms", in_hand.len()));
    assert!(u128::try_from(restarted).unwrap_or(0) < RESTART.as_millis());
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_of_a_killed_callbacks_worker_are_recorded_by_the_next() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&["dispatcher", "worker-logging", "spec-worker"]).await;
    let victim = crowd.start(&["worker-callbacks"]).await.pop().unwrap();
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("callbacks worker kill -9").await;
    victim.kill();
    processes.append(&mut crowd.start(&["worker-callbacks"]).await);
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced() {
    let crowd = Crowd::at(Servers::shared()).await;
    let leader = crowd.start(&["dispatcher"]).await.pop().unwrap();
    crowd.until("it leads", async || crowd.leads(&leader).await).await;
    let mut processes = crowd.start(&["dispatcher", "worker-callbacks", "worker-logging", "spec-worker"]).await;
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;
    assert!(!crowd.leads(&processes[0]).await, "one leads");

    let blow = crowd.blow("leader kill -9").await;
    let killed = Instant::now();
    leader.kill();
    crowd.until("the other leads", async || crowd.leads(&processes[0]).await).await;
    let led = killed.elapsed();
    tell(&format!("recovery: leader kill -9: another leads after {led:.1?}"));
    crowd.recovers(blow).await;

    assert!(led < Duration::from_secs(5), "{led:?}");
    processes.rotate_left(1);
    crowd.stop(processes).await;
}
