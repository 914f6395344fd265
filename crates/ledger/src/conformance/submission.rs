//! Registering, submitting and admitting.

use protocol::{RunId, RunState, TenantId, Workflow};
use serde_json::json;

use super::fan_out::map_and_sum;
use super::kit::{Subject, at, done, flow, listed, look, new_run, outbox, record, single, start, states, tenant};
use crate::{Error, Line, NewRun, Share, Submitted, Window};

fn keyed(key: &str, number: u32) -> NewRun {
    NewRun { idempotency_key: Some(key.to_owned()), ..new_run(json!({ "number": number })) }
}

/// The same key again, in the same or a later call, names the first run; other tenants have keys of their own.
pub async fn a_key_records_one_run_per_tenant(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let (first, again, later) = (keyed("k", 1), keyed("k", 1), keyed("k", 1));
    let other_tenant = NewRun { tenant: tenant("other"), ..keyed("k", 2) };
    let (id, other_id) = (first.id, other_tenant.id);

    let submitted = ledger.submit(vec![first, again], at(0)).await.unwrap();
    assert_eq!(submitted, [Submitted { id, created: true }, Submitted { id, created: false }]);
    let submitted = ledger.submit(vec![later, other_tenant], at(1)).await.unwrap();
    assert_eq!(submitted, [Submitted { id, created: false }, Submitted { id: other_id, created: true }]);
    assert_eq!(ledger.admit(10, at(2)).await.unwrap().len(), 2);
}

/// A key that meant another input is an error, and nothing of that call is recorded.
pub async fn a_key_used_for_something_else_is_refused(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    ledger.submit(vec![keyed("k", 1)], at(0)).await.unwrap();
    let refused = ledger.submit(vec![new_run(json!(0)), keyed("k", 2)], at(1)).await;
    assert!(matches!(&refused, Err(Error::IdempotencyConflict(key)) if key == "k"), "{refused:?}");
    assert_eq!(ledger.admit(10, at(2)).await.unwrap().len(), 1);
}

/// Keys are looked up without a submission, each tenant's own.
pub async fn keys_name_the_runs_that_they_started(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let (first, second) = (keyed("a", 1), keyed("b", 2));
    let foreign = NewRun { tenant: tenant("other"), ..keyed("c", 3) };
    let expected = [("a".to_owned(), first.id), ("b".to_owned(), second.id)];
    ledger.submit(vec![first, second, foreign, new_run(json!(4))], at(0)).await.unwrap();

    let keys = ["a", "b", "c", "d"].map(str::to_owned);
    let default = TenantId::default_tenant();
    assert_eq!(ledger.runs_by_key(&default, &keys).await.unwrap(), expected.into_iter().collect());
    assert!(ledger.runs_by_key(&default, &[]).await.unwrap().is_empty());
}

/// One call records them all, in order.
pub async fn a_thousand_runs_are_submitted_at_once(ledger: Subject) {
    ledger.register(&flow(&[("a", &[]), ("b", &["a"])])).await.unwrap();
    let runs: Vec<NewRun> = (0..1_000).map(|number| keyed(&format!("key-{number}"), number)).collect();
    let submitted = ledger.submit(runs.clone(), at(0)).await.unwrap();
    let expected: Vec<Submitted> = runs.iter().map(|run| Submitted { id: run.id, created: true }).collect();
    assert_eq!(submitted, expected);

    let last = look(&ledger, runs[999].id).await;
    assert_eq!(last.input, runs[999].input);
    assert_eq!((last.run.state, last.run.created_at), (RunState::Queued, at(0)));
    let tasks: Vec<&str> = last.run.tasks.iter().map(|task_run| task_run.task.as_str()).collect();
    assert_eq!(tasks, ["a", "b"]);
    assert_eq!(ledger.admit(2_000, at(1)).await.unwrap().len(), 1_000);
}

/// Nobody can run it.
pub async fn an_unknown_workflow_is_refused(ledger: Subject) {
    let refused = ledger.submit(vec![new_run(json!(0))], at(0)).await;
    assert!(matches!(&refused, Err(Error::UnknownWorkflow(name)) if name == "flow"), "{refused:?}");
}

