//! Tasks one after the other: admission, readiness, retries, snoozes, tolerated and fatal failures.

use engine::{Action, Event, Ignored};
use protocol::{ErrorClass, Outcome, RunState, TaskError, TaskState};
use serde_json::json;

use crate::harness::{Bench, done, ended, fail, retry, snooze, spec, tolerate, transient, workflow};

fn diamond() -> protocol::Workflow {
    workflow(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])])
}

#[test]
fn admission_publishes_the_tasks_without_parents() {
    let mut bench = Bench::queued(workflow(&[("a", &[]), ("b", &[]), ("c", &["a"])]));
    let transition = bench.apply(Event::Admitted);
    assert_eq!(transition.actions, [bench.publish("a"), bench.publish("b")]);
    assert_eq!(transition.touched.into_iter().collect::<Vec<_>>(), [0, 1]);
    assert!(transition.run_changed);
    assert_eq!((bench.run.state, bench.run.started_at), (RunState::Running, Some(bench.now)));
    assert_eq!(bench.states(), "a=queued b=queued c=blocked");
    assert_eq!((bench.task("a").attempt, bench.task("a").queued_at), (1, Some(bench.now)));
    bench.assert_ignored(Event::Admitted, Ignored::Duplicate);
}

#[test]
fn a_task_starts_with_the_last_of_its_parents() {
    let mut bench = Bench::admitted(diamond());
    let transition = bench.finish("a", done());
    assert_eq!(transition.actions, [bench.publish("b"), bench.publish("c")]);
    assert_eq!(bench.finish("c", done()).actions, []);
    assert_eq!(bench.states(), "a=succeeded b=queued c=succeeded d=blocked");
    let transition = bench.finish("b", done());
    assert_eq!(transition.actions, [bench.publish("d")]);
    let transition = bench.finish("d", done());
    assert_eq!(transition.actions, [Action::RunEnded { state: RunState::Succeeded }]);
    assert_eq!((bench.run.ended_at, &bench.run.error), (Some(bench.now), &None));
}

#[test]
fn a_start_is_recorded_with_its_worker_and_its_time() {
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    let queued_at = bench.now;
    bench.pass(3);
    let transition = bench.started("a");
    assert_eq!((transition.actions, transition.touched.len(), transition.run_changed), (vec![], 1, false));
    let task = bench.task("a");
    assert_eq!((task.state, task.worker.as_deref()), (TaskState::Running, Some("w1")));
    assert_eq!((task.queued_at, task.started_at), (Some(queued_at), Some(bench.now)));
}

#[test]
fn an_outcome_may_overtake_the_report_of_the_start() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"])]));
    bench.finish("a", done());
    let task = bench.task("a");
    assert_eq!((task.state, task.started_at, task.ended_at), (TaskState::Succeeded, Some(bench.now), Some(bench.now)));
    let late = bench.started_event("a", 1);
    bench.assert_ignored(late, Ignored::AlreadyEnded);
}

#[test]
fn a_failed_attempt_waits_and_is_followed_by_the_next() {
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    bench.started("a");
    let transition = bench.finish("a", retry());
    let due_at = bench.task("a").due_at.unwrap();
    assert_eq!(bench.seconds_to_wait("a"), 2);
    assert_eq!(transition.actions, [Action::WakeAt { task_run: bench.id("a"), attempt: 1, due_at }]);
    assert_eq!((bench.task("a").state, bench.task("a").failures), (TaskState::Waiting, 1));
    assert_eq!(bench.task("a").error, Some(transient()));

    let transition = bench.wake("a");
    assert_eq!(transition.actions, [bench.publish("a")]);
    let task = bench.task("a");
    assert_eq!((task.state, task.attempt, task.due_at), (TaskState::Queued, 2, None));
    assert_eq!((task.queued_at, task.started_at, &task.worker), (Some(bench.now), None, &None));

    bench.finish("a", retry());
    assert_eq!(bench.seconds_to_wait("a"), 4);
    bench.wake("a");
    let transition = bench.finish("a", retry());
    assert_eq!(ended(&transition), Some(RunState::Failed), "three attempts are all there are");
    assert_eq!((bench.task("a").attempt, bench.task("a").failures), (3, 3));
    assert_eq!(bench.run.error, Some(transient()));
}

#[test]
fn the_class_of_the_error_decides_how_long_a_task_waits() {
    for (class, seconds) in [
        (ErrorClass::RateLimited, 60),
        (ErrorClass::Unavailable, 60),
        (ErrorClass::Server, 30),
        (ErrorClass::Transient, 2),
    ] {
        let mut bench = Bench::admitted(workflow(&[("a", &[])]));
        bench.finish("a", Outcome::Retry { error: TaskError::new(class, "e", "E."), after_ms: None });
        assert_eq!(bench.seconds_to_wait("a"), seconds, "{class:?}");
    }
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    let error = TaskError::new(ErrorClass::RateLimited, "slow_down", "Slow down.");
    bench.finish("a", Outcome::Retry { error, after_ms: Some(1_500_000) });
    assert_eq!(bench.seconds_to_wait("a"), 1_500, "Retry-After wins, over the policy's cap too");
}

