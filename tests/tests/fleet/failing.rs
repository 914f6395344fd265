//! Tasks that fail, hang, panic or wait, and what becomes of their runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::workflow::queues;
use protocol::{RunState, TaskError, TaskState, Workflow};
use serde_json::{Value, json};
use worker::Stop;

use crate::harness::{First, Second, Side, TestFleet, deed, state_of};
use crate::world::World;

fn single(describe: impl FnOnce(&mut protocol::TaskSpec)) -> Workflow {
    let mut flow = Workflow::named("single");
    let _ = flow.task::<First>().retry_delay(Duration::from_millis(20)).retries(2).add();
    describe(&mut flow.tasks[0]);
    flow
}

pub(crate) async fn a_passing_failure_is_tried_again_and_every_attempt_is_on_record(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                match ctx.job().attempt {
                    3 => Ok(json!({ "retries_left": ctx.job().retries_left })),
                    n => Err(TaskError::transient("not_yet", format!("attempt {n}")).into()),
                }
            })
        }))
    })
    .await;

    let run = fleet.run(&single(|_| {}), Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let task = &record.run.tasks[0];
    assert_eq!(task.output, Some(protocol::Payload::Inline(json!({ "retries_left": 0 }))));
    let outcomes: Vec<&str> = record.attempts[&task.id].iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["retry", "retry", "done"]);
    fleet.stop().await;
}

pub(crate) async fn a_final_failure_skips_what_depends_on_it_and_nothing_else(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| {
                Box::pin(async { Err(TaskError::permanent("file_corrupt", "it is broken").into()) })
            }))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
            .register::<Side>(deed(|_, _| Box::pin(async { Ok(json!("done")) })))
    })
    .await;
    let mut flow = Workflow::named("branches");
    let first = flow.task::<First>().add();
    let _ = flow.task::<Second>().after(&first).add();
    let _ = flow.task::<Side>().add();

    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    assert_eq!(state_of(&record, "first"), TaskState::Failed);
    assert_eq!(state_of(&record, "second"), TaskState::Skipped);
    assert_eq!(state_of(&record, "side"), TaskState::Succeeded);
    assert_eq!(record.run.error.unwrap().code, "file_corrupt");
    fleet.stop().await;
}

pub(crate) async fn a_tolerated_failure_is_shown_to_descendants_and_does_not_fail_the_run(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| {
                Box::pin(async { Err(TaskError::permanent("judge_away", "no judge").into()) })
            }))
            .register::<Second>(deed(|ctx, _| {
                Box::pin(async move { Ok(json!(ctx.error_of::<First>().map(|error| error.code.clone()))) })
            }))
    })
    .await;
    let mut flow = Workflow::named("tolerant");
    let first = flow.task::<First>().tolerate_failure().add();
    let _ = flow.task::<Second>().after(&first).add();

    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(record.run.tasks[1].output, Some(protocol::Payload::Inline(json!("judge_away"))));
    fleet.stop().await;
}

pub(crate) async fn a_panic_costs_one_attempt_and_not_the_worker(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                assert!(ctx.job().attempt > 1, "the first attempt panics");
                Ok(Value::Null)
            })
        }))
    })
    .await;

    let run = fleet.run(&single(|_| {}), Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let first = &record.attempts[&record.run.tasks[0].id][0];
    let error = first.error.as_ref().unwrap();
    assert_eq!(error.code, "handler_panicked");
    assert!(error.message.contains("the first attempt panics"), "{error}");
    fleet.stop().await;
}

pub(crate) async fn a_handler_that_hangs_is_stopped_at_its_hard_limit(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, _| Box::pin(std::future::pending())))).await;

    let flow = single(|task| {
        task.timeouts.hard = Duration::from_millis(50);
        task.retry.max_attempts = 1;
    });
    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    assert_eq!(record.run.error.unwrap().code, "timeout_hard");
    fleet.stop().await;
}

pub(crate) async fn the_soft_limit_tells_and_extra_time_moves_the_hard_one(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                ctx.extend(Duration::from_secs(30));
                ctx.stopping().cancelled().await;
                // Well past the hard limit that the workflow gave.
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(json!("ended in time"))
            })
        }))
    })
    .await;

    let flow = single(|task| {
        task.timeouts.soft = Some(Duration::from_millis(20));
        task.timeouts.hard = Duration::from_millis(100);
    });
    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(record.run.tasks[0].attempt, 1);
    fleet.stop().await;
}

