//! A run again: what it takes over from the run before, and what it does itself.

use engine::{Event, NotAgain};
use jiff::SignedDuration;
use protocol::{Payload, RunId, RunState, TaskOutput};
use serde_json::json;

use crate::harness::{Bench, done, ended, fail, finished, list, map_workflow, tolerate, workflow};

/// The run again, an hour later; it waits for admission.
fn again(bench: &Bench, from: Option<&str>) -> Result<Bench, NotAgain> {
    let now = bench.now + SignedDuration::from_hours(1);
    Ok(Bench { run: bench.run.again(RunId::new(), from, now)?, now })
}

/// `a → b → c`, where `b` failed.
fn broken_chain() -> Bench {
    let mut bench = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]));
    bench.finish_on("w7", "a", done());
    bench.finish("b", fail());
    assert_eq!(bench.states(), "a=succeeded b=failed c=skipped");
    bench
}

#[test]
fn what_succeeded_is_taken_over_and_what_failed_is_handed_out_first() {
    let before = broken_chain();
    let mut bench = again(&before, None).unwrap();
    assert_eq!((bench.run.state, bench.states().as_str()), (RunState::Queued, "a=succeeded b=blocked c=blocked"));
    let carried = bench.task("a").clone();
    assert_ne!(carried.id, before.task("a").id, "it is a task run of its own");
    assert_eq!((carried.attempt, carried.failures, carried.worker.as_deref()), (0, 0, Some("w7")));
    assert_eq!(
        (carried.output.as_ref(), carried.ended_at),
        (before.task("a").output.as_ref(), before.task("a").ended_at)
    );

    assert_eq!(bench.apply(Event::Admitted).actions, [bench.publish("b")]);
    let job = bench.run.job(bench.id("b"), &Payload::Inline(json!(0))).unwrap();
    assert_eq!((job.attempt, &job.outputs["a"]), (1, &TaskOutput::One(Payload::Inline(json!("output")))));
    bench.finish("b", done());
    assert_eq!(ended(&bench.finish("c", done())), Some(RunState::Succeeded));
    assert_eq!(bench.task("a"), &carried, "it was left alone");
}

#[test]
fn the_named_task_and_whatever_comes_after_it_is_done_again() {
    let mut before = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("x", &["a"])]));
    for task in ["a", "b", "x", "c"] {
        before.finish(task, done());
    }
    assert_eq!(again(&before, Some("b")).unwrap().states(), "a=succeeded b=blocked c=blocked x=succeeded");
    assert_eq!(again(&before, Some("a")).unwrap().states(), "a=blocked b=blocked c=blocked x=blocked");
    assert_eq!(again(&before, Some("c")).unwrap().states(), "a=succeeded b=succeeded c=blocked x=succeeded");
}

#[test]
fn an_answer_that_saw_a_tolerated_failure_is_asked_for_again() {
    let mut flow = workflow(&[("a", &[]), ("b", &["a"]), ("x", &[])]);
    tolerate(&mut flow, "a");
    let mut before = Bench::admitted(flow);
    before.finish("a", fail());
    before.finish("b", done());
    assert_eq!(ended(&before.finish("x", done())), Some(RunState::Succeeded));
    assert_eq!(again(&before, None).unwrap().states(), "a=blocked b=blocked x=succeeded");
}

#[test]
fn a_mapped_task_is_taken_over_with_all_its_children() {
    let mut before = Bench::admitted(map_workflow());
    before.finish("list", list(3));
    for (child, output) in [("each[2]", "two"), ("each[0]", "zero"), ("each[1]", "one")] {
        before.finish(child, finished(output));
    }
    before.finish("end", fail());
    let mut bench = again(&before, None).unwrap();
    let states = "list=succeeded each=succeeded end=blocked each[0]=succeeded each[1]=succeeded each[2]=succeeded";
    assert_eq!(bench.states(), states);
    assert!(bench.run.tasks[3..].iter().all(|child| before.run.task_run(child.id).is_none()));
    assert_eq!(bench.apply(Event::Admitted).actions, [bench.publish("end")]);
    let outputs = ["zero", "one", "two"].map(|output| Payload::Inline(json!(output))).to_vec();
    assert_eq!(bench.run.ancestor_outputs("end")["each"], TaskOutput::Many(outputs));
}

#[test]
fn a_mapped_task_of_which_a_child_failed_is_done_again_as_a_whole() {
    let mut before = Bench::admitted(map_workflow());
    before.finish("list", list(3));
    before.finish("each[0]", done());
    before.finish("each[1]", fail());
    let mut bench = again(&before, None).unwrap();
    assert_eq!(bench.states(), "list=succeeded each=blocked end=blocked");
    bench.apply(Event::Admitted);
    let states = "list=succeeded each=running end=blocked each[0]=queued each[1]=queued each[2]=queued";
    assert_eq!(bench.states(), states);
}

#[test]
fn a_cancelled_run_goes_on_where_it_was() {
    let mut before = Bench::admitted(workflow(&[("a", &[]), ("b", &["a"])]));
    before.finish("a", done());
    before.cancel();
    let mut bench = again(&before, None).unwrap();
    assert_eq!(bench.apply(Event::Admitted).actions, [bench.publish("b")]);

    let mut in_line = Bench::queued(workflow(&[("a", &[])]));
    in_line.cancel();
    assert_eq!(again(&in_line, None).unwrap().states(), "a=blocked");
}

#[test]
fn a_run_again_can_be_run_again() {
    let mut second = again(&broken_chain(), None).unwrap();
    second.apply(Event::Admitted);
    second.finish("b", done());
    second.finish("c", fail());
    let third = again(&second, None).unwrap();
    assert_eq!(third.states(), "a=succeeded b=succeeded c=blocked");
    assert_eq!(third.task("a").output, second.task("a").output);
}

#[test]
fn there_has_to_be_something_to_do_again() {
    let mut bench = Bench::queued(workflow(&[("a", &[])]));
    assert_eq!(again(&bench, None).unwrap_err(), NotAgain::NotEnded(RunState::Queued));
    bench.apply(Event::Admitted);
    assert_eq!(again(&bench, Some("a")).unwrap_err(), NotAgain::NotEnded(RunState::Running));
    bench.finish("a", done());
    assert_eq!(again(&bench, None).unwrap_err(), NotAgain::NothingLeft);
    assert_eq!(again(&bench, Some("b")).unwrap_err(), NotAgain::UnknownTask("b".to_owned()));
}