#[test]
fn a_permanent_error_and_a_failure_are_not_tried_again() {
    let permanent = TaskError::permanent("encrypted", "The file is encrypted.");
    for outcome in [Outcome::Retry { error: permanent.clone(), after_ms: Some(1) }, Outcome::Fail { error: permanent }]
    {
        let mut bench = Bench::admitted(workflow(&[("a", &[])]));
        let transition = bench.finish("a", outcome);
        assert_eq!(transition.actions, [Action::RunEnded { state: RunState::Failed }]);
        assert_eq!((bench.task("a").state, bench.task("a").failures), (TaskState::Failed, 1));
    }
}

#[test]
fn a_lost_attempt_counts_as_a_failed_one() {
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    bench.lose("a", transient());
    assert_eq!((bench.task("a").state, bench.task("a").failures), (TaskState::Waiting, 1));
    bench.wake("a");
    let poison = TaskError::permanent("poison", "The job kills its workers.");
    assert_eq!(ended(&bench.lose("a", poison.clone())), Some(RunState::Failed));
    assert_eq!(bench.run.error, Some(poison));
}

#[test]
fn a_snooze_keeps_what_the_handler_stored_and_counts_against_nothing() {
    let mut flow = workflow(&[("a", &[])]);
    spec(&mut flow, "a").retry.max_attempts = 2;
    let mut bench = Bench::admitted(flow);
    for attempt in 1..=5 {
        assert_eq!(bench.task("a").attempt, attempt);
        bench.finish("a", snooze());
        assert_eq!((bench.seconds_to_wait("a"), bench.task("a").failures), (5, 0));
        bench.wake("a");
    }
    bench.finish("a", retry());
    assert_eq!(bench.task("a").state, TaskState::Waiting);
    assert_eq!(bench.task("a").snooze_state, json!({ "remote": 7 }), "the next attempt goes on where it was");
}

#[test]
fn a_snooze_to_the_end_of_time_does_not_overflow() {
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    bench.finish("a", Outcome::Snooze { after_ms: u64::MAX, state: json!(null) });
    assert_eq!(bench.task("a").due_at, Some(jiff::Timestamp::MAX));
}

#[test]
fn a_fatal_failure_skips_what_is_behind_it_while_other_branches_finish() {
    let mut bench = Bench::admitted(workflow(&[
        ("a", &[]),
        ("a1", &["a"]),
        ("a2", &["a1"]),
        ("b", &[]),
        ("b1", &["b"]),
        ("both", &["a2", "b1"]),
    ]));
    let transition = bench.finish("a", fail());
    assert_eq!(transition.actions, [], "the run goes on");
    assert_eq!(bench.states(), "a=failed a1=skipped a2=skipped b=queued b1=blocked both=skipped");
    assert_eq!(transition.touched.into_iter().collect::<Vec<_>>(), [0, 1, 2, 5]);
    bench.finish("b", done());
    let transition = bench.finish("b1", done());
    assert_eq!(ended(&transition), Some(RunState::Failed));
    assert_eq!(bench.run.error.as_ref().map(|error| error.code.as_str()), Some("broken"));
}

#[test]
fn the_task_behind_a_tolerated_failure_runs() {
    let mut flow = workflow(&[("a", &[]), ("b", &["a"])]);
    tolerate(&mut flow, "a");
    let mut bench = Bench::admitted(flow);
    bench.finish("a", fail());
    assert_eq!(bench.states(), "a=failed b=queued");
    assert_eq!(ended(&bench.finish("b", done())), Some(RunState::Succeeded));
    assert_eq!(bench.run.error, None);
}

#[test]
fn tolerance_further_down_does_not_open_the_path_behind_a_fatal_failure() {
    let mut flow = workflow(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    tolerate(&mut flow, "b");
    let mut bench = Bench::admitted(flow);
    assert_eq!(ended(&bench.finish("a", fail())), Some(RunState::Failed));
    assert_eq!(bench.states(), "a=failed b=skipped c=skipped");
}

#[test]
fn the_earliest_fatal_failure_is_the_reason_of_the_run() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &[])]));
    bench.finish("b", Outcome::Fail { error: TaskError::permanent("first", "First.") });
    bench.pass(1);
    bench.finish("a", Outcome::Fail { error: TaskError::permanent("second", "Second.") });
    assert_eq!(bench.run.error.as_ref().map(|error| error.code.as_str()), Some("first"));
}

#[test]
fn a_chain_of_ten_thousand_skips_is_one_transition() {
    let names: Vec<String> = (0..10_000).map(|at| format!("t{at}")).collect();
    let mut flow = workflow(&[]);
    for (at, name) in names.iter().enumerate() {
        let mut spec = protocol::TaskSpec::named(name);
        spec.parents = at.checked_sub(1).map(|parent| names[parent].clone()).into_iter().collect();
        flow.tasks.push(spec);
    }
    // Checking so many tasks is not what this is about.
    let mut bench = Bench::unchecked(flow);
    bench.apply(Event::Admitted);
    let transition = bench.finish("t0", fail());
    assert_eq!((ended(&transition), transition.touched.len()), (Some(RunState::Failed), 10_000));
}
