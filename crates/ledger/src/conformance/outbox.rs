//! Jobs between the ledger and the broker.

use std::time::Duration;

use engine::Event;
use protocol::{Job, TaskRunId, TaskState};
use serde_json::json;

use super::fan_out::map_and_sum;
use crate::HandedOut;

use super::kit::{
    Subject, at, done, flow, listed, look, marks, outbox, record, retry, single, snoozed, start, start_many, wake,
};

/// However often it is asked for; young jobs are left to whoever is publishing them right now.
pub async fn a_job_stays_in_the_outbox_until_it_is_marked(ledger: Subject) {
    let (_, jobs) = start_many(&ledger, &single(), 3).await;
    let minute = Duration::from_secs(60);
    assert!(ledger.unpublished(minute, &[], 10, at(59)).await.unwrap().is_empty());
    assert_eq!(ledger.unpublished(minute, &[], 10, at(60)).await.unwrap().len(), 3);
    assert_eq!(ledger.unpublished(minute, &[], 2, at(60)).await.unwrap().len(), 2);

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

/// Published or reported as started, oldest first, with the queue; a mark of an earlier attempt says nothing.
pub async fn what_was_handed_out_is_found_until_it_ends(ledger: Subject) {
    let mut flow = flow(&[("fast", &[]), ("slow", &[])]);
    flow.tasks[1].queue = "slow-queue".to_owned();
    let (run, jobs) = start(&ledger, &flow).await;
    let [fast, slow] = &jobs[..] else { panic!("{jobs:?}") };
    let find = async |seconds: i64, except: &[String], limit: usize| {
        let found = ledger.handed_out(at(seconds), except, limit).await.unwrap();
        found.into_iter().map(|one| (one.task_run_id, one.attempt, one.queue)).collect::<Vec<_>>()
    };
    let names = |job: &Job| (job.task_run_id, job.attempt, job.queue.clone());
    assert_eq!(find(1_000, &[], 10).await, [], "nothing was published");

    ledger.mark_published(&marks(&jobs[1..]), at(10)).await.unwrap();
    ledger.mark_published(&marks(&jobs[..1]), at(20)).await.unwrap();
    assert_eq!(find(10, &[], 10).await, []);
    assert_eq!(find(15, &[], 10).await, [names(slow)]);
    assert_eq!(find(30, &[], 10).await, [names(slow), names(fast)]);
    assert_eq!(find(30, &[], 1).await, [names(slow)]);
    assert_eq!(find(30, &["slow-queue".to_owned()], 1).await, [names(fast)], "what is left out takes no place");
    assert_eq!(find(30, &["slow-queue".to_owned(), fast.queue.clone()], 10).await, []);

    record(&ledger, vec![retry(fast), done(slow, json!(0))], at(31)).await;
    assert_eq!(find(1_000, &[], 10).await, [], "one waits for its timer, the other has ended");
    let second = wake(&ledger, at(100)).await;
    assert_eq!(find(1_000, &[], 10).await, [], "its earlier attempt was published, this one was not");
    let started = Event::Started { task_run: fast.task_run_id, attempt: 2, worker: "worker-1".to_owned(), at: at(101) };
    ledger.apply(vec![(run, started)], at(101)).await.unwrap();
    assert_eq!(find(1_000, &[], 10).await, [names(&second[0])], "it started, so it was published");
}

/// A lost job comes back as it was, under the same attempt, so that of two that turn up one is recorded. Neighbours,
/// attempts that have ended and tasks that only stand for their children stay as they are.
pub async fn only_what_was_lost_is_handed_out_again(ledger: Subject) {
    let (run, jobs) = start(&ledger, &map_and_sum()).await;
    ledger.mark_published(&marks(&jobs), at(0)).await.unwrap();
    // Wide enough that a ledger may keep it in memory, which has to be told.
    let children = record(&ledger, vec![listed(&jobs[0], 120)], at(1)).await;
    ledger.mark_published(&marks(&children), at(1)).await.unwrap();
    let started =
        Event::Started { task_run: children[1].task_run_id, attempt: 1, worker: "worker-1".to_owned(), at: at(2) };
    ledger.apply(vec![(run, started)], at(2)).await.unwrap();
    record(&ledger, vec![done(&children[2], json!(2))], at(3)).await;
    let found = ledger.handed_out(at(10), &[], 1_000).await.unwrap();
    assert_eq!(found.len(), 119);

    let of = |job: &Job| HandedOut {
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        queue: job.queue.clone(),
    };
    let lost: Vec<HandedOut> = children[..3].iter().map(of).collect();
    let mut again = ledger.hand_out_again(&lost, at(20)).await.unwrap();
    again.sort_by_key(|job| job.index);
    assert_eq!(again, children[..2]);
    assert_eq!(ledger.handed_out(at(10), &[], 1_000).await.unwrap().len(), 117);
    assert_eq!(ledger.handed_out(at(30), &[], 1_000).await.unwrap().len(), 119, "they were handed out at 20");
    assert_eq!(outbox(&ledger).await, [], "no sweeper may publish them a second time");
    let later = HandedOut { attempt: 2, ..of(&children[5]) };
    assert_eq!(ledger.hand_out_again(&[later], at(20)).await.unwrap(), [], "there is no such attempt");
    assert_eq!(ledger.hand_out_again(&[], at(20)).await.unwrap(), []);
    let record_of = look(&ledger, run).await;
    assert_eq!(record_of.run.tasks[1].state, TaskState::Running, "the mapped task itself");

    ledger.mark_published(&marks(&again), at(20)).await.unwrap();
    assert_eq!(look(&ledger, run).await.run.task_run(again[1].task_run_id).unwrap().state, TaskState::Queued);
    let rest: Vec<_> = children.iter().filter(|job| job.index != Some(2)).collect();
    let ends = rest.iter().chain(&rest).map(|job| done(job, json!(job.index)));
    let sum = record(&ledger, ends.collect(), at(21)).await;
    assert_eq!(sum.len(), 1, "all children ended, however often they are reported");
    let attempts = look(&ledger, run).await.attempts;
    assert!(children.iter().all(|job| attempts[&job.task_run_id].len() == 1));
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
