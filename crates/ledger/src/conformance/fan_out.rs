//! Tasks that run once per item of a list.

use engine::Event;
use protocol::{Payload, RunState, TaskOutput, Workflow};
use serde_json::json;

use super::kit::{Subject, at, done, flow, inline, listed, look, record, start};

/// `list`, `each` per item, `sum` over the results.
pub(super) fn map_and_sum() -> Workflow {
    let mut flow = flow(&[("list", &[]), ("each", &["list"]), ("sum", &["each"])]);
    flow.tasks[1].map_over = Some("list".to_owned());
    flow
}

/// Nothing, one or a thousand items; the children end in any order, the results keep the list's.
pub async fn a_list_of_any_length_is_mapped_and_collected_in_order(ledger: Subject) {
    for items in [0, 1, 1_000] {
        let (run, jobs) = start(&ledger, &map_and_sum()).await;
        let mut ready = record(&ledger, vec![listed(&jobs[0], items)], at(1)).await;
        if items > 0 {
            let indexes: Vec<Option<u32>> = ready.iter().map(|job| job.index).collect();
            assert_eq!(indexes, (0..items).map(Some).collect::<Vec<_>>());
            ready.sort_by_key(|job| job.index.map(|index| index.wrapping_mul(7_919) % 1_009));
            let mut collected = Vec::new();
            for batch in ready.chunks(300) {
                let callbacks = batch.iter().map(|job| done(job, json!({ "item": job.index }))).collect();
                collected.extend(record(&ledger, callbacks, at(2)).await);
            }
            ready = collected;
        }
        let expected: Vec<Payload> = (0..items).map(|item| inline(json!({ "item": item }))).collect();
        assert_eq!(ready.len(), 1, "sum is released once for {items} items");
        assert_eq!(ready[0].outputs["each"], TaskOutput::Many(expected));
        record(&ledger, vec![done(&ready[0], json!(items))], at(3)).await;
        assert_eq!(look(&ledger, run).await.run.state, RunState::Succeeded);
    }
}

/// Children are stored where they stand: a later event finds them unchanged.
pub async fn an_event_can_come_between_the_children_of_a_mapped_task(ledger: Subject) {
    let (run, jobs) = start(&ledger, &map_and_sum()).await;
    let children = record(&ledger, vec![listed(&jobs[0], 3)], at(1)).await;
    record(&ledger, vec![done(&children[2], json!(2))], at(2)).await;
    let cancel = Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(run, cancel)], at(3)).await.unwrap();
    let states: Vec<(&str, Option<u32>, &str)> = look(&ledger, run)
        .await
        .run
        .tasks
        .iter()
        .map(|task_run| {
            (if task_run.index.is_some() { "child" } else { "head" }, task_run.index, task_run.state.as_str())
        })
        .collect();
    let expected = [
        ("head", None, "succeeded"),
        ("head", None, "cancelled"),
        ("head", None, "cancelled"),
        ("child", Some(0), "cancelled"),
        ("child", Some(1), "cancelled"),
        ("child", Some(2), "succeeded"),
    ];
    assert_eq!(states, expected);
}
