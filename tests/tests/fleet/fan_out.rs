//! One task per item of a list, and a task over all their results.

use std::time::Duration;

use protocol::{RunState, TaskError, TaskState, Workflow};
use serde_json::{Value, json};

use crate::harness::{First, Second, TestFleet, Third, deed, state_of};
use crate::world::World;

/// `first` makes a list, `second` runs once per item, `third` sees all results.
fn map_and_join() -> Workflow {
    let mut flow = Workflow::named("map-and-join");
    let first = flow.task::<First>().add();
    let second = flow.task::<Second>().map_over(&first).retries(0).add();
    let _ = flow.task::<Third>().after(&second).add();
    flow
}

async fn fleet(world: &World) -> TestFleet {
    TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, input| {
                Box::pin(async move { Ok((0..input.as_u64().unwrap_or(0)).collect::<Value>()) })
            }))
            .register::<Second>(deed(|_, item| {
                Box::pin(async move {
                    match item.as_u64() {
                        Some(13) => Err(TaskError::permanent("unlucky", "item 13").into()),
                        n => Ok(json!(n.map(|n| n * n))),
                    }
                })
            }))
            .register::<Third>(deed(|ctx, _| Box::pin(async move { Ok(json!(ctx.outputs::<Second>().await?)) })))
    })
    .await
}

pub(crate) async fn results_of_a_mapped_task_arrive_in_the_order_of_the_list(world: &World) {
    let fleet = fleet(world).await;

    let run = fleet.run(&map_and_join(), json!(12)).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let third = record.run.tasks.iter().find(|task| task.task == "third").unwrap();
    let squares: Vec<u64> = (0..12).map(|n| n * n).collect();
    assert_eq!(third.output, Some(protocol::Payload::Inline(json!(squares))));
    fleet.stop().await;
}

pub(crate) async fn ten_thousand_children_are_joined_in_their_order(world: &World) {
    const CHILDREN: u64 = 10_000;
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(async move { Ok((0..CHILDREN).collect::<Value>()) })))
            .register::<Second>(deed(|_, item| Box::pin(async move { Ok(item) })))
            .register::<Third>(deed(|ctx, _| {
                Box::pin(async move {
                    let items = ctx.outputs::<Second>().await?;
                    let in_order = items.iter().enumerate().all(|(place, item)| *item == json!(place));
                    Ok(json!({ "items": items.len(), "in_order": in_order }))
                })
            }))
    })
    .await;

    let run = fleet.run(&map_and_join(), json!(null)).await;
    fleet.has_ended(run, Duration::from_secs(150)).await;

    let record = fleet.ends(run, RunState::Succeeded).await;
    let third = record.run.tasks.iter().find(|task| task.task == "third").unwrap();
    assert_eq!(third.output, Some(protocol::Payload::Inline(json!({ "items": CHILDREN, "in_order": true }))));
    let recorded_once = record.attempts.values().all(|attempts| attempts.len() == 1);
    assert!(recorded_once && record.attempts.len() == 10_002, "{} task runs have attempts", record.attempts.len());
    fleet.stop().await;
}

pub(crate) async fn an_empty_list_is_joined_at_once(world: &World) {
    let fleet = fleet(world).await;

    let run = fleet.run(&map_and_join(), json!(0)).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(record.run.tasks.len(), 3);
    fleet.stop().await;
}

pub(crate) async fn a_child_that_fails_for_good_fails_the_join(world: &World) {
    let fleet = fleet(world).await;

    let run = fleet.run(&map_and_join(), json!(20)).await;
    let record = fleet.ends(run, RunState::Failed).await;

    assert_eq!(state_of(&record, "second"), TaskState::Failed);
    assert_eq!(state_of(&record, "third"), TaskState::Skipped);
    assert_eq!(record.run.error.unwrap().code, "unlucky");
    fleet.stop().await;
}

pub(crate) async fn a_thousand_children_complete(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(async { Ok((0..1000).collect::<Value>()) })))
            .register::<Second>(deed(|_, item| Box::pin(async move { Ok(item) })))
            .register::<Third>(deed(|ctx, _| Box::pin(async move { Ok(json!(ctx.outputs::<Second>().await?.len())) })))
    })
    .await;

    let run = fleet.run(&map_and_join(), Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let third = record.run.tasks.iter().find(|task| task.task == "third").unwrap();
    assert_eq!(third.output, Some(protocol::Payload::Inline(json!(1000))));
    fleet.stop().await;
}
