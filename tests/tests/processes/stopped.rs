//! Processes that are told to end.

use protocol::workflow::queues;

use crate::fleet::{Document, Fleet};
use crate::model::Model;

#[tokio::test]
async fn a_worker_that_is_told_to_end_takes_nothing_new_and_costs_no_task_an_attempt() {
    let fleet = Fleet::without_processes().await;
    let others = ["dispatcher", "worker-file-processing", "worker-default", "worker-callbacks", "worker-logging"];
    let mut processes = fleet.start_all(&others).await;
    let model = Model::asleep().await;
    let flags = [model.flags(), vec!["--concurrency".to_owned(), "1".to_owned()]].concat();
    let mut worker = fleet.start("worker-api-processing", &flags).await;
    let name = worker.name();

    let document = Document::one_question(fleet.folder());
    let first = fleet.submit(&processes[0], &document).await;
    fleet.until("the model is asked", async || model.calls() == 1).await;
    let second = fleet.submit(&processes[0], &document).await;
    fleet.until("the second task waits", async || fleet.waiting(queues::API_PROCESSING).await == 1).await;
    worker.terminate();
    model.wake();
    worker.ends_well().await;
    processes.push(fleet.start("worker-api-processing", &flags).await);
    let records = fleet.all_succeed_and_are_recorded_once(&[first, second]).await;

    let second = &records[1];
    let task = second.run.tasks.iter().find(|task| task.task == "agentic-extract").unwrap();
    let answered_by = &second.attempts[&task.id][0].worker;
    assert!(!answered_by.starts_with(&name), "{answered_by}");
    assert!(records.iter().flat_map(|record| &record.run.tasks).all(|task| task.attempt == 1 && task.failures == 0));
    fleet.stop(processes).await;
}
