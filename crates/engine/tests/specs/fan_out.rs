//! Tasks that run once per item of a list, and the task behind them that sees all results.

use std::collections::BTreeSet;

use engine::{Action, Ignored, MAX_FAN_OUT};
use protocol::{Outcome, RunState, TaskError, TaskState};

use crate::harness::{
    Bench, done, ended, fail, list, map_workflow, retry, snooze, spec, tolerate, transient, workflow,
};

#[test]
fn one_child_is_released_per_item() {
    let mut bench = Bench::admitted(map_workflow());
    let transition = bench.finish("list", list(3));
    assert_eq!(bench.states(), "list=succeeded each=running end=blocked each[0]=queued each[1]=queued each[2]=queued");
    assert_eq!(transition.actions, ["each[0]", "each[1]", "each[2]"].map(|child| bench.publish(child)));
    assert_eq!(transition.touched.into_iter().collect::<Vec<_>>(), [0, 1, 3, 4, 5]);
    assert_eq!((bench.task("each[0]").attempt, bench.task("each[0]").queued_at), (1, Some(bench.now)));
    assert_eq!((bench.task("each").attempt, bench.task("each").started_at), (0, Some(bench.now)));
}

#[test]
fn the_ids_of_children_are_the_same_when_the_decision_is_repeated() {
    let before = Bench::admitted(map_workflow());
    let (mut first, mut second) = (before.clone(), before);
    first.finish("list", list(300));
    second.finish("list", list(300));
    assert_eq!(first.run, second.run);
    let ids: Vec<_> = first.run.tasks[3..].iter().map(|child| child.id).collect();
    assert!(ids.is_sorted(), "children sort by index");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 300);
    assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
}

#[test]
fn the_task_behind_a_map_starts_with_the_last_child() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(2));
    assert_eq!(bench.finish("each[1]", done()).actions, []);
    let transition = bench.finish("each[0]", done());
    assert_eq!(transition.actions, [bench.publish("end")]);
    assert_eq!((bench.task("each").state, bench.task("each").ended_at), (TaskState::Succeeded, Some(bench.now)));
    assert_eq!(ended(&bench.finish("end", done())), Some(RunState::Succeeded));
}

#[test]
fn an_empty_list_is_done_at_once() {
    let mut bench = Bench::admitted(map_workflow());
    let transition = bench.finish("list", list(0));
    assert_eq!(bench.states(), "list=succeeded each=succeeded end=queued");
    assert_eq!(transition.actions, [bench.publish("end")]);
}

#[test]
fn a_mapped_task_waits_for_all_its_parents() {
    let mut flow = map_workflow();
    flow.tasks.push(workflow(&[("more", &[])]).tasks.remove(0));
    spec(&mut flow, "each").parents.push("more".to_owned());
    let mut bench = Bench::admitted(flow);
    assert_eq!(bench.finish("list", list(1)).actions, []);
    assert_eq!(bench.finish("more", done()).actions, [bench.publish("each[0]")]);
}

#[test]
fn what_is_not_a_list_cannot_be_mapped() {
    let mut bench = Bench::admitted(map_workflow());
    assert_eq!(ended(&bench.finish("list", done())), Some(RunState::Failed));
    assert_eq!(bench.states(), "list=succeeded each=failed end=skipped");
    assert_eq!(bench.run.error.as_ref().map(|error| error.code.as_str()), Some("not_a_list"));
}

#[test]
fn a_parent_whose_failure_is_tolerated_left_no_list_to_map() {
    let mut flow = map_workflow();
    tolerate(&mut flow, "list");
    tolerate(&mut flow, "each");
    let mut bench = Bench::admitted(flow);
    bench.finish("list", fail());
    assert_eq!(bench.states(), "list=failed each=failed end=queued");
    assert_eq!(bench.task("each").error.as_ref().map(|error| error.code.as_str()), Some("not_a_list"));
}

