//! Processes that are killed.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use specs::Servers;

use crate::crowd::{BOOKKEEPING, Crowd, quick};
use crate::process::tell;

/// A machine that builds and tests at the same time is slower than the two seconds that are promised of a quiet one. In
/// milliseconds.
const RESTART: i64 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_killed_worker_start_again_on_another() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    let victim = crowd.start(&["spec-worker"]).await.pop().unwrap();
    // With slots to spare: what is measured is how long it takes to know that the victim is dead.
    processes.push(crowd.start_with("spec-worker", &["--concurrency", "96", "--prefetch", "96"]).await);
    // The first that the workers get take so long that they are still at them when it is known what they have.
    crowd.submit_each(|number| quick(if number < 64 { 6_000 } else { 600 })).await;
    crowd.all_run().await;
    let mut in_hand = Vec::new();
    crowd
        .until("it is known what the worker has", async || {
            in_hand = crowd.books.in_hands_of(&victim.name()).await;
            in_hand.len() >= 8
        })
        .await;

    let blow = crowd.blow("worker kill -9").await;
    let killed = Timestamp::now().as_microsecond();
    victim.kill();
    crowd.recovers(blow).await;

    let restarted = (crowd.books.last_start(&in_hand).await - killed) / 1_000;
    tell(&format!("recovery: worker kill -9: its {} tasks started again within {restarted} ms", in_hand.len()));
    assert!((0..RESTART).contains(&restarted), "{restarted} ms");
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
