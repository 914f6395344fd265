//! Cancellation and deadlines, and what arrives after the end.

use engine::{Action, Event, Ignored, apply_all};
use protocol::{RunState, TaskRunId};

use crate::harness::{Bench, done, fail, list, map_workflow, retry, transient, workflow};

#[test]
fn cancel_stops_everything_that_has_not_ended() {
    let mut bench = Bench::admitted(workflow(&[
        ("ended", &[]),
        ("queued", &[]),
        ("running", &[]),
        ("waiting", &[]),
        ("blocked", &["running"]),
    ]));
    bench.finish("ended", done());
    bench.started("running");
    bench.finish("waiting", retry());
    let transition = bench.cancel();
    let ended = Action::RunEnded { state: RunState::Cancelled };
    assert_eq!(transition.actions, [bench.abort("queued"), bench.abort("running"), ended]);
    assert_eq!(transition.touched.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(
        bench.states(),
        "ended=succeeded queued=cancelled running=cancelled waiting=cancelled blocked=cancelled"
    );
    assert_eq!(bench.task("waiting").due_at, None);
    assert_eq!((bench.run.state, bench.run.ended_at), (RunState::Cancelled, Some(bench.now)));
    let error = bench.run.error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("cancelled", "no longer needed"));
}

#[test]
fn nothing_changes_a_run_that_was_cancelled() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"])]));
    bench.cancel();
    let task_run = bench.id("a");
    for event in [
        Event::Admitted,
        Event::Cancel { reason: "again".to_owned() },
        Event::DeadlinePassed,
        bench.started_event("a", 1),
        bench.finished_event("a", 1, done()),
        bench.finished_event("a", 1, fail()),
        Event::Lost { task_run, attempt: 1, error: transient() },
        Event::TimerDue { task_run, attempt: 1 },
    ] {
        bench.assert_ignored(event, Ignored::AlreadyEnded);
    }
}

#[test]
fn a_run_can_be_cancelled_before_it_was_admitted() {
    let mut bench = Bench::queued(workflow(&[("a", &[])]));
    assert_eq!(bench.cancel().actions, [Action::RunEnded { state: RunState::Cancelled }]);
    assert_eq!((bench.states().as_str(), bench.run.started_at), ("a=cancelled", None));
    bench.assert_ignored(Event::Admitted, Ignored::AlreadyEnded);
}

#[test]
fn cancel_stops_the_children_of_a_mapped_task_but_not_the_mapped_task_itself() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(2));
    let transition = bench.cancel();
    let ended = Action::RunEnded { state: RunState::Cancelled };
    assert_eq!(transition.actions, [bench.abort("each[0]"), bench.abort("each[1]"), ended]);
    assert_eq!(bench.states(), "list=succeeded each=cancelled end=cancelled each[0]=cancelled each[1]=cancelled");
}

#[test]
fn a_run_past_its_deadline_has_failed() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"])]));
    let transition = bench.apply(Event::DeadlinePassed);
    let ended = Action::RunEnded { state: RunState::Failed };
    assert_eq!(transition.actions, [bench.abort("a"), ended]);
    assert_eq!(bench.states(), "a=cancelled b=cancelled");
    assert_eq!(bench.run.error.as_ref().map(|error| error.code.as_str()), Some("deadline_exceeded"));
    bench.assert_ignored(Event::DeadlinePassed, Ignored::AlreadyEnded);
}

#[test]
fn a_report_about_an_unknown_task_run_is_ignored() {
    let mut bench = Bench::admitted(workflow(&[("a", &[])]));
    let event = Event::TimerDue { task_run: TaskRunId::new(), attempt: 1 };
    bench.assert_ignored(event, Ignored::UnknownTaskRun);
}

#[test]
fn a_batch_hands_out_no_work_that_it_withdrew_itself() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"]), ("c", &[])]));
    let events = [
        bench.finished_event("c", 1, retry()),
        bench.finished_event("a", 1, done()),
        bench.finished_event("a", 1, done()),
        Event::Cancel { reason: "enough".to_owned() },
    ];
    let transition = apply_all(&mut bench.run, events, bench.now);
    let repeated = Action::Ignored { task_run: Some(bench.id("a")), reason: Ignored::AlreadyEnded };
    let ended = Action::RunEnded { state: RunState::Cancelled };
    assert_eq!(transition.actions, [repeated, bench.abort("b"), ended]);
    assert_eq!(transition.ignored, [2]);
}
