//! Queues that only some workflow names, and workers that share a queue without serving the same tasks.

use std::collections::BTreeSet;

use protocol::{RunState, Workflow};
use serde_json::{Value, json};

use crate::harness::{First, Second, TestFleet, deed, state_of};
use crate::world::World;

/// Not one of the queues that every fleet has.
pub(crate) const OWN: &str = "invoices";

/// One that exists with other properties than the fleet wants.
const REFUSED: &str = "foreign";

/// One task on a queue of its own, then one on the default queue.
fn there_and_back() -> Workflow {
    let mut flow = Workflow::named("there-and-back");
    let there = flow.task::<First>().queue(OWN).add();
    let _ = flow.task::<Second>().after(&there).add();
    flow
}

pub(crate) async fn a_task_on_a_queue_of_its_own_is_done_by_whoever_serves_that_queue(world: &World) {
    let stock = |worker: worker::Builder| worker.register::<Second>(deed(|_, _| Box::pin(async { Ok(json!("back")) })));
    let mut fleet = TestFleet::start(world, stock).await;
    let own = fleet
        .add_worker(&[OWN], |worker| worker.register::<First>(deed(|_, input| Box::pin(async move { Ok(input) }))));

    let run = fleet.run(&there_and_back(), json!(7)).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let first = record.run.tasks.iter().find(|task| task.task == "first").unwrap();
    assert_eq!(record.attempts[&first.id][0].worker, own);
    assert!(fleet.broker.queues().contains(&OWN.to_owned()));
    fleet.stop().await;
}

pub(crate) async fn a_job_on_a_queue_that_nobody_serves_waits_for_a_worker_that_starts_later(world: &World) {
    let stock = |worker: worker::Builder| worker.register::<Second>(deed(|_, input| Box::pin(async { Ok(input) })));
    let mut fleet = TestFleet::start(world, stock).await;

    let run = fleet.run(&there_and_back(), Value::Null).await;
    fleet.until_queue_exists(OWN).await;
    fleet.until_queue(OWN, "the job is in it", |depth| depth.ready == 1).await;
    assert_eq!(state_of(&fleet.record(run).await, "first").as_str(), "queued");
    fleet.add_worker(&[OWN], |worker| worker.register::<First>(deed(|_, input| Box::pin(async { Ok(input) }))));

    fleet.ends(run, RunState::Succeeded).await;
    fleet.stop().await;
}

pub(crate) async fn workers_that_share_a_queue_pass_on_what_the_other_one_serves(world: &World) {
    let second = |worker: worker::Builder| worker.register::<Second>(deed(|_, input| Box::pin(async { Ok(input) })));
    let mut fleet = TestFleet::start(world, second).await;
    let first = |worker: worker::Builder| worker.register::<First>(deed(|_, input| Box::pin(async { Ok(input) })));
    let own = fleet.add_worker(&[protocol::workflow::queues::DEFAULT], first);
    let mut flow = Workflow::named("shared");
    let one = flow.task::<First>().add();
    let _ = flow.task::<Second>().after(&one).add();

    let mut runs = Vec::new();
    for number in 0..30 {
        runs.push(fleet.run(&flow, json!(number)).await);
    }
    let mut workers = BTreeSet::new();
    for run in runs {
        let record = fleet.ends(run, RunState::Succeeded).await;
        for task in &record.run.tasks {
            let attempts = &record.attempts[&task.id];
            assert_eq!(attempts.len(), 1, "being passed on is no attempt: {attempts:?}");
            assert_eq!(task.task == "first", attempts[0].worker == own, "{attempts:?}");
            workers.insert(attempts[0].worker.clone());
        }
    }
    assert_eq!(workers.len(), 2);
    fleet.stop().await;
}

pub(crate) async fn a_queue_that_the_broker_refuses_fails_its_tasks_and_holds_up_no_others(world: &World) {
    let stock = |worker: worker::Builder| {
        worker
            .register::<First>(deed(|_, input| Box::pin(async { Ok(input) })))
            .register::<Second>(deed(|_, input| Box::pin(async { Ok(input) })))
    };
    let fleet = TestFleet::start(world, stock).await;
    world.make_foreign_queue(REFUSED).await;
    let mut bad = Workflow::named("bad");
    let _ = bad.task::<First>().queue(REFUSED).add();
    let mut good = Workflow::named("good");
    let _ = good.task::<Second>().add();

    let bad = fleet.run(&bad, Value::Null).await;
    let good = fleet.run(&good, Value::Null).await;

    let failed = fleet.ends(bad, RunState::Failed).await;
    let error = failed.run.error.unwrap();
    assert_eq!(error.code, "queue_unusable");
    assert!(error.message.contains("\"first\"") && error.message.contains(REFUSED), "{error}");
    fleet.ends(good, RunState::Succeeded).await;
    fleet.stop().await;
}
