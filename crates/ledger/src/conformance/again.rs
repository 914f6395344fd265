//! Doing runs again.

use engine::NotAgain;
use protocol::answer::Usage;
use protocol::{Job, Outcome, RunId, RunState, TaskError, TaskOutput, TenantId, Workflow};
use serde_json::{Value, json};

use super::fan_out::map_and_sum;
use super::kit::{
    Subject, at, done, ended, flow, inline, listed, look, new_run, outbox, record, single, start, states, tenant,
};
use crate::{NewRun, Refused, Retry, StartedEach, Submitted, Window};

/// `a → b → c`
fn chain() -> Workflow {
    flow(&[("a", &[]), ("b", &["a"]), ("c", &["b"])])
}

fn failed(job: &Job) -> protocol::Callback {
    ended(job, Outcome::Fail { error: TaskError::permanent("broken", "It is broken.") })
}

fn retry_of(of: RunId) -> Retry {
    Retry { id: RunId::new(), of, from: None, idempotency_key: None, notify: false }
}

/// Orders of the default tenant, with room for `room` tasks.
async fn retry(ledger: &Subject, retries: Vec<Retry>, room: usize, seconds: i64) -> StartedEach {
    ledger.retry(&TenantId::default_tenant(), retries, &Window::of(room), at(seconds)).await.unwrap()
}

/// A run of the chain in which `a` left `"from a"` and `b` failed, at `at(2)`.
async fn broken(ledger: &Subject) -> RunId {
    let (run, jobs) = start(ledger, &chain()).await;
    let mut first = done(&jobs[0], json!("from a"));
    first.usage = Usage { calls: 5, ..Usage::default() };
    let jobs = record(ledger, vec![first], at(1)).await;
    record(ledger, vec![failed(&jobs[0])], at(2)).await;
    run
}

/// What succeeded stands in the new run from the start, and neither runs nor counts again.
pub async fn a_run_is_done_again_from_where_it_went_wrong(ledger: Subject) {
    let of = broken(&ledger).await;
    let order = retry_of(of);
    let started = retry(&ledger, vec![order.clone()], 0, 10).await;
    assert_eq!(started, StartedEach { runs: vec![Ok(Submitted { id: order.id, created: true })], jobs: Vec::new() });
    let waiting = look(&ledger, order.id).await;
    assert_eq!((waiting.run.state, waiting.retry_of, waiting.run.created_at), (RunState::Queued, Some(of), at(10)));
    assert_eq!(waiting.input, look(&ledger, of).await.input);
    let expected = [("a", "succeeded"), ("b", "blocked"), ("c", "blocked")];
    assert_eq!(states(&waiting), expected.map(|(task, state)| (task.to_owned(), state)).into());

    let jobs = ledger.admit(10, at(11)).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(jobs[0].outputs["a"], TaskOutput::One(inline(json!("from a"))));
    let jobs = record(&ledger, vec![done(&jobs[0], json!(2))], at(12)).await;
    assert_eq!(jobs[0].outputs["a"], TaskOutput::One(inline(json!("from a"))));
    record(&ledger, vec![done(&jobs[0], json!(3))], at(13)).await;
    let after = look(&ledger, order.id).await;
    assert_eq!((after.run.state, &after.usage, after.attempts.len()), (RunState::Succeeded, &Usage::default(), 2));
    let before = look(&ledger, of).await;
    assert_eq!((before.run.state, before.retry_of), (RunState::Failed, None), "what failed stays as it was");
}

