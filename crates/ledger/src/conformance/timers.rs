//! What time alone brings about.

use std::time::Duration;

use engine::{Action, Event};
use protocol::{RunState, TaskState};
use serde_json::json;

use super::kit::{Subject, at, done, flow, look, new_run, record, retry, single, snoozed, start, start_many, wake};

/// Exactly until then, and `next_due` tells when.
pub async fn a_retry_waits_for_its_timer(ledger: Subject) {
    let mut flow = single();
    flow.tasks[0].retry.base = Duration::from_secs(10);
    let (run, jobs) = start(&ledger, &flow).await;
    assert_eq!(ledger.next_due().await.unwrap(), None);
    let applied = ledger.record(vec![retry(&jobs[0])], at(1)).await.unwrap();
    let task_run = jobs[0].task_run_id;
    assert_eq!(applied[0].actions, [Action::WakeAt { task_run, attempt: 1, due_at: at(11) }]);

    assert_eq!(ledger.next_due().await.unwrap(), Some(at(11)));
    assert!(ledger.due(10, at(10)).await.unwrap().is_empty());
    let due = ledger.due(10, at(11)).await.unwrap();
    assert_eq!(due, [(run, Event::TimerDue { task_run, attempt: 1 })]);
    let applied = ledger.apply([due.clone(), due].concat(), at(11)).await.unwrap();
    assert_eq!(applied[0].jobs.len(), 1, "a timer that fires twice releases once");
    assert_eq!((applied[0].jobs[0].attempt, applied[0].jobs[0].queued_at), (2, at(11)));
    assert_eq!(ledger.next_due().await.unwrap(), None);
    record(&ledger, vec![done(&applied[0].jobs[0], json!(1))], at(12)).await;
    let ended = look(&ledger, run).await;
    assert_eq!((ended.run.state, ended.run.tasks[0].failures), (RunState::Succeeded, 1));
}

/// Whether or not it was ever admitted.
pub async fn a_run_ends_at_its_deadline(ledger: Subject) {
    let flow = single().timeout(Duration::from_secs(100));
    let (running, jobs) = start(&ledger, &flow).await;
    let queued = new_run(json!(1));
    ledger.submit(vec![queued.clone()], at(50)).await.unwrap();
    assert_eq!(ledger.next_due().await.unwrap(), Some(at(100)));
    assert_eq!(ledger.due(10, at(100)).await.unwrap(), [(running, Event::DeadlinePassed)]);
    wake(&ledger, at(100)).await;
    assert_eq!(ledger.next_due().await.unwrap(), Some(at(150)));
    wake(&ledger, at(150)).await;
    assert_eq!(ledger.next_due().await.unwrap(), None);
    assert!(ledger.admit(10, at(151)).await.unwrap().is_empty());
    record(&ledger, vec![done(&jobs[0], json!(1))], at(152)).await;
    for run in [running, queued.id] {
        let record = look(&ledger, run).await;
        assert_eq!(record.run.state, RunState::Failed);
        assert_eq!(record.run.error.as_ref().unwrap().code, "deadline_exceeded");
    }
}

/// It fails that attempt; a job that has started does not expire.
pub async fn a_job_that_nobody_starts_expires(ledger: Subject) {
    let mut flow = flow(&[("a", &[]), ("b", &[])]);
    for task in &mut flow.tasks {
        task.timeouts.queue_wait = Some(Duration::from_secs(60));
        task.retry.max_attempts = 2;
    }
    let (run, jobs) = start(&ledger, &flow).await;
    let started =
        Event::Started { task_run: jobs[1].task_run_id, attempt: 1, worker: "worker-1".to_owned(), at: at(1) };
    ledger.apply(vec![(run, started)], at(1)).await.unwrap();

    assert_eq!(ledger.next_due().await.unwrap(), Some(at(60)));
    assert!(ledger.due(10, at(59)).await.unwrap().is_empty());
    let due = ledger.due(10, at(60)).await.unwrap();
    assert!(
        matches!(&due[..], [(_, Event::Lost { task_run, attempt: 1, error })]
            if *task_run == jobs[0].task_run_id && error.code == "queue_wait_expired"),
        "{due:?}"
    );
    wake(&ledger, at(60)).await;
    let again = ledger.next_due().await.unwrap().unwrap();
    let jobs = wake(&ledger, again).await;
    assert_eq!(jobs[0].attempt, 2, "an expired attempt is tried again");
    let expiry = again + jiff::SignedDuration::from_secs(60);
    assert_eq!(ledger.next_due().await.unwrap(), Some(expiry));
    wake(&ledger, expiry).await;
    let tasks = look(&ledger, run).await.run.tasks;
    assert_eq!((tasks[0].state, tasks[1].state), (TaskState::Failed, TaskState::Running));
    assert_eq!(tasks[0].error.as_ref().unwrap().code, "queue_wait_expired");
}

/// Across timers, deadlines and queue waits, and within the limit.
pub async fn the_longest_overdue_comes_first(ledger: Subject) {
    let mut flow = single().timeout(Duration::from_secs(25));
    flow.tasks[0].timeouts.queue_wait = Some(Duration::from_secs(20));
    let (runs, jobs) = start_many(&ledger, &flow, 3).await;
    let snoozes = vec![snoozed(&jobs[0], 29, json!(null)), snoozed(&jobs[1], 9, json!(null))];
    record(&ledger, snoozes, at(1)).await;

    let kind = |event: &Event| match event {
        Event::TimerDue { .. } => "timer",
        Event::Lost { .. } => "queue wait",
        Event::DeadlinePassed => "deadline",
        _ => "unexpected",
    };
    let due = ledger.due(100, at(30)).await.unwrap();
    let kinds: Vec<&str> = due.iter().map(|(_, event)| kind(event)).collect();
    assert_eq!(kinds, ["timer", "queue wait", "deadline", "deadline", "deadline", "timer"]);
    assert_eq!((due[0].0, due[1].0, due[5].0), (runs[1], runs[2], runs[0]));
    assert_eq!(ledger.due(2, at(30)).await.unwrap(), due[..2]);
    assert_eq!(ledger.next_due().await.unwrap(), Some(at(10)));
}
