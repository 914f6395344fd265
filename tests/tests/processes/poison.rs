//! A document that kills its workers, and what its operators see and do.

use serde_json::Value;

use crate::fleet::{Document, Fleet};
use crate::model::Model;

/// Once more than a message may come back: the fleet's usual `--delivery-limit` is 5.
const DELIVERIES: usize = 6;

#[tokio::test]
async fn a_job_that_kills_its_workers_fails_its_run_alone_and_operators_see_it_and_drop_it() {
    let fleet = Fleet::without_processes().await;
    let others = ["dispatcher", "worker-file-processing", "worker-default", "worker-callbacks", "worker-logging"];
    let mut processes = fleet.start_all(&others).await;
    let model = Model::asleep().await;
    let run = fleet.submit(&processes[0], &Document::one_question(fleet.folder())).await;
    let waits = r#"flotilla_queue_oldest_age_seconds{queue="api_processing"}"#;
    let metric = async |name: &str| processes[0].metric(&fleet.client, name).await;
    fleet.until("the job waits for a worker", async || metric(waits).await > 0.0).await;
    for killed in 1..=DELIVERIES {
        let worker = fleet.start("worker-api-processing", &model.flags()).await;
        fleet.until("the job kills its worker", async || model.calls() == killed).await;
        worker.kill();
    }

    let result = fleet.result(&processes[0], run).await;
    assert_eq!((&result["status"], &result["errors"]["agentic-extract"]["code"]), (&"failed".into(), &"poison".into()));
    assert!(metric("flotilla_poisoned_attempts_total").await >= 1.0);
    fleet.until("the leader shows the dead letter", async || metric("flotilla_dead_letters").await >= 1.0).await;
    let url = processes[0].url("");
    let workers = fleet.flotilla_json(&url, &["inspect", "workers"]);
    let mut roles: Vec<&str> =
        workers["workers"].as_array().unwrap().iter().map(|worker| worker["role"].as_str().unwrap()).collect();
    // The dead may be taken for living a few seconds longer.
    roles.retain(|role| *role != "worker-api-processing");
    roles.sort_unstable();
    let mut expected = others.to_vec();
    expected.sort_unstable();
    assert_eq!(roles, expected);
    let letters = fleet.flotilla_json(&url, &["inspect", "dead-letters"]);
    let [letter] = &letters["dead_letters"].as_array().unwrap()[..] else { panic!("{letters}") };
    assert_eq!((&letter["queue"], &letter["deliveries"]), (&"api_processing".into(), &DELIVERIES.into()));
    assert_eq!(letter["body"]["run_id"], Value::String(run.to_string()));
    let queues = fleet.flotilla_json(&url, &["inspect", "queues"]);
    let dead = queues["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "dead_letter").unwrap();
    assert_eq!((&dead["ready"], &dead["consumers"]), (&1.into(), &0.into()));

    // The next document is nobody's poison.
    model.wake();
    processes.push(fleet.start("worker-api-processing", &model.flags()).await);
    let next = fleet.submit(&processes[0], &Document::one_question(fleet.folder())).await;
    assert_eq!(fleet.result(&processes[0], next).await["status"], "succeeded");
    let dropped = fleet.flotilla_json(&url, &["dead-letters", "drop", letter["id"].as_str().unwrap()]);
    assert_eq!(dropped["dropped"], 1);
    fleet.stop(processes).await;
}
