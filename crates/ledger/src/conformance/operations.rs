//! What operators see of all runs at once.

use std::num::NonZeroU32;
use std::time::Duration;

use engine::Event;
use protocol::{Job, TaskState};
use serde_json::json;

use super::kit::{
    Subject, at, done, flow, inline, marks, new_run, record, retry, single, snoozed, start, start_many, tenant, wake,
};
use crate::{Backlog, NewRun, Share, Wait};

/// A job in the outbox is nobody's work yet, and what has ended is nobody's any more.
pub async fn active_are_the_published_and_the_started_longest_released_first(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let runs: Vec<NewRun> = ["ours", "ours", "theirs", "ours"]
        .map(|owner| NewRun { tenant: tenant(owner), ..new_run(json!(1)) })
        .into_iter()
        .collect();
    let mut jobs: Vec<Job> = Vec::new();
    for (run, second) in runs.iter().zip(0..) {
        ledger.submit(vec![run.clone()], at(second)).await.unwrap();
        jobs.extend(ledger.admit(1, at(second)).await.unwrap());
    }
    // The last one stays in the outbox; the second is reported as started before anybody marked it.
    ledger.mark_published(&marks(&[jobs[0].clone(), jobs[2].clone()]), at(5)).await.unwrap();
    ledger.apply(vec![started(&jobs[1], "worker-7", 6)], at(7)).await.unwrap();

    let active = ledger.active(None, 10).await.unwrap();
    let ids: Vec<_> = active.iter().map(|task| task.place.run_id).collect();
    assert_eq!(ids, [runs[0].id, runs[1].id, runs[2].id]);
    let (waiting, running) = (&active[0], &active[1]);
    assert_eq!((waiting.state, waiting.queued_at), (TaskState::Queued, at(0)));
    assert_eq!((waiting.started_at, &waiting.worker), (None, &None));
    assert_eq!((running.state, running.queued_at), (TaskState::Running, at(1)));
    assert_eq!((running.started_at, running.worker.as_deref()), (Some(at(6)), Some("worker-7")));
    let place = &waiting.place;
    assert_eq!((place.workflow.as_str(), place.task.as_str(), place.queue.as_str()), ("flow", "only", "default"));
    assert_eq!((place.task_run_id, place.attempt, place.index), (jobs[0].task_run_id, 1, None));

    let ours = ledger.active(Some(&tenant("ours")), 10).await.unwrap();
    assert_eq!(ours, active[..2]);
    assert_eq!(ledger.active(None, 1).await.unwrap(), active[..1]);
    record(&ledger, vec![done(&jobs[0], json!(1))], at(9)).await;
    assert_eq!(ledger.active(None, 10).await.unwrap(), active[1..]);
}

/// Whoever failed says how; whoever snoozed did not fail, whatever it did before.
pub async fn scheduled_are_those_that_wait_with_their_reason_next_due_first(ledger: Subject) {
    let mut flow = single();
    flow.tasks[0].retry.base = Duration::from_secs(10);
    let (runs, jobs) = start_many(&ledger, &flow, 4).await;
    assert!(ledger.scheduled(None, 10).await.unwrap().is_empty());
    // The first two fail; the second of them is tried again and then snoozes, the fourth snoozes and then fails.
    record(&ledger, vec![retry(&jobs[1]), snoozed(&jobs[3], 5, json!(null))], at(0)).await;
    let again = wake(&ledger, at(20)).await;
    let job = |run| again.iter().find(|job| job.run_id == run).unwrap();
    record(&ledger, vec![snoozed(job(runs[1]), 60, json!({ "page": 3 })), retry(job(runs[3]))], at(20)).await;
    record(&ledger, vec![retry(&jobs[0]), snoozed(&jobs[2], 40, json!(null))], at(21)).await;

    let scheduled = ledger.scheduled(None, 10).await.unwrap();
    let seen: Vec<_> = scheduled
        .iter()
        .map(|task| {
            let reason = match &task.reason {
                Wait::Retry(error) => error.code.as_str(),
                Wait::Snooze => "snooze",
            };
            (task.place.run_id, task.due_at, reason, task.failures, task.place.attempt)
        })
        .collect();
    let expected = [
        (runs[3], at(30), "flaky", 1, 2),
        (runs[0], at(31), "flaky", 1, 1),
        (runs[2], at(61), "snooze", 0, 1),
        (runs[1], at(80), "snooze", 1, 2),
    ];
    assert_eq!(seen, expected);
    assert_eq!(scheduled[0].place.queue, "default");
    assert_eq!(ledger.scheduled(None, 2).await.unwrap(), scheduled[..2]);
    assert_eq!(ledger.scheduled(Some(&scheduled[0].place.tenant), 10).await.unwrap(), scheduled);
    assert!(ledger.scheduled(Some(&tenant("theirs")), 10).await.unwrap().is_empty());
}

