//! What callers see.

use protocol::answer::Usage;
use protocol::{RunId, RunState, TaskState};
use serde_json::json;

use super::kit::{Subject, at, done, look, new_run, record, retry, single, start, start_many, tenant, wake};
use crate::{NewRun, RunFilter};

/// Knowing an id is not enough.
pub async fn tenants_see_their_own_runs_alone(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    let run = NewRun { tenant: ours.clone(), ..new_run(json!(1)) };
    ledger.submit(vec![run.clone()], at(0)).await.unwrap();
    assert!(ledger.run(&theirs, run.id).await.unwrap().is_none());
    assert!(ledger.runs(&theirs, &RunFilter::all(), None, 10).await.unwrap().is_empty());
    assert_eq!(ledger.run(&ours, run.id).await.unwrap().unwrap().run.tenant, ours);
    assert_eq!(ledger.runs(&ours, &RunFilter::all(), None, 10).await.unwrap().len(), 1);
    assert!(ledger.run(&ours, RunId::new()).await.unwrap().is_none());
}

/// Page after page until none is left, each run once.
pub async fn a_list_is_paged_newest_first(ledger: Subject) {
    let (runs, jobs) = start_many(&ledger, &single(), 5).await;
    record(&ledger, vec![done(&jobs[4], json!(1))], at(9)).await;
    let owner = &jobs[0].tenant;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = ledger.runs(owner, &RunFilter::all(), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|run| run.id).collect::<Vec<_>>(), runs.into_iter().rev().collect::<Vec<_>>());
    let newest = &seen[0];
    assert_eq!((newest.workflow.as_str(), newest.state), ("flow", RunState::Succeeded));
    assert_eq!((newest.created_at, newest.ended_at), (at(0), Some(at(9))));
    assert_eq!((newest.count(TaskState::Succeeded), newest.count(TaskState::Queued)), (1, 0));
    assert_eq!((seen[1].count(TaskState::Succeeded), seen[1].count(TaskState::Queued)), (0, 1));
}

/// Failed tries cost money too.
pub async fn every_attempt_is_remembered_with_what_it_consumed(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    let mut failed = retry(&jobs[0]);
    failed.usage = Usage { calls: 1, input_tokens: 1_000, ..Usage::default() };
    record(&ledger, vec![failed.clone()], at(1)).await;
    let jobs = wake(&ledger, at(100)).await;
    let mut succeeded = done(&jobs[0], json!(1));
    succeeded.usage = Usage { calls: 2, input_tokens: 500, output_tokens: 70, pages: 3, ..Usage::default() };
    record(&ledger, vec![succeeded.clone()], at(101)).await;

    let record = look(&ledger, run).await;
    let usage = Usage { calls: 3, input_tokens: 1_500, output_tokens: 70, pages: 3, ..Usage::default() };
    assert_eq!(record.usage, usage);
    let [first, second] = &record.attempts[&jobs[0].task_run_id][..] else { panic!("{:?}", record.attempts) };
    assert_eq!((first.attempt, first.outcome.as_str(), &first.usage), (1, "retry", &failed.usage));
    assert_eq!(first.error.as_ref().map(|error| error.code.as_str()), Some("flaky"));
    assert_eq!((first.started_at, first.ended_at), (failed.started_at, failed.ended_at));
    assert_eq!((second.attempt, second.outcome.as_str(), &second.usage), (2, "done", &succeeded.usage));
    assert_eq!((second.worker.as_str(), &second.error), ("worker-1", &None));
}
