//! From callback to callback to the end of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Action, Event, Ignored};
use protocol::{RunId, RunState, TaskError, TaskOutput, TaskRunId, TaskState};
use serde_json::{Value, json};

use crate::EndedRun;

use super::kit::{
    Subject, at, done, ended, flow, inline, listed, look, record, retry, single, snoozed, start, start_many, states,
    wake,
};

/// Each task gets the run's input and the outputs of its ancestors; the run ends with the last.
pub async fn a_chain_hands_its_outputs_on_to_the_end(ledger: Subject) {
    let (run, jobs) = start(&ledger, &flow(&[("a", &[]), ("b", &["a"]), ("c", &["b"])])).await;
    assert_eq!((jobs[0].task.as_str(), jobs[0].attempt, &jobs[0].input), ("a", 1, &inline(json!(0))));
    let jobs = record(&ledger, vec![done(&jobs[0], json!("from a"))], at(1)).await;
    assert_eq!(jobs[0].outputs["a"], TaskOutput::One(inline(json!("from a"))));
    let jobs = record(&ledger, vec![done(&jobs[0], json!("from b"))], at(2)).await;
    assert_eq!(jobs[0].outputs.keys().collect::<Vec<_>>(), ["a", "b"]);

    let applied = ledger.record(vec![done(&jobs[0], json!({ "answer": 42 }))], at(3)).await.unwrap();
    assert!(applied[0].actions.contains(&Action::RunEnded { state: RunState::Succeeded }));
    assert_eq!(applied[0].tenant.as_ref(), Some(&jobs[0].tenant));
    let record = look(&ledger, run).await;
    assert_eq!((record.run.state, record.run.ended_at), (RunState::Succeeded, Some(at(3))));
    assert_eq!(record.run.tasks[2].output, Some(inline(json!({ "answer": 42 }))));
}

/// Whoever ends a run learns when it began; whatever comes later ends it no more.
pub async fn the_end_of_a_run_is_told_once_with_its_times(ledger: Subject) {
    let (run, jobs) = start(&ledger, &flow(&[("a", &[]), ("b", &["a"])])).await;
    let begun = look(&ledger, run).await.run;
    let applied = ledger.record(vec![done(&jobs[0], json!(1))], at(20)).await.unwrap();
    assert_eq!(applied[0].ended, None);
    let fail = ended(&applied[0].jobs[0], protocol::Outcome::Fail { error: TaskError::permanent("broken", "It is.") });
    let applied = ledger.record(vec![fail.clone()], at(30)).await.unwrap();

    let told = EndedRun {
        backend: protocol::Backend::default(),
        workflow: begun.workflow.name.clone(),
        created_at: begun.created_at,
        started_at: begun.started_at,
        ended_at: at(30),
        error: look(&ledger, run).await.run.error.map(|error| error.code),
    };
    assert_eq!(applied[0].ended.as_ref(), Some(&told));
    assert!(told.started_at.is_some() && told.error.is_some(), "{told:?}");
    assert_eq!(ledger.record(vec![fail], at(40)).await.unwrap()[0].ended, None);
}

/// Repeated in the same batch, in a later one, or after the run has ended: nothing changes.
pub async fn a_callback_counts_once(ledger: Subject) {
    let (run, jobs) = start(&ledger, &flow(&[("a", &[]), ("b", &["a"])])).await;
    let mut callback = done(&jobs[0], json!("first"));
    callback.usage.calls = 1;
    let released = record(&ledger, vec![callback.clone(), callback.clone()], at(1)).await;
    assert_eq!(released.len(), 1, "b is released once");

    let late = ended(&jobs[0], protocol::Outcome::Fail { error: TaskError::permanent("late", "Too late.") });
    assert!(record(&ledger, vec![callback.clone(), late], at(2)).await.is_empty());
    record(&ledger, vec![done(&released[0], json!(null))], at(3)).await;
    let ended = look(&ledger, run).await;
    record(&ledger, vec![callback, done(&released[0], json!("again"))], at(4)).await;

    assert_eq!(look(&ledger, run).await, ended);
    assert_eq!(ended.run.state, RunState::Succeeded);
    assert_eq!(ended.usage.calls, 1);
    assert!(ended.attempts.values().all(|attempts| attempts.len() == 1), "{:?}", ended.attempts);
}

