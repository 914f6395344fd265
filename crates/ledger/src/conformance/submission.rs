//! Registering, submitting and admitting.

use protocol::RunState;
use serde_json::json;

use super::kit::{Subject, at, flow, look, new_run, single, start, tenant};
use crate::{Error, NewRun, Submitted};

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