/// Queues are told apart by the tasks that use them, of all workflows.
pub async fn the_backlog_counts_what_waits_and_what_runs_by_queue(ledger: Subject) {
    assert!(ledger.backlog().await.unwrap().values().all(|backlog| *backlog == Backlog::default()));
    let mut flow = flow(&[("a", &[]), ("b", &[]), ("c", &["a"])]);
    flow.tasks[1].queue = "file_processing".to_owned();
    let (_, first) = start(&ledger, &flow).await;
    let second = NewRun { input: inline(json!(2)), ..new_run(json!(2)) };
    ledger.submit(vec![second], at(5)).await.unwrap();
    let second = ledger.admit(10, at(5)).await.unwrap();
    let job = |jobs: &[Job], task: &str| jobs.iter().find(|job| job.task == task).unwrap().clone();
    ledger.apply(vec![started(&job(&first, "a"), "worker-1", 1)], at(1)).await.unwrap();

    let backlog = ledger.backlog().await.unwrap();
    assert_eq!(backlog["default"], Backlog { waiting: 1, oldest: Some(at(5)), running: 1 });
    assert_eq!(backlog["file_processing"], Backlog { waiting: 2, oldest: Some(at(0)), running: 0 });
    let ends = [&first, &second].map(|jobs| done(&job(jobs, "b"), json!(1))).to_vec();
    record(&ledger, ends, at(9)).await;
    let backlog = ledger.backlog().await.unwrap();
    assert_eq!(backlog.get("file_processing").cloned().unwrap_or_default(), Backlog::default());
}

/// Also those that are held back by their own limit; what was admitted waits no more.
pub async fn the_tenants_that_wait_longest_for_admission_come_first(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let [held, early, late] = ["held", "early", "late"].map(tenant);
    let share = Share { weight: NonZeroU32::MIN, max_concurrent: Some(1) };
    ledger.set_share(&held, share).await.unwrap();
    for (owner, second) in [(&held, 0), (&held, 1), (&early, 2), (&late, 3), (&early, 4)] {
        let run = NewRun { tenant: owner.clone(), ..new_run(json!(1)) };
        ledger.submit(vec![run], at(second)).await.unwrap();
    }
    let waiting = [(held.clone(), at(0)), (early.clone(), at(2)), (late.clone(), at(3))];
    assert_eq!(ledger.longest_queued(10).await.unwrap(), waiting);
    assert_eq!(ledger.longest_queued(1).await.unwrap(), waiting[..1]);
    while !ledger.admit(10, at(5)).await.unwrap().is_empty() {}
    assert_eq!(ledger.longest_queued(10).await.unwrap(), [(held, at(1))]);
}

fn started(job: &Job, worker: &str, second: i64) -> (protocol::RunId, Event) {
    let event =
        Event::Started { task_run: job.task_run_id, attempt: job.attempt, worker: worker.to_owned(), at: at(second) };
    (job.run_id, event)
}
