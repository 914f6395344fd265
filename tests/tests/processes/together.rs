//! Processes that work hand in hand.

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