#[test]
fn a_list_too_long_fails_the_mapped_task_instead_of_flooding_the_fleet() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(MAX_FAN_OUT + 1));
    assert_eq!(bench.run.tasks.len(), 3);
    assert_eq!(bench.run.error.as_ref().map(|error| error.code.as_str()), Some("fan_out_too_large"));
    let mut bench = Bench::admitted(map_workflow());
    assert_eq!(bench.finish("list", list(MAX_FAN_OUT)).actions.len(), 100_000);
}

#[test]
fn children_retry_and_snooze_on_their_own() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(3));
    bench.finish("each[0]", retry());
    bench.finish("each[1]", snooze());
    bench.lose("each[2]", transient());
    assert_eq!(
        bench.states(),
        "list=succeeded each=running end=blocked each[0]=waiting each[1]=waiting each[2]=waiting"
    );
    for child in ["each[0]", "each[1]", "each[2]"] {
        bench.wake(child);
        bench.finish(child, done());
    }
    assert_eq!(bench.task("end").state, TaskState::Queued);
}

#[test]
fn a_child_that_fails_for_good_fails_its_mapped_task_and_stops_its_siblings() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(5));
    bench.finish("each[0]", done());
    bench.started("each[2]");
    bench.finish("each[3]", retry());
    let transition = bench.finish("each[1]", fail());
    let ended = Action::RunEnded { state: RunState::Failed };
    assert_eq!(transition.actions, [bench.abort("each[2]"), bench.abort("each[4]"), ended]);
    assert_eq!(
        bench.states(),
        "list=succeeded each=failed end=skipped \
         each[0]=succeeded each[1]=failed each[2]=cancelled each[3]=cancelled each[4]=cancelled"
    );
    assert_eq!(bench.task("each").error, bench.task("each[1]").error);
    assert_eq!(bench.run.error, bench.task("each[1]").error);
    let late = bench.finished_event("each[2]", 1, done());
    bench.assert_ignored(late, Ignored::AlreadyEnded);
}

#[test]
fn where_failures_are_tolerated_the_other_children_go_on() {
    let mut flow = map_workflow();
    tolerate(&mut flow, "each");
    let mut bench = Bench::admitted(flow);
    bench.finish("list", list(2));
    assert_eq!(bench.finish("each[0]", fail()).actions, []);
    assert_eq!(bench.finish("each[1]", done()).actions, [bench.publish("end")]);
    assert_eq!(bench.states(), "list=succeeded each=succeeded end=queued each[0]=failed each[1]=succeeded");
    assert_eq!(ended(&bench.finish("end", done())), Some(RunState::Succeeded));
}

#[test]
fn what_a_mapped_task_left_can_be_mapped_again() {
    let mut flow = map_workflow();
    tolerate(&mut flow, "each");
    spec(&mut flow, "end").map_over = Some("each".to_owned());
    let mut bench = Bench::admitted(flow);
    bench.finish("list", list(3));
    bench.finish("each[0]", done());
    bench.finish("each[1]", fail());
    let transition = bench.finish("each[2]", done());
    assert_eq!(transition.actions, [bench.publish("end[0]"), bench.publish("end[1]")], "one per child that succeeded");
}

#[test]
fn nobody_reports_about_the_mapped_task_itself() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(1));
    let task_run = bench.id("each");
    for event in [
        bench.started_event("each", 0),
        bench.finished_event("each", 0, done()),
        engine::Event::Lost { task_run, attempt: 0, error: transient() },
        engine::Event::TimerDue { task_run, attempt: 0 },
    ] {
        bench.assert_ignored(event, Ignored::NotExpected);
    }
}

#[test]
fn a_group_and_a_chord_are_plain_parents() {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &[]), ("chord", &["a", "b"])]));
    bench.finish("b", done());
    let error = TaskError::permanent("broken", "It is broken.");
    assert_eq!(ended(&bench.finish("a", Outcome::Fail { error })), Some(RunState::Failed));
    assert_eq!(bench.states(), "a=failed b=succeeded chord=skipped");
}