/// The report of a start is news for watchers, never a condition.
pub async fn an_end_may_overtake_its_start(ledger: Subject) {
    let (run, jobs) = start_two(&ledger).await;
    let started = |job: &protocol::Job| Event::Started {
        task_run: job.task_run_id,
        attempt: job.attempt,
        worker: "worker-2".to_owned(),
        at: at(1),
    };
    ledger.apply(vec![(run, started(&jobs[0]))], at(1)).await.unwrap();
    let task_run = &look(&ledger, run).await.run.tasks[0];
    assert_eq!((task_run.state, task_run.started_at), (TaskState::Running, Some(at(1))));
    assert_eq!(task_run.worker.as_deref(), Some("worker-2"));

    record(&ledger, vec![done(&jobs[1], json!(1)), done(&jobs[0], json!(0))], at(2)).await;
    let applied = ledger.apply(vec![(run, started(&jobs[1]))], at(3)).await.unwrap();
    assert!(matches!(applied[0].actions[..], [Action::Ignored { .. }]), "{:?}", applied[0].actions);
    assert_eq!(look(&ledger, run).await.run.state, RunState::Succeeded);
}

/// Two tasks side by side.
async fn start_two(ledger: &Subject) -> (RunId, Vec<protocol::Job>) {
    start(ledger, &flow(&[("a", &[]), ("b", &[])])).await
}

/// And costs no try.
pub async fn what_a_snooze_stored_reaches_the_next_attempt(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    assert_eq!(jobs[0].state, Value::Null);
    assert!(record(&ledger, vec![snoozed(&jobs[0], 30, json!({ "ticket": 7 }))], at(1)).await.is_empty());
    let jobs = wake(&ledger, at(31)).await;
    assert_eq!((jobs[0].attempt, &jobs[0].state), (2, &json!({ "ticket": 7 })));
    let task_run = &look(&ledger, run).await.run.tasks[0];
    assert_eq!((task_run.failures, task_run.attempt), (0, 2));
}

/// The fleet declares an attempt lost; whatever its worker still says does not count.
pub async fn a_lost_attempt_is_tried_again_and_cannot_report_later(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    let error = TaskError::transient("worker_lost", "The worker is gone.");
    let lost = Event::Lost { task_run: jobs[0].task_run_id, attempt: 1, error: error.clone() };
    ledger.apply(vec![(run, lost.clone()), (run, lost)], at(10)).await.unwrap();
    let again = wake(&ledger, at(100)).await;
    assert_eq!(again[0].attempt, 2);
    assert!(record(&ledger, vec![done(&jobs[0], json!("late"))], at(101)).await.is_empty());
    record(&ledger, vec![done(&again[0], json!("in time"))], at(102)).await;

    let record = look(&ledger, run).await;
    assert_eq!(record.run.tasks[0].output, Some(inline(json!("in time"))));
    let history: Vec<(u32, &str, Option<&TaskError>)> = record.attempts[&jobs[0].task_run_id]
        .iter()
        .map(|attempt| (attempt.attempt, attempt.outcome.as_str(), attempt.error.as_ref()))
        .collect();
    assert_eq!(history, [(1, "lost", Some(&error)), (2, "done", None)]);
}

/// Workers are told to stop, and nothing that arrives later changes the run.
pub async fn a_cancelled_run_stays_cancelled(ledger: Subject) {
    let (run, jobs) = start(&ledger, &flow(&[("a", &[]), ("b", &["a"])])).await;
    let cancel = Event::Cancel { reason: "not needed any more".to_owned() };
    let applied = ledger.apply(vec![(run, cancel.clone())], at(1)).await.unwrap();
    let abort = Action::Abort { task_run: jobs[0].task_run_id, attempt: 1 };
    assert_eq!(applied[0].actions, [abort, Action::RunEnded { state: RunState::Cancelled }]);

    let cancelled = look(&ledger, run).await;
    assert_eq!(states(&cancelled), BTreeMap::from([("a".into(), "cancelled"), ("b".into(), "cancelled")]));
    assert!(cancelled.run.error.as_ref().is_some_and(|error| error.message.contains("not needed")));
    record(&ledger, vec![done(&jobs[0], json!(1))], at(2)).await;
    ledger.apply(vec![(run, cancel)], at(3)).await.unwrap();
    assert_eq!(look(&ledger, run).await, cancelled);
}

