//! How much a worker takes on, as its flags say.

use crate::fleet::{Document, Fleet};
use crate::model::Model;

const OTHERS: [&str; 5] =
    ["dispatcher", "worker-file-processing", "worker-default", "worker-callbacks", "worker-logging"];
const CONCURRENCY: &str = "flotilla_worker_concurrency";

#[tokio::test]
async fn the_concurrency_follows_the_backlog_up_and_down() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&OTHERS).await;
    let model = Model::asleep().await;
    let flags = [model.flags(), ["--autoscale", "4,2"].map(str::to_owned).to_vec()].concat();
    let worker = fleet.start("worker-api-processing", &flags).await;
    fleet.until("there are two", async || worker.metric(&fleet.client, CONCURRENCY).await as u64 == 2).await;

    let runs = fleet.submit_many(&[&processes[0]], &Document::one_question(fleet.folder()), 8).await;
    fleet.until("four answers are waited for", async || model.calls() == 4).await;
    assert_eq!(worker.metric(&fleet.client, CONCURRENCY).await as u64, 4);
    model.wake();
    fleet.all_succeed_and_are_recorded_once(&runs).await;
    fleet.until("there are two again", async || worker.metric(&fleet.client, CONCURRENCY).await as u64 == 2).await;
    processes.push(worker);
    fleet.stop(processes).await;
}

#[tokio::test]
async fn a_job_that_takes_longer_than_its_worker_allows_is_tried_again() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&OTHERS).await;
    let model = Model::asleep().await;
    let flags = [model.flags(), ["--time-limit", "2", "--soft-time-limit", "1"].map(str::to_owned).to_vec()].concat();
    processes.push(fleet.start("worker-api-processing", &flags).await);

    let run = fleet.submit(&processes[0], &Document::one_question(fleet.folder())).await;
    fleet
        .until("the first attempt has ended", async || {
            let record = fleet.record(run).await;
            record.run.tasks.iter().any(|task| task.task == "agentic-extract" && task.failures == 1)
        })
        .await;
    model.wake();
    fleet.result(&processes[0], run).await;

    let record = fleet.record(run).await;
    let task = record.run.tasks.iter().find(|task| task.task == "agentic-extract").unwrap();
    let attempts = &record.attempts[&task.id];
    let ends: Vec<&str> = attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(ends, ["retry", "done"]);
    let error = attempts[0].error.as_ref().unwrap();
    assert!(error.code == "timeout_hard" && error.message.contains("2s"), "{error}");
    fleet.stop(processes).await;
}

#[tokio::test]
async fn a_child_reads_as_many_documents_as_it_may() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&["dispatcher", "worker-callbacks", "worker-logging"]).await;
    // Nothing is kept, so that the same document is read every time.
    let flags =
        ["--concurrency", "1", "--max-tasks-per-child", "3", "--max-memory-per-child", "1GiB", "--text-cache", "false"];
    let reader = fleet.start("worker-file-processing", &flags.map(str::to_owned)).await;

    let document = Document::one_question(fleet.folder());
    let idle = "flotilla_children{state=\"idle\"}";
    let recycled = "flotilla_child_recycled_total{reason=\"tasks\"}";
    for (read, waiting, ended) in [(1, 1, 0), (2, 1, 0), (3, 0, 1), (4, 1, 1)] {
        let run = fleet.submit(&processes[0], &document).await;
        fleet
            .until("the document is read", async || {
                let record = fleet.record(run).await;
                record.run.tasks.iter().any(|task| task.task == "chunk-embed" && task.ended_at.is_some())
            })
            .await;
        let seen =
            (reader.metric(&fleet.client, idle).await as u64, reader.metric(&fleet.client, recycled).await as u64);
        assert_eq!(seen, (waiting, ended), "after {read} documents");
    }
    processes.push(reader);
    processes.extend(fleet.start_all(&["worker-api-processing", "worker-default"]).await);
    fleet.until("all runs have ended", async || fleet.under_way().await == 0).await;
    fleet.stop(processes).await;
}
