//! What a worker is told.

use engine::Event;
use protocol::message::WIRE_VERSION;
use protocol::{Outcome, Payload, TaskError, TaskOutput};
use serde_json::json;

use crate::harness::{Bench, done, fail, list, map_workflow, retry, snooze, spec, tolerate, workflow};

fn says(word: &str) -> Outcome {
    Outcome::Done { output: Payload::Inline(json!(word)), fan_out: None }
}

fn one(word: &str) -> TaskOutput {
    TaskOutput::One(Payload::Inline(json!(word)))
}

#[test]
fn a_job_says_everything_a_worker_needs() {
    let mut flow = workflow(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]).timeout(std::time::Duration::from_secs(60));
    spec(&mut flow, "c").queue = "api_processing".to_owned();
    let mut bench = Bench::admitted(flow);
    bench.finish("a", says("from a"));
    bench.finish("b", says("from b"));
    bench.finish("c", snooze());
    bench.wake("c");
    let input = Payload::Inline(json!({ "document": "d" }));
    let job = bench.run.job(bench.id("c"), &input).unwrap();
    assert_eq!((job.v, job.run_id, job.task_run_id), (WIRE_VERSION, bench.run.id, bench.id("c")));
    assert_eq!((job.workflow.as_str(), job.task.as_str(), job.queue.as_str()), ("test", "c", "api_processing"));
    assert_eq!((job.attempt, job.index, job.map_over, job.input), (2, None, None, input));
    assert_eq!(job.outputs, [("a".to_owned(), one("from a")), ("b".to_owned(), one("from b"))].into());
    assert_eq!((job.errors.len(), job.state), (0, json!({ "remote": 7 })));
    assert_eq!((job.queued_at, job.deadline_at), (bench.now, bench.run.deadline_at));
    assert!(job.deadline_at.is_some());
    assert_eq!(bench.run.queue_of("c"), Some("api_processing"));
    assert_eq!(bench.run.queue_of("nobody"), None);
}

#[test]
fn only_a_task_run_that_was_released_has_a_job() {
    let mut bench = Bench::queued(map_workflow());
    let job = |bench: &Bench, name: &str| bench.run.job(bench.id(name), &Payload::default());
    assert_eq!(job(&bench, "list"), None);
    bench.apply(Event::Admitted);
    assert!(job(&bench, "list").is_some());
    bench.finish("list", list(1));
    assert_eq!(job(&bench, "list"), None, "ended");
    assert_eq!(job(&bench, "each"), None, "stands for its children only");
    assert_eq!(job(&bench, "each[0]").unwrap().index, Some(0));
    assert_eq!(job(&bench, "each[0]").unwrap().map_over.as_deref(), Some("list"));
}

#[test]
fn the_task_behind_a_map_sees_the_results_in_the_order_of_the_list() {
    let mut bench = Bench::admitted(map_workflow());
    bench.finish("list", list(3));
    for child in [2, 0, 1] {
        bench.finish(&format!("each[{child}]"), says(&format!("result {child}")));
    }
    let outputs = bench.run.ancestor_outputs("end");
    let results = ["result 0", "result 1", "result 2"].map(|word| Payload::Inline(json!(word)));
    assert_eq!(outputs["each"], TaskOutput::Many(results.into()));
    assert_eq!(outputs["list"], one("list"));
}

#[test]
fn a_tolerated_failure_is_seen_as_an_error_instead_of_an_output() {
    let mut flow = workflow(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
    tolerate(&mut flow, "a");
    let mut bench = Bench::admitted(flow);
    bench.finish("a", fail());
    bench.finish("b", done());
    let job = bench.run.job(bench.id("c"), &Payload::default()).unwrap();
    assert_eq!(job.outputs.into_keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(job.errors, [("a".to_owned(), TaskError::permanent("broken", "It is broken."))].into());
}

#[test]
fn of_a_map_that_tolerates_failures_both_results_and_the_first_error_are_seen() {
    let mut flow = map_workflow();
    tolerate(&mut flow, "each");
    let mut bench = Bench::admitted(flow);
    bench.finish("list", list(3));
    for child in [2, 1] {
        let error = TaskError::permanent(format!("e{child}"), "It is broken.");
        bench.finish(&format!("each[{child}]"), Outcome::Fail { error });
    }
    bench.finish("each[0]", says("fine"));
    let job = bench.run.job(bench.id("end"), &Payload::default()).unwrap();
    assert_eq!(job.outputs["each"], TaskOutput::Many(vec![Payload::Inline(json!("fine"))]));
    assert_eq!(job.errors["each"].code, "e1");
}

#[test]
fn a_sticky_run_prefers_the_worker_of_the_parent_that_ended_last() {
    let preferred = |flow: protocol::Workflow| {
        let mut bench = Bench::admitted(flow);
        assert_eq!(bench.run.job(bench.id("a"), &Payload::default()).unwrap().preferred, None);
        for (task, worker, seconds) in [("a", "early", 1), ("b", "late", 2)] {
            bench.pass(seconds);
            bench.finish_on(worker, task, done());
        }
        let first = bench.run.job(bench.id("c"), &Payload::default()).unwrap().preferred;
        bench.finish("c", retry());
        bench.wake("c");
        assert_eq!(bench.run.job(bench.id("c"), &Payload::default()).unwrap().preferred, None, "after a failure");
        first
    };
    // The order in which parents are named decides nothing.
    let flow = || workflow(&[("b", &[]), ("a", &[]), ("c", &["b", "a"])]);
    assert_eq!(preferred(flow().sticky()).as_deref(), Some("late"));
    assert_eq!(preferred(flow()), None);
}

#[test]
fn the_children_of_a_map_are_for_everybody() {
    let mut bench = Bench::admitted(map_workflow().sticky());
    bench.finish_on("worker", "list", list(2));
    let job = bench.run.job(bench.id("each[0]"), &Payload::default()).unwrap();
    assert_eq!(job.preferred, None);
}
