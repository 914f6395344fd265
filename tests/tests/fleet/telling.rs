//! What is told about a run, and in which order it can be read.

use std::time::Duration;

use protocol::{LifecycleEvent, RunEvent, RunId, RunState, TenantId, Workflow};
use serde_json::json;

use crate::harness::{First, Second, TestFleet, deed};
use crate::world::World;

/// How long events may take to be on record.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) async fn what_handlers_log_is_on_record_in_order_and_so_are_the_ends_of_tasks_and_run(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|ctx, _| {
                Box::pin(async move {
                    for line in ["one", "two", "three"] {
                        ctx.log("info", line);
                    }
                    Ok(json!(1))
                })
            }))
            .register::<Second>(deed(|ctx, _| {
                Box::pin(async move {
                    ctx.log("warn", "four");
                    Ok(json!(2))
                })
            }))
    })
    .await;
    let mut chain = Workflow::named("chain");
    let first = chain.task::<First>().add();
    let _ = chain.task::<Second>().after(&first).add();
    let run = fleet.run(&chain, json!(null)).await;
    fleet.ends(run, RunState::Succeeded).await;

    let is_complete = |events: &[RunEvent]| {
        let ended = |task| events.iter().any(|event| event.task.as_deref() == Some(task) && ended_well(event));
        ended("first") && ended("second") && events.iter().any(is_end_of_run)
    };
    let events = told(&fleet, run, is_complete).await;
    let lines: Vec<&str> = events.iter().filter_map(log_line).collect();
    assert_eq!(lines, ["one", "two", "three", "four"]);
    assert!(events.is_sorted_by(|one, other| one.seq < other.seq), "{events:?}");
    fleet.stop().await;
}

/// What is on record of a run, once that is as described.
async fn told(fleet: &TestFleet, run: RunId, holds: impl Fn(&[RunEvent]) -> bool) -> Vec<RunEvent> {
    let started = tokio::time::Instant::now();
    loop {
        let found = fleet.fleet.events(&TenantId::default_tenant(), run, 0, 10_000).await.unwrap().unwrap();
        if holds(&found.events) {
            return found.events;
        }
        assert!(started.elapsed() < PATIENCE, "something was not told: {:#?}", found.events);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn log_line(event: &RunEvent) -> Option<&str> {
    match &event.what {
        LifecycleEvent::Log { message, .. } => Some(message),
        _ => None,
    }
}

fn ended_well(event: &RunEvent) -> bool {
    matches!(&event.what, LifecycleEvent::Ended { state, .. } if state == "succeeded")
}

fn is_end_of_run(event: &RunEvent) -> bool {
    matches!(event.what, LifecycleEvent::RunEnded { state: RunState::Succeeded })
}
