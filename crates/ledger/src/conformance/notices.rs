//! Ends of runs that somebody wants to be told about.

use protocol::{Outcome, RunState, TaskError};
use serde_json::json;

use super::kit::{Subject, at, done, ended, new_run, record, single};
use crate::{NewRun, Notice, Window};

async fn waiting(ledger: &Subject) -> Vec<Notice> {
    ledger.notices(100).await.unwrap()
}

/// A run that is to be told about waits for it from its end until somebody noted that it was; no other run does.
pub async fn the_end_of_a_run_waits_until_its_owner_was_told(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let told = NewRun { notify: true, ..new_run(json!(1)) };
    let (run, quiet) = (told.id, new_run(json!(2)));
    ledger.submit(vec![told, quiet], at(0)).await.unwrap();
    let jobs = ledger.admit(10, at(1)).await.unwrap();
    assert_eq!(waiting(&ledger).await, []);

    record(&ledger, jobs.iter().map(|job| done(job, json!("x"))).collect(), at(2)).await;
    let notice = waiting(&ledger).await;
    let expected = Notice {
        run,
        tenant: new_run(json!(1)).tenant,
        workflow: "flow".to_owned(),
        state: RunState::Succeeded,
        error: None,
        created_at: at(0),
        started_at: Some(at(1)),
        ended_at: at(2),
    };
    assert_eq!(notice, [expected]);

    ledger.clear_notices(&[run]).await.unwrap();
    ledger.clear_notices(&[run]).await.unwrap();
    assert_eq!(waiting(&ledger).await, []);
}

/// Whatever way a run ends, also without ever having started; the longest ended come first.
pub async fn every_way_to_end_is_told_in_the_order_of_the_ends(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let runs: Vec<NewRun> = (0..3).map(|number| NewRun { notify: true, ..new_run(json!(number)) }).collect();
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    let started = ledger.start(runs, &Window::of(2), at(0)).await.unwrap();
    assert_eq!(started.jobs.len(), 2);
    let cancel = engine::Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(ids[2], cancel)], at(1)).await.unwrap();
    let error = TaskError::permanent("broken", "It is broken.");
    let failed = ended(&started.jobs[1], Outcome::Fail { error: error.clone() });
    record(&ledger, vec![failed], at(2)).await;
    record(&ledger, vec![done(&started.jobs[0], json!("x"))], at(3)).await;

    let notices = waiting(&ledger).await;
    let told: Vec<_> = notices.iter().map(|notice| (notice.run, notice.state)).collect();
    let expected = [(ids[2], RunState::Cancelled), (ids[1], RunState::Failed), (ids[0], RunState::Succeeded)];
    assert_eq!(told, expected);
    assert_eq!(notices[0].started_at, None);
    assert_eq!(notices[1].error.as_ref().map(|error| error.code.as_str()), Some("broken"));
    assert_eq!(ledger.notices(1).await.unwrap().len(), 1);
}
