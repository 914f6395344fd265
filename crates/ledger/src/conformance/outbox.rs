//! Jobs between the ledger and the broker.

use std::time::Duration;

use engine::Event;
use protocol::{TaskRunId, TaskState};
use serde_json::json;

use super::fan_out::map_and_sum;
use super::kit::{
    Subject, at, done, flow, listed, look, marks, outbox, record, retry, single, snoozed, start, start_many, wake,
};

/// However often it is asked for; young jobs are left to whoever is publishing them right now.
pub async fn a_job_stays_in_the_outbox_until_it_is_marked(ledger: Subject) {
    let (_, jobs) = start_many(&ledger, &single(), 3).await;
    let minute = Duration::from_secs(60);
    assert!(ledger.unpublished(minute, 10, at(59)).await.unwrap().is_empty());
    assert_eq!(ledger.unpublished(minute, 10, at(60)).await.unwrap().len(), 3);
    assert_eq!(ledger.unpublished(minute, 2, at(60)).await.unwrap().len(), 2);

    ledger.mark_published(&marks(&jobs[..1]), at(60)).await.unwrap();
    assert_eq!(outbox(&ledger).await.len(), 2);
    record(&ledger, vec![done(&jobs[1], json!(0))], at(61)).await;
    assert_eq!(outbox(&ledger).await, jobs[2..], "a job that ended needs no publication");
    ledger.mark_published(&marks(&jobs), at(62)).await.unwrap();
    ledger.mark_published(&[], at(62)).await.unwrap();
    assert!(outbox(&ledger).await.is_empty());
}

/// The confirmation for an earlier attempt may come when the next one is already waiting.
pub async fn a_mark_for_a_stale_attempt_publishes_nothing(ledger: Subject) {
    let (_, first) = start(&ledger, &single()).await;
    record(&ledger, vec![retry(&first[0])], at(1)).await;
    let second = wake(&ledger, at(100)).await;
    assert_eq!(second[0].attempt, 2);
    ledger.mark_published(&marks(&first), at(101)).await.unwrap();
    assert_eq!(outbox(&ledger).await, second);
    ledger.mark_published(&marks(&second), at(102)).await.unwrap();
    assert!(outbox(&ledger).await.is_empty());
    record(&ledger, vec![retry(&second[0])], at(103)).await;
    let third = wake(&ledger, at(200)).await;
    assert_eq!(outbox(&ledger).await, third, "a mark holds for its attempt alone");
}

/// The broker lost everything: queued and started jobs are handed out again under the same attempt number;
/// ended and waiting ones, and tasks that only stand for their children, are not.
pub async fn forgotten_marks_bring_back_whatever_has_not_ended(ledger: Subject) {
    let (run, jobs) = start(&ledger, &map_and_sum()).await;
    ledger.mark_published(&marks(&jobs), at(0)).await.unwrap();
    let children = record(&ledger, vec![listed(&jobs[0], 4)], at(1)).await;
    // The first child's start is reported before its mark is set, and the mark never comes.
    ledger.mark_published(&marks(&children[1..]), at(1)).await.unwrap();
    let task_run: TaskRunId = children[0].task_run_id;
    let started = Event::Started { task_run, attempt: 1, worker: "worker-1".to_owned(), at: at(2) };
    ledger.apply(vec![(run, started)], at(2)).await.unwrap();
    let ends = vec![done(&children[1], json!(1)), snoozed(&children[2], 600, json!(null))];
    record(&ledger, ends, at(3)).await;
    assert!(outbox(&ledger).await.is_empty());

    assert_eq!(ledger.forget_published().await.unwrap(), 2);
    assert_eq!(outbox(&ledger).await, [children[0].clone(), children[3].clone()]);
    assert_eq!(ledger.forget_published().await.unwrap(), 0);
    assert_eq!(look(&ledger, run).await.run.tasks[1].state, TaskState::Running, "the mapped task itself");
    record(&ledger, vec![done(&children[0], json!(0))], at(4)).await;
    assert_eq!(look(&ledger, run).await.attempts[&task_run].len(), 1);
}

/// Whoever takes a job from the outbox after a crash gets what the first publisher had: input, outputs of all
/// ancestors, what a snooze stored, limits.
pub async fn a_rebuilt_job_equals_the_one_handed_out(ledger: Subject) {
    let mut flow = flow(&[("first", &[]), ("list", &["first"]), ("each", &["list"]), ("sum", &["each"])]);
    flow.tasks[2].map_over = Some("list".to_owned());
    flow.tasks[3].timeouts.soft = Some(Duration::from_secs(5));
    let flow = flow.timeout(Duration::from_secs(3_600));
    let (_, mut jobs) = start(&ledger, &flow).await;
    for seconds in 1..=4 {
        assert_eq!(outbox(&ledger).await, jobs);
        let ends = jobs.iter().map(|job| match job.task.as_str() {
            "list" => listed(job, 3),
            task => done(job, json!({ "task": task, "index": job.index })),
        });
        jobs = if seconds < 4 {
            record(&ledger, ends.collect(), at(seconds)).await
        } else {
            record(&ledger, vec![snoozed(&jobs[0], 1, json!({ "page": 2 }))], at(seconds)).await;
            wake(&ledger, at(5)).await
        };
    }
    assert_eq!((jobs[0].task.as_str(), &jobs[0].state), ("sum", &json!({ "page": 2 })));
    assert_eq!(jobs[0].outputs.len(), 3);
    assert_eq!(outbox(&ledger).await, jobs);
}