/// It may have been removed; the others of the batch are not held up.
pub async fn an_event_for_an_unknown_run_is_reported(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    let mut stray = done(&jobs[0], json!(0));
    stray.run_id = RunId::new();
    let mut foreign = done(&jobs[0], json!(0));
    foreign.task_run_id = TaskRunId::new();
    let batch = vec![stray.clone(), foreign.clone(), done(&jobs[0], json!(1))];
    let applied = ledger.record(batch, at(1)).await.unwrap();

    assert_eq!((applied[0].run_id, &applied[0].tenant), (stray.run_id, &None));
    assert!(applied[0].actions.is_empty());
    let unknown = Action::Ignored { task_run: Some(foreign.task_run_id), reason: Ignored::UnknownTaskRun };
    assert!(applied[1].actions.contains(&unknown));
    assert_eq!(look(&ledger, run).await.run.state, RunState::Succeeded);
}

/// One transaction takes each run through its events in order, and reports in the order of first appearance.
pub async fn a_batch_may_touch_many_runs_many_times(ledger: Subject) {
    let (runs, jobs) = start_many(&ledger, &flow(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]), 20).await;
    let firsts = jobs.iter().filter(|job| job.task == "a").map(|job| done(job, json!("a")));
    let seconds = jobs.iter().filter(|job| job.task == "b").rev().map(|job| done(job, json!("b")));
    let applied = ledger.record(firsts.chain(seconds).collect(), at(1)).await.unwrap();
    assert_eq!(applied.iter().map(|applied| applied.run_id).collect::<Vec<_>>(), runs);
    assert!(applied.iter().all(|applied| applied.jobs.len() == 1 && applied.jobs[0].task == "c"));

    let fails = applied.iter().map(|applied| retry(&applied.jobs[0]));
    record(&ledger, fails.collect(), at(2)).await;
    // The timer and the deadline of the same run, due in the same batch.
    let task_run = applied[0].jobs[0].task_run_id;
    let events = vec![(runs[0], Event::TimerDue { task_run, attempt: 1 }), (runs[0], Event::DeadlinePassed)];
    let ended = ledger.apply(events, at(60)).await.unwrap();
    assert!(ended[0].jobs.is_empty(), "the deadline took the job back: {:?}", ended[0].jobs);
    assert_eq!(look(&ledger, runs[0]).await.run.state, RunState::Failed);
    assert_eq!(look(&ledger, runs[1]).await.run.tasks[2].state, TaskState::Waiting);
}

/// Eight recorders, every callback twice: each run ends once, each task is recorded once.
pub async fn concurrent_callbacks_end_each_run_once(ledger: Subject) {
    let mut spread = flow(&[("list", &[]), ("each", &["list"]), ("sum", &["each"])]);
    spread.tasks[1].map_over = Some("list".to_owned());
    let (runs, jobs) = start_many(&ledger, &spread, 4).await;
    let mut ready = record(&ledger, jobs.iter().map(|job| listed(job, 16)).collect(), at(1)).await;
    let mut ends = BTreeMap::<RunId, usize>::new();
    while !ready.is_empty() {
        let mut tasks = tokio::task::JoinSet::new();
        let jobs = Arc::new(std::mem::take(&mut ready));
        for recorder in 0..8 {
            let (ledger, jobs) = (Arc::clone(&ledger), Arc::clone(&jobs));
            tasks.spawn(async move {
                let mine = jobs.iter().enumerate().filter(|(at, _)| at % 8 == recorder || (at + 3) % 8 == recorder);
                let mut applied = Vec::new();
                for (_, job) in mine {
                    applied.extend(ledger.record(vec![done(job, json!(job.index))], at(2)).await.unwrap());
                }
                applied
            });
        }
        for applied in tasks.join_all().await.into_iter().flatten() {
            let ended = applied.actions.iter().any(|action| matches!(action, Action::RunEnded { .. }));
            *ends.entry(applied.run_id).or_default() += usize::from(ended);
            ready.extend(applied.jobs);
        }
    }
    assert_eq!(ends, runs.iter().map(|run| (*run, 1)).collect());
    for run in runs {
        let record = look(&ledger, run).await;
        assert_eq!(record.run.state, RunState::Succeeded);
        assert_eq!(record.attempts.len(), 18, "list, 16 children, sum");
        assert!(record.attempts.values().all(|attempts| attempts.len() == 1));
    }
}
