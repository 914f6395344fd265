//! Runs that go well.

use protocol::{RunState, TaskOutput, Workflow};
use serde_json::{Value, json};

use crate::harness::{First, Second, TestFleet, Third, deed};
use crate::world::World;

pub(crate) async fn each_task_sees_the_input_and_what_its_ancestors_left_behind(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, input| Box::pin(async move { Ok(json!({ "first": input["n"] })) })))
            .register::<Second>(deed(|ctx, _| {
                Box::pin(async move { Ok(json!({ "second": ctx.output::<First>().await?["first"] })) })
            }))
            .register::<Third>(deed(|ctx, input| {
                Box::pin(async move {
                    let (first, second) = (ctx.output::<First>().await?, ctx.output::<Second>().await?);
                    Ok(json!([input["n"], first["first"], second["second"]]))
                })
            }))
    })
    .await;
    let mut chain = Workflow::named("chain");
    let first = chain.task::<First>().add();
    let second = chain.task::<Second>().after(&first).add();
    let _ = chain.task::<Third>().after(&second).add();

    let run = fleet.run(&chain, json!({ "n": 7 })).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let third = record.run.tasks.iter().find(|task| task.task == "third").unwrap();
    assert_eq!(third.output, Some(protocol::Payload::Inline(json!([7, 7, 7]))));
    fleet.stop().await;
}

pub(crate) async fn an_output_too_large_for_a_message_travels_by_reference(world: &World) {
    let large = "x".repeat(3 * protocol::Payload::INLINE_LIMIT);
    let expected = large.len();
    let fleet = TestFleet::start(world, move |worker| {
        worker
            .register::<First>(deed(move |_, _| {
                let large = large.clone();
                Box::pin(async move { Ok(Value::String(large)) })
            }))
            .register::<Second>(deed(|ctx, _| {
                Box::pin(async move {
                    assert!(matches!(&ctx.job().outputs["first"], TaskOutput::One(protocol::Payload::Artifact(_))));
                    Ok(json!(ctx.output::<First>().await?.as_str().map(str::len)))
                })
            }))
    })
    .await;
    let mut chain = Workflow::named("chain");
    let first = chain.task::<First>().add();
    let _ = chain.task::<Second>().after(&first).add();

    let run = fleet.run(&chain, Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let second = record.run.tasks.iter().find(|task| task.task == "second").unwrap();
    assert_eq!(second.output, Some(protocol::Payload::Inline(json!(expected))));
    fleet.stop().await;
}

pub(crate) async fn an_idempotency_key_starts_one_run(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, input| Box::pin(async move { Ok(input) }))))
            .await;
    let mut single = Workflow::named("single");
    let _ = single.task::<First>().add();

    let run = fleet.run_once(&single, json!(1), Some("key")).await;
    let again = fleet.run_once(&single, json!(1), Some("key")).await;
    let other = fleet.run_once(&single, json!(1), Some("other key")).await;

    assert_eq!(run, again);
    assert_ne!(run, other);
    fleet.ends(run, RunState::Succeeded).await;
    fleet.ends(other, RunState::Succeeded).await;
    fleet.stop().await;
}

pub(crate) async fn a_hundred_runs_submitted_at_once_all_succeed_and_each_task_is_recorded_once(world: &World) {
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, input| Box::pin(async move { Ok(input) })))
            .register::<Second>(deed(|ctx, _| Box::pin(async move { Ok(ctx.output::<First>().await?) })))
    })
    .await;
    let mut chain = Workflow::named("chain");
    let first = chain.task::<First>().add();
    let _ = chain.task::<Second>().after(&first).add();

    let mut runs = Vec::new();
    for n in 0..100 {
        runs.push((n, fleet.run(&chain, json!(n)).await));
    }
    for (n, run) in runs {
        let record = fleet.ends(run, RunState::Succeeded).await;
        assert!(record.run.tasks.iter().all(|task| task.output == Some(protocol::Payload::Inline(json!(n)))));
        assert!(record.attempts.values().all(|attempts| attempts.len() == 1), "{:?}", record.attempts);
    }
    fleet.stop().await;
}
