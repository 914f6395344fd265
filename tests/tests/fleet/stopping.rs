//! Cancelling runs, draining workers, and taking up what an earlier process left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::{RunState, TaskState, TenantId, Workflow};
use serde_json::{Value, json};

use crate::harness::{First, Second, TestFleet, deed, state_of};
use crate::world::World;

fn chain() -> Workflow {
    let mut flow = Workflow::named("chain");
    let first = flow.task::<First>().add();
    let _ = flow.task::<Second>().after(&first).add();
    flow
}

/// Counts how often it is dropped before its end.
struct Dropped(Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) async fn cancelling_stops_the_running_task_and_starts_no_other(world: &World) {
    let dropped = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&dropped);
    let fleet = TestFleet::start(world, move |worker| {
        worker
            .register::<First>(deed(move |_, _| {
                let guard = Dropped(Arc::clone(&count));
                Box::pin(async move {
                    let _guard = guard;
                    std::future::pending().await
                })
            }))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
    })
    .await;

    let run = fleet.run(&chain(), Value::Null).await;
    fleet.until(run, "it runs", |record| record.run.tasks[0].state == TaskState::Running).await;
    let state = fleet.fleet.cancel(&TenantId::default_tenant(), run, "no longer needed").await.unwrap();
    let record = fleet.ends(run, RunState::Cancelled).await;

    assert_eq!(state, Some(RunState::Cancelled));
    assert_eq!(state_of(&record, "first"), TaskState::Cancelled);
    assert_eq!(state_of(&record, "second"), TaskState::Cancelled);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "the handler was dropped");
    fleet.stop().await;
}

pub(crate) async fn a_run_that_has_ended_is_not_cancelled(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
    })
    .await;

    let run = fleet.run(&chain(), Value::Null).await;
    fleet.ends(run, RunState::Succeeded).await;
    let state = fleet.fleet.cancel(&TenantId::default_tenant(), run, "too late").await.unwrap();

    assert_eq!(state, Some(RunState::Succeeded));
    fleet.stop().await;
}

pub(crate) async fn a_run_past_its_deadline_fails(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(std::future::pending())))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
    })
    .await;

    let run = fleet.run(&chain().timeout(Duration::from_millis(100)), Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    assert_eq!(record.run.error.unwrap().code, "deadline_exceeded");
    fleet.stop().await;
}

pub(crate) async fn shutting_down_lets_a_running_task_finish(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|ctx, _| {
                Box::pin(async move {
                    ctx.stopping().cancelled().await;
                    Ok(json!("finished while draining"))
                })
            }))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
    })
    .await;
    let run = fleet.run(&chain(), Value::Null).await;
    fleet.until(run, "it runs", |record| record.run.tasks[0].state == TaskState::Running).await;
    fleet.stop().await;

    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(async { Ok(json!("repeated")) })))
            .register::<Second>(deed(|ctx, _| Box::pin(async move { Ok(ctx.output::<First>().await?) })))
    })
    .await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(record.run.tasks[0].attempt, 1);
    assert_eq!(record.run.tasks[1].output, Some(protocol::Payload::Inline(json!("finished while draining"))));
    fleet.stop().await;
}

pub(crate) async fn what_one_process_leaves_unfinished_the_next_one_finishes_without_repeating_finished_tasks(
    world: &World,
) {
    let firsts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&firsts);
    let fleet = TestFleet::start(world, move |worker| {
        worker
            .register::<First>(deed(move |_, _| {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(json!("once")) })
            }))
            .register::<Second>(deed(|_, _| Box::pin(std::future::pending())))
    })
    .await;
    let run = fleet.run(&chain(), Value::Null).await;
    fleet.until(run, "the second task runs", |record| record.run.tasks[1].state == TaskState::Running).await;
    fleet.stop().await;

    let count = Arc::clone(&firsts);
    let fleet = TestFleet::start(world, move |worker| {
        worker
            .register::<First>(deed(move |_, _| {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(json!("twice")) })
            }))
            .register::<Second>(deed(|ctx, _| Box::pin(async move { Ok(ctx.output::<First>().await?) })))
    })
    .await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(firsts.load(Ordering::SeqCst), 1);
    assert_eq!(record.run.tasks[1].output, Some(protocol::Payload::Inline(json!("once"))));
    assert_eq!(record.run.tasks[1].failures, 0, "a handed-back attempt is not a failure");
    fleet.stop().await;
}