/// Without competition it waits for no poll.
pub async fn a_run_again_is_released_at_once_with_what_was_done_before(ledger: Subject) {
    let order = retry_of(broken(&ledger).await);
    let jobs = retry(&ledger, vec![order.clone()], 10, 10).await.jobs;
    assert_eq!(jobs.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(jobs[0].outputs["a"], TaskOutput::One(inline(json!("from a"))));
    assert_eq!(outbox(&ledger).await, jobs);
    let jobs = record(&ledger, vec![done(&jobs[0], json!(2))], at(11)).await;
    record(&ledger, vec![failed(&jobs[0])], at(12)).await;

    let third = retry_of(order.id);
    let jobs = retry(&ledger, vec![third.clone()], 10, 13).await.jobs;
    assert_eq!((jobs[0].task.as_str(), jobs[0].outputs.len()), ("c", 2), "a run again can be run again");
    assert_eq!(look(&ledger, third.id).await.retry_of, Some(order.id));
}

/// However many they are: also such as a process keeps in memory.
pub async fn a_mapped_task_is_taken_over_with_its_children(ledger: Subject) {
    const ITEMS: u32 = 150;
    let (of, jobs) = start(&ledger, &map_and_sum()).await;
    let children = record(&ledger, vec![listed(&jobs[0], ITEMS)], at(1)).await;
    let mapped: Vec<_> = children.iter().map(|job| done(job, json!(job.index))).collect();
    let jobs = record(&ledger, mapped, at(2)).await;
    record(&ledger, vec![failed(&jobs[0])], at(3)).await;
    assert_eq!(look(&ledger, of).await.run.state, RunState::Failed);

    let order = retry_of(of);
    let mut jobs = retry(&ledger, vec![order.clone()], 10, 10).await.jobs;
    jobs.extend(ledger.admit(10, at(10)).await.unwrap());
    assert_eq!(jobs.len(), 1, "nothing but the last task is handed out");
    let mapped = jobs[0].outputs.values().find_map(|output| match output {
        TaskOutput::Many(list) => Some(list.clone()),
        TaskOutput::One(_) => None,
    });
    assert_eq!(mapped, Some((0..ITEMS).map(|index| inline(json!(index))).collect()));
    record(&ledger, vec![done(&jobs[0], json!(1))], at(11)).await;
    assert_eq!(look(&ledger, order.id).await.run.state, RunState::Succeeded);
}

/// It is the same run but for what went wrong.
pub async fn a_run_again_keeps_its_workflow_version_and_priority(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let urgent = NewRun { priority: 7, ..new_run(json!(1)) };
    ledger.submit(vec![urgent.clone()], at(0)).await.unwrap();
    let jobs = ledger.admit(1, at(0)).await.unwrap();
    record(&ledger, vec![failed(&jobs[0])], at(1)).await;
    ledger.register(&Workflow { version: 2, ..chain() }).await.unwrap();

    ledger.submit(vec![new_run(json!(2))], at(2)).await.unwrap();
    let order = retry_of(urgent.id);
    retry(&ledger, vec![order.clone()], 0, 3).await;
    assert_eq!(look(&ledger, order.id).await.run.workflow.version, 1);
    let jobs = ledger.admit(1, at(4)).await.unwrap();
    assert_eq!(jobs[0].run_id, order.id, "the urgent one goes first");
}

/// One that is refused leaves the others alone, and its reason is told by type.
pub async fn each_retry_is_for_itself_and_says_why_it_is_refused(ledger: Subject) {
    let of = broken(&ledger).await;
    let (under_way, jobs) = start(&ledger, &chain()).await;
    let well = NewRun { tenant: tenant("other"), ..new_run(json!(1)) };
    ledger.submit(vec![well.clone()], at(3)).await.unwrap();
    let orders = vec![
        retry_of(under_way),
        retry_of(of),
        retry_of(well.id),
        Retry { from: Some("nothing".to_owned()), ..retry_of(of) },
        Retry { from: Some("a".to_owned()), ..retry_of(of) },
    ];
    let answers = retry(&ledger, orders.clone(), 0, 4).await.runs;
    let created = |place: usize| Ok(Submitted { id: orders[place].id, created: true });
    let expected: Vec<Result<Submitted, Refused>> = vec![
        Err(Refused::NotAgain(NotAgain::NotEnded(RunState::Running))),
        created(1),
        Err(Refused::NoSuchRun(well.id)),
        Err(Refused::NotAgain(NotAgain::UnknownTask("nothing".to_owned()))),
        created(4),
    ];
    assert_eq!(answers, expected);
    assert_eq!(states(&look(&ledger, orders[4].id).await)["a"], "blocked", "it was named to begin with");

    let jobs = record(&ledger, vec![done(&jobs[0], json!(1))], at(5)).await;
    let jobs = record(&ledger, vec![done(&jobs[0], json!(1))], at(6)).await;
    record(&ledger, vec![done(&jobs[0], json!(1))], at(7)).await;
    let nothing_left = retry(&ledger, vec![retry_of(under_way)], 0, 8).await.runs;
    assert_eq!(nothing_left, [Err(Refused::NotAgain(NotAgain::NothingLeft))]);
}

/// The same key for the same order is the same run; for another one it is refused.
pub async fn a_retry_with_a_key_is_recorded_once(ledger: Subject) {
    let (of, other) = (broken(&ledger).await, broken(&ledger).await);
    let keyed = |of, from: Option<&str>| Retry {
        idempotency_key: Some("k".to_owned()),
        from: from.map(str::to_owned),
        ..retry_of(of)
    };
    let first = keyed(of, None);
    let answers = retry(&ledger, vec![first.clone(), keyed(of, None), keyed(of, Some("a"))], 0, 5).await.runs;
    let conflict = || Err(Refused::IdempotencyConflict("k".to_owned()));
    let (created, repeated) = (Submitted { id: first.id, created: true }, Submitted { id: first.id, created: false });
    assert_eq!(answers, [Ok(created), Ok(repeated.clone()), conflict()]);
    let answers = retry(&ledger, vec![keyed(of, None), keyed(other, None), keyed(of, Some("a"))], 0, 6).await.runs;
    assert_eq!(answers, [Ok(repeated), conflict(), conflict()]);
    let plain = NewRun { idempotency_key: Some("k".to_owned()), ..new_run(json!(0)) };
    assert!(ledger.submit(vec![plain], at(7)).await.is_err(), "a run of its own is something else");
}

/// A key that meant something else costs one run, not all.
pub async fn each_of_many_runs_is_started_for_itself(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let keyed = |key: &str, input: Value| NewRun { idempotency_key: Some(key.to_owned()), ..new_run(input) };
    let first = keyed("k", json!(1));
    ledger.submit(vec![first.clone()], at(0)).await.unwrap();
    let (fine, fresh) = (new_run(json!(5)), keyed("l", json!(1)));
    let runs = vec![fine.clone(), keyed("k", json!(2)), keyed("k", json!(1)), fresh.clone(), keyed("l", json!(2))];
    let started = ledger.start_each(runs, &Window::of(0), at(1)).await.unwrap();
    let conflict = |key: &str| Err(Refused::IdempotencyConflict(key.to_owned()));
    let created = |run: &NewRun| Ok(Submitted { id: run.id, created: true });
    let repeated = Ok(Submitted { id: first.id, created: false });
    assert_eq!(started.runs, [created(&fine), conflict("k"), repeated, created(&fresh), conflict("l")]);
    assert_eq!(ledger.admit(10, at(2)).await.unwrap().len(), 3);
}
