//! Processes that work hand in hand.

use reqwest::StatusCode;
use serde_json::json;

use crate::fleet::{Document, Fleet, ROLES};
use crate::process::Process;

#[tokio::test]
async fn six_processes_find_what_one_finds() {
    let fleet = Fleet::without_processes().await;
    let processes = fleet.start_all(&ROLES).await;

    for name in ["invoice.pdf", "contract.md"] {
        let document = Document::example(name);
        let run = fleet.submit(&processes[0], &document).await;
        let (found, expected) = (fleet.result(&processes[0], run).await, fleet.embedded(&document));
        for part in ["status", "output", "evidence", "evaluation", "errors"] {
            assert_eq!(found[part], expected[part], "{part} of {name}");
        }
    }
    fleet.stop(processes).await;
}

#[tokio::test]
async fn two_of_each_share_the_work_and_record_it_once() {
    let fleet = Fleet::without_processes().await;
    let mut processes = fleet.start_all(&ROLES).await;
    processes.extend(fleet.start_all(&ROLES).await);
    let dispatchers: [&Process; 2] = [&processes[0], &processes[ROLES.len()]];

    let runs = fleet.submit_many(&dispatchers, &Document::example("contract.md"), 40).await;
    let records = fleet.all_succeed_and_are_recorded_once(&runs).await;

    let attempts = records.iter().flat_map(|record| record.attempts.values().flatten());
    let workers: Vec<&str> = attempts.map(|attempt| attempt.worker.as_str()).collect();
    for (index, role) in ROLES.iter().enumerate().filter(|(_, role)| role.ends_with("processing")) {
        for process in [&processes[index], &processes[index + ROLES.len()]] {
            assert!(workers.iter().any(|worker| worker.starts_with(&process.name())), "one {role} was idle");
        }
    }
    fleet.stop(processes).await;
}

#[tokio::test]
async fn whoever_waits_at_an_address_of_the_replaced_system_hears_of_the_end_from_other_processes() {
    let fleet = Fleet::without_processes().await;
    let processes = fleet.start_all(&ROLES).await;
    let document = Document::example("invoice.pdf");
    let sent = fleet.submit(&processes[0], &document).await;
    fleet.result(&processes[0], sent).await;
    let hash = fleet.embedded(&document)["document"]["sha256"].clone();
    let hash = hash.as_str().unwrap();

    let question = json!([{ "name": "number", "prompt": "What is the invoice number?" }]);
    let payload = json!({ "file_path": format!("doc_{hash}"), "file_name": "invoice.pdf", "outputs": question });
    let (status, answer) = fleet.post(&processes[0], "/answer-prompt", &payload).await;
    let (executing, executed) = fleet.post(&processes[0], "/api/v2/workflows/execute", &payload).await;

    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["output"]["number"], "NI-2026-00417");
    assert_eq!((executing, &executed["backend"]), (StatusCode::ACCEPTED, &json!("fleet")), "{executed}");
    let run = executed["task_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(fleet.result(&processes[0], run).await["output"], answer["output"]);
    fleet.stop(processes).await;
}