/// A version never changes its tasks; a run keeps the version it was submitted with.
pub async fn a_changed_workflow_needs_another_version(ledger: Subject) {
    let (old, _) = start(&ledger, &single()).await;
    let mut changed = flow(&[("only", &[]), ("more", &["only"])]);
    let refused = ledger.register(&changed).await;
    assert!(matches!(&refused, Err(Error::WorkflowChanged { version: 1, .. })), "{refused:?}");
    ledger.register(&single()).await.expect("the same again is harmless");

    changed.version = 2;
    let (new, _) = start(&ledger, &changed).await;
    ledger.register(&single()).await.expect("the older version is still known");
    assert_eq!(look(&ledger, old).await.run.workflow.version, 1);
    assert_eq!(look(&ledger, new).await.run.workflow.version, 2);
}

/// What a submission would use now.
pub async fn workflows_are_listed_in_their_latest_version(ledger: Subject) {
    assert!(ledger.workflows().await.unwrap().is_empty());
    assert_eq!(ledger.workflow("flow").await.unwrap(), None);
    let (old, new) = (single(), Workflow { version: 2, ..flow(&[("a", &[]), ("b", &["a"])]) });
    let other = Workflow { name: "Another".to_owned(), ..single() };
    for workflow in [&new, &old, &other] {
        ledger.register(workflow).await.unwrap();
    }

    let listed: Vec<Workflow> = ledger.workflows().await.unwrap().iter().map(|one| (**one).clone()).collect();
    assert_eq!(listed, [other, new.clone()]);
    assert_eq!(ledger.workflow("flow").await.unwrap().as_deref(), Some(&new));
    assert_eq!(ledger.workflow("nothing").await.unwrap(), None);
}

/// First come, first served.
pub async fn runs_are_admitted_oldest_first_up_to_the_limit(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let runs: Vec<NewRun> = (0..5).map(|number| new_run(json!(number))).collect();
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|place: usize| runs[place].clone());
    let in_order = runs.iter().map(|run| run.id).collect::<Vec<_>>();
    ledger.submit(vec![a, b], at(0)).await.unwrap();
    ledger.submit(vec![c, d], at(1)).await.unwrap();
    ledger.submit(vec![e], at(2)).await.unwrap();

    let mut admitted = Vec::new();
    for count in [2, 2, 1, 0] {
        let jobs = ledger.admit(2, at(3)).await.unwrap();
        assert_eq!(jobs.len(), count);
        admitted.extend(jobs.iter().map(|job| job.run_id));
    }
    assert_eq!(admitted, in_order);
    assert_eq!(look(&ledger, in_order[0]).await.run.started_at, Some(at(3)));
}

/// Without competition a submission is released in the same step, as far as the window allows; its repetition is not.
pub async fn a_submission_without_competition_is_released_at_once(ledger: Subject) {
    ledger.register(&flow(&[("a", &[]), ("b", &["a"])])).await.unwrap();
    let first = keyed("k", 1);
    let started = ledger.start(vec![first.clone(), new_run(json!(2))], &Window::of(2), at(0)).await.unwrap();
    assert_eq!(started.submitted.iter().filter(|submitted| submitted.created).count(), 2);
    assert_eq!(started.jobs.len(), 2);
    let mut released = started.jobs.clone();
    released.sort_by_key(|job| job.task_run_id);
    assert_eq!(outbox(&ledger).await, released, "the outbox holds what was released until it is marked");
    let record_of_first = look(&ledger, first.id).await;
    assert_eq!((record_of_first.run.state, record_of_first.run.started_at), (RunState::Running, Some(at(0))));
    assert_eq!(states(&record_of_first), [("a".to_owned(), "queued"), ("b".to_owned(), "blocked")].into());

    let repeated =
        ledger.start(vec![NewRun { id: RunId::new(), ..first.clone() }], &Window::of(10), at(1)).await.unwrap();
    assert_eq!(repeated.submitted, [Submitted { id: first.id, created: false }]);
    assert_eq!(repeated.jobs, []);

    let ready = record(&ledger, started.jobs.iter().map(|job| done(job, json!(1))).collect(), at(2)).await;
    record(&ledger, ready.iter().map(|job| done(job, json!(2))).collect(), at(3)).await;
    assert_eq!(look(&ledger, first.id).await.run.state, RunState::Succeeded);
}

