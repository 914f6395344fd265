//! Messages that vanish: the broker keeps running and has lost them.

use protocol::workflow::queues;
use specs::Servers;

use crate::crowd::{BOOKKEEPING, Crowd, RUNS, quick};
use crate::process::tell;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_were_purged_are_published_again() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    // Some may wait twice: on a busy machine a sweep can come before the mark of a publication.
    let waiting = async || crowd.depth(queues::FILE_PROCESSING).await.ready >= RUNS as u64;
    crowd.until("all first jobs wait", waiting).await;

    let blow = crowd.blow("purge of all work queues, twice").await;
    assert!(crowd.purge(queues::FILE_PROCESSING).await as usize >= RUNS);
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.until_done(300).await;
    let mut purged = 0;
    for queue in queues::WORK {
        purged += crowd.purge(queue).await;
    }
    tell(&format!("recovery: purge: {RUNS} jobs were lost before any worker had one, {purged} amid the work"));
    crowd.recovers(blow).await;

    let republished = crowd.metric(&processes[0], "flotilla_jobs_republished_total").await;
    let lost = f64::from(u32::try_from(RUNS).unwrap());
    assert!(republished >= lost, "{republished} of {lost} lost jobs were published again");
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_whose_queue_was_deleted_are_published_again() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.until_done(30).await;

    let blow = crowd.blow("deletion of a work queue").await;
    let deleted = crowd.delete(queues::FILE_PROCESSING).await;
    assert!(deleted > 0, "the queue was empty already");
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_whose_outcomes_were_purged_are_done_again() {
    let crowd = Crowd::at(Servers::shared()).await;
    let mut processes = crowd.start(&["dispatcher", "worker-logging", "spec-worker"]).await;
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    // Nobody records: when no job is left, all outcomes wait.
    crowd
        .until("all first tasks were worked on", async || {
            let left = crowd.depth(queues::FILE_PROCESSING).await.ready;
            left == 0 && crowd.metric(&processes[2], IN_FLIGHT).await < 1.0
        })
        .await;

    let blow = crowd.blow("purge of callbacks").await;
    let purged = crowd.purge(queues::CALLBACKS).await;
    assert!(purged > 0);
    tell(&format!("recovery: purge of callbacks: {purged} messages with outcomes were lost"));
    processes.append(&mut crowd.start(&["worker-callbacks"]).await);
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

/// Of the only queue that has anything then.
const IN_FLIGHT: &str = r#"flotilla_tasks_in_flight{queue="file_processing"}"#;
