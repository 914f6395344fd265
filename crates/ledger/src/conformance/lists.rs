//! Lists of runs that have something in common.

use jiff::Timestamp;
use protocol::{RunId, RunState};
use serde_json::json;
use uuid::Builder;

use super::kit::{Subject, at, done, flow, new_run, record, single, tenant};
use crate::{NewRun, RunFilter};

/// An id as it would be chosen at that time.
fn id_at(time: Timestamp, number: u8) -> RunId {
    let millis = u64::try_from(time.as_millisecond()).unwrap();
    RunId::from_uuid(Builder::from_unix_timestamp_millis(millis, &[number; 10]).into_uuid())
}

/// One run a minute: 0 succeeded, 1 running, 2 cancelled, 3 and 4 queued; 4 is of another workflow, 3 has no key, and those
/// of even numbers end in `a_`. Another tenant has one too.
async fn five(ledger: &Subject) -> Vec<RunId> {
    ledger.register(&single()).await.unwrap();
    let mut other = flow(&[("x", &[])]);
    other.name = "other".to_owned();
    ledger.register(&other).await.unwrap();
    let mut runs = Vec::new();
    for number in 0..5_u8 {
        let time = at(60 * i64::from(number));
        let workflow = if number == 4 { "other" } else { "flow" }.to_owned();
        let idempotency_key = (number != 3).then(|| format!("of:{number}:{}", ["a_", "b"][usize::from(number % 2)]));
        let run = NewRun { id: id_at(time, number), workflow, idempotency_key, ..new_run(json!(number)) };
        runs.push(run.id);
        let theirs = NewRun { id: id_at(time, 100 + number), tenant: tenant("theirs"), ..new_run(json!(number)) };
        ledger.submit(vec![run, theirs], time).await.unwrap();
        if number < 2 {
            let jobs = ledger.admit(2, time).await.unwrap();
            let ours = jobs.iter().filter(|job| number == 0 && job.run_id == runs[0]);
            record(ledger, ours.map(|job| done(job, json!(1))).collect(), time).await;
        }
    }
    let cancel = engine::Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(runs[2], cancel)], at(400)).await.unwrap();
    runs
}

/// Everything that is named has to be so; nothing of another tenant is in it.
pub async fn a_list_holds_what_its_filter_means(ledger: Subject) {
    let runs = five(&ledger).await;
    let owner = protocol::TenantId::default_tenant();
    let in_states = |states: &[RunState]| RunFilter { states: states.to_vec(), ..RunFilter::all() };
    let of = |workflow: &str| RunFilter { workflow: Some(workflow.to_owned()), ..RunFilter::all() };
    let ending = |suffix: &str| RunFilter { key_suffix: Some(suffix.to_owned()), ..RunFilter::all() };
    let from = |seconds| RunFilter { created_after: Some(at(seconds)), ..RunFilter::all() };
    let until = |seconds| RunFilter { created_before: Some(at(seconds)), ..RunFilter::all() };
    let cases: [(&str, RunFilter, &[usize]); 15] = [
        ("all", RunFilter::all(), &[4, 3, 2, 1, 0]),
        ("succeeded", in_states(&[RunState::Succeeded]), &[0]),
        ("open", in_states(&[RunState::Running, RunState::Queued]), &[4, 3, 1]),
        ("unsuccessful", in_states(&[RunState::Failed, RunState::Cancelled]), &[2]),
        ("mixed", in_states(&[RunState::Succeeded, RunState::Cancelled, RunState::Queued]), &[4, 3, 2, 0]),
        ("a workflow", of("other"), &[4]),
        ("no such workflow", of("noth\0ing"), &[]),
        ("keys that end so", ending(":a_"), &[4, 2, 0]),
        ("others", ending(":b"), &[1]),
        ("no pattern", ending(":%"), &[]),
        ("longer than any key", ending(&"long".repeat(30)), &[]),
        ("from then on", from(120), &[4, 3, 2]),
        ("until then", until(120), &[1, 0]),
        ("a day", RunFilter { created_before: Some(at(86_400)), ..from(-86_400) }, &[4, 3, 2, 1, 0]),
        (
            "everything at once",
            RunFilter {
                workflow: Some("flow".to_owned()),
                created_before: Some(at(240)),
                ..in_states(&[RunState::Queued])
            },
            &[3],
        ),
    ];
    for (what, filter, expected) in cases {
        let found = ledger.runs(&owner, &filter, None, 10).await.unwrap();
        let found: Vec<RunId> = found.iter().map(|run| run.id).collect();
        assert_eq!(found, expected.iter().map(|place| runs[*place]).collect::<Vec<_>>(), "{what}");
    }
    let theirs = ledger.runs(&tenant("theirs"), &in_states(&[RunState::Cancelled]), None, 10).await.unwrap();
    assert!(theirs.is_empty());
}

/// Also when several indexes answer, each run comes once, and a run that is new meanwhile moves no page.
pub async fn a_filtered_list_is_paged_newest_first(ledger: Subject) {
    let runs = five(&ledger).await;
    let owner = protocol::TenantId::default_tenant();
    let states = vec![RunState::Succeeded, RunState::Running, RunState::Cancelled, RunState::Queued];
    let filter = RunFilter { states, created_before: Some(at(1_000)), ..RunFilter::all() };
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = ledger.runs(&owner, &filter, before, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|run| run.id));
        let late = NewRun { id: id_at(at(500), 200 + u8::try_from(seen.len()).unwrap()), ..new_run(json!(0)) };
        ledger.submit(vec![late], at(500)).await.unwrap();
    }
    assert_eq!(seen, runs.into_iter().rev().collect::<Vec<_>>());
}