pub(crate) async fn a_snooze_counts_against_nothing_and_keeps_its_state(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                let looks = ctx.state()["looks"].as_u64().unwrap_or(0);
                if looks == 5 {
                    return Ok(json!(looks));
                }
                Err(Stop::Snooze { after: Duration::from_millis(10), state: json!({ "looks": looks + 1 }) })
            })
        }))
    })
    .await;

    let run = fleet.run(&single(|task| task.retry.max_attempts = 1), Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(record.run.tasks[0].output, Some(protocol::Payload::Inline(json!(5))));
    assert_eq!(record.run.tasks[0].failures, 0);
    fleet.stop().await;
}

pub(crate) async fn a_task_nobody_here_serves_fails_by_name_after_its_attempts(world: &World) {
    let fleet = TestFleet::start(world, |worker| worker).await;

    let run = fleet.run(&single(|_| {}), Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    let error = record.run.error.unwrap();
    assert_eq!(error.code, "task_not_served");
    assert!(error.message.contains("\"first\""), "{error}");
    fleet.stop().await;
}

pub(crate) async fn an_unreadable_message_goes_to_the_dead_letters_with_its_reason(world: &World) {
    let fleet = TestFleet::start(world, |worker| worker).await;

    fleet.publish_raw(queues::DEFAULT, b"not a job").await;
    fleet.publish_raw(queues::CALLBACKS, b"{\"v\":1}").await;
    fleet.queues_empty().await;

    let mut dead = fleet.broker.consume(queues::DEAD_LETTER, 10).await.unwrap();
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let letter = dead.next().await.unwrap();
        let why = |reason: &String| reason.contains("not readable") || reason.contains("malformed");
        assert!(letter.message.headers.values().any(why), "{:?}", letter.message.headers);
        bodies.push(String::from_utf8(letter.message.body.clone()).unwrap());
        letter.settle(broker::Verdict::Ack).await.unwrap();
    }
    bodies.sort();
    assert_eq!(bodies, ["not a job", "{\"v\":1}"]);
    drop(dead);
    fleet.stop().await;
}

pub(crate) async fn a_duplicate_of_a_live_attempt_is_dropped(world: &World) {
    let (started, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (count, wait) = (Arc::clone(&started), Arc::clone(&gate));
    let fleet = TestFleet::start(world, move |worker| {
        worker
            .register::<First>(deed(move |_, _| {
                let (count, wait) = (Arc::clone(&count), Arc::clone(&wait));
                Box::pin(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    wait.acquire().await.expect("the gate stays open").forget();
                    Ok(Value::Null)
                })
            }))
            .register::<Second>(deed(|_, _| Box::pin(async { Ok(Value::Null) })))
    })
    .await;
    let mut after = Workflow::named("after");
    let _ = after.task::<Second>().add();

    let run = fleet.run(&single(|_| {}), Value::Null).await;
    let record = fleet.until(run, "it runs", |record| record.run.tasks[0].state == TaskState::Running).await;
    let job = record.run.task_run(record.run.tasks[0].id).cloned().unwrap();
    let mut queued = record.run.clone();
    queued.tasks[0] = engine::TaskRun { state: TaskState::Queued, ..job };
    let job = queued.job(queued.tasks[0].id, &record.input).unwrap();
    fleet.publish_raw(queues::DEFAULT, &protocol::wire::encode(&job)).await;
    // Behind the copy in the same line; once it has ended, the copy is in hand or settled already.
    let behind = fleet.run(&after, Value::Null).await;
    fleet.until(behind, "it ends", |record| record.run.state == RunState::Succeeded).await;
    fleet.until_queue(queues::DEFAULT, "the original alone is in hand", |depth| depth.ready + depth.unacked == 1).await;
    gate.add_permits(2);
    fleet.ends(run, RunState::Succeeded).await;

    assert_eq!(started.load(Ordering::SeqCst), 1);
    fleet.stop().await;
}