/// What is handed out and not ended fills the window; who comes later stands in line, and nobody passes it.
pub async fn a_full_window_keeps_runs_in_line(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let runs = |count: usize| (0..count).map(|number| new_run(json!(number))).collect::<Vec<_>>();
    let empty = Line { waiting: false, room: 3 };
    assert_eq!(ledger.line(&Window::of(3)).await.unwrap(), empty);
    let started = ledger.start(runs(5), &Window::of(3), at(0)).await.unwrap();
    assert_eq!(started.jobs.len(), 3);
    assert_eq!(ledger.line(&Window::of(3)).await.unwrap(), Line { waiting: true, room: 0 });
    assert_eq!(ledger.line(&Window::of(2)).await.unwrap(), Line { waiting: true, room: 0 }, "a window may shrink");

    record(&ledger, vec![done(&started.jobs[0], json!(0))], at(1)).await;
    assert_eq!(ledger.line(&Window::of(3)).await.unwrap(), Line { waiting: true, room: 1 });
    let late = runs(1);
    let late_id = late[0].id;
    let jobs = ledger.start(late, &Window::of(3), at(2)).await.unwrap().jobs;
    assert!(jobs.iter().all(|job| job.run_id != late_id), "it passed those who stand in line");
    record(&ledger, started.jobs[1..].iter().chain(&jobs).map(|job| done(job, json!(0))).collect(), at(3)).await;
    let room = ledger.line(&Window::of(10)).await.unwrap().room;
    let rest = ledger.admit(room, at(4)).await.unwrap();
    assert_eq!(jobs.len() + rest.len(), 3);
    assert_eq!(ledger.line(&Window::of(10)).await.unwrap(), Line { waiting: false, room: 10 - rest.len() });
}

/// Of a tenant with a limit no more runs are released than it may have.
pub async fn a_limit_holds_for_what_is_released_at_once(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let share = Share { max_concurrent: Some(1), ..Share::default() };
    ledger.set_share(&TenantId::default_tenant(), share).await.unwrap();
    let started = ledger.start(vec![new_run(json!(1)), new_run(json!(2))], &Window::of(10), at(0)).await.unwrap();
    assert_eq!(started.jobs.len(), 1);
    record(&ledger, vec![done(&started.jobs[0], json!(1))], at(1)).await;
    assert!(ledger.line(&Window::of(10)).await.unwrap().waiting);
    assert_eq!(ledger.admit(10, at(2)).await.unwrap().len(), 1);
}

/// Children of a mapped task leave room for other runs: their own run is under way, whatever its width.
pub async fn children_of_mapped_tasks_do_not_fill_the_window(ledger: Subject) {
    let (_, jobs) = start(&ledger, &map_and_sum()).await;
    assert_eq!(ledger.line(&Window::of(2)).await.unwrap().room, 1);
    let children = record(&ledger, vec![listed(&jobs[0], 10)], at(1)).await;
    assert_eq!(children.len(), 10);
    assert_eq!(ledger.line(&Window::of(2)).await.unwrap().room, 2);
}

/// Tasks that wait where nobody works keep nobody from being released.
pub async fn what_nobody_serves_does_not_fill_the_window(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let mut other = single();
    other.name = "other".to_owned();
    ledger.register(&other).await.unwrap();
    let stuck = (0..3).map(|number| NewRun { workflow: "other".to_owned(), ..new_run(json!(number)) }).collect();
    assert_eq!(ledger.start(stuck, &Window::of(3), at(0)).await.unwrap().jobs.len(), 3);
    assert_eq!(ledger.line(&Window::of(3)).await.unwrap().room, 0);
    let window = Window { tasks: 3, unserved: vec!["other".to_owned()] };
    assert_eq!(ledger.line(&window).await.unwrap().room, 3);
    let started = ledger.start(vec![new_run(json!(0))], &window, at(1)).await.unwrap();
    assert_eq!(started.jobs.len(), 1);
    assert_eq!(ledger.line(&window).await.unwrap().room, 2);
}
