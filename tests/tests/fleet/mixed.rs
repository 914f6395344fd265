//! Steps in Python and steps in Rust in one run: a real Celery worker, whose tasks know nothing of the fleet, beside ours.

use std::time::Duration;

use protocol::workflow::{Arguments, CeleryTask, queues};
use protocol::{Backend, Payload, RunState, Task, TaskState, Workflow};
use serde_json::{Value, json};
use specs::CeleryBerth;
use specs::peer::{Peer, celery_worker};

use crate::harness::{First, Second, TestFleet, Third, deed, state_of, task};
use crate::world::World;

task!(Enrich, "enrich");
task!(Book, "book");
task!(Gather, "gather");

/// A Celery worker with one slot, once it takes tasks.
async fn python(berth: &CeleryBerth) -> Peer {
    let queue = berth.python();
    let mut command = celery_worker("mixed", &format!("python@{queue}"), &queue, 1);
    command.env("SPEC_AMQP", berth.settings().celery_url.as_deref().unwrap_or_default()).env("SPEC_QUEUE", &queue);
    let mut worker = Peer::start("the Python worker", command);
    worker.says(" ready.").await;
    worker
}

/// Has Python do the task that was added last.
fn in_python(flow: &mut Workflow, berth: &CeleryBerth, task: &str, arguments: Arguments) {
    let last = flow.tasks.last_mut().unwrap();
    last.queue = berth.python();
    last.celery = Some(CeleryTask { task: format!("mixed.{task}"), arguments });
}

/// A workflow of one task, which Python does without a second try of ours.
fn alone(berth: &CeleryBerth, task: &str) -> Workflow {
    let mut flow = Workflow::named(task);
    let _ = flow.task::<Enrich>().retries(0).add();
    in_python(&mut flow, berth, task, Arguments::Envelope);
    flow
}

/// Rust, Python, Rust, Python, and Python with what the last two left.
fn alternating(berth: &CeleryBerth) -> Workflow {
    let mut flow = Workflow::named("alternating");
    let first = flow.task::<First>().add();
    let enrich = flow.task::<Enrich>().after(&first).add();
    in_python(&mut flow, berth, "enrich", Arguments::Envelope);
    let second = flow.task::<Second>().after(&enrich).add();
    let book = flow.task::<Book>().after(&second).add();
    in_python(&mut flow, berth, "book", Arguments::Input);
    let _ = flow.task::<Gather>().after(&second).after(&book).add();
    in_python(&mut flow, berth, "gather", Arguments::Parents);
    flow
}

async fn alternate(fleet: TestFleet, berth: &CeleryBerth) {
    let input = json!({ "invoice": "R-7", "total": 1.5 });
    let run = fleet.run(&alternating(berth), input.clone()).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let output = |task: &str| match &record.run.tasks.iter().find(|one| one.task == task).unwrap().output {
        Some(Payload::Inline(value)) => value.clone(),
        other => panic!("{task} left {other:?}"),
    };
    assert_eq!(output("enrich"), json!({ "enriched": input, "seen": { "first": "from Rust" } }));
    assert_eq!(output("second"), json!({ "read": input }));
    assert_eq!(output("book"), "R-7 booked for 1.5");
    assert_eq!(
        output("gather"),
        json!([{ "read": input }, "R-7 booked for 1.5"]),
        "outputs of the parents in their order"
    );
    fleet.stop().await;
}

/// Handlers for the steps in Rust; the second one reads what Python left.
fn steps(worker: worker::Builder) -> worker::Builder {
    worker.register::<First>(deed(|_, _| Box::pin(async { Ok(json!("from Rust")) }))).register::<Second>(deed(
        |ctx, _| Box::pin(async move { Ok(json!({ "read": ctx.output::<Enrich>().await?["enriched"] })) }),
    ))
}

async fn steps_alternate(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    alternate(TestFleet::start(world, steps).await, berth).await;
}

/// The same where jobs of ours take the way that they always take.
async fn steps_alternate_beside(world: &World) {
    let berth = CeleryBerth::take(queues::WORK);
    let _python = python(&berth).await;
    let mut connected = world.connect().await;
    connected.engine = Some(berth.engine());
    let fleet = TestFleet::assemble(world, connected, false, |_, worker| steps(worker)).await;
    assert_ne!(world.backend(), Backend::Celery);
    alternate(fleet, &berth).await;
}

async fn python_fails(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    let fleet = TestFleet::start(world, steps).await;

    let run = fleet.run(&alone(berth, "jam"), Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    let error = record.run.error.unwrap();
    assert_eq!(error.code, "celery_task_failed");
    let told = error.message.as_str();
    assert!(told.starts_with("OutOfPaper('no paper in tray 2')"), "{told}");
    assert!(told.contains("Traceback") && told.contains("mixed.py") && told.contains("in jam"), "{told}");
    fleet.stop().await;
}

async fn python_tries_again(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    let fleet = TestFleet::start(world, steps).await;

    let run = fleet.run(&alone(berth, "moody"), Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let task = &record.run.tasks[0];
    assert_eq!(task.output, Some(Payload::Inline(json!(2))));
    assert_eq!(record.attempts[&task.id].len(), 1, "tries within Celery are no attempts of ours");
    fleet.stop().await;
}

async fn python_falls(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    let fleet = TestFleet::start(world, steps).await;
    let mut flow = alone(berth, "fall");
    (flow.tasks[0].retry.max_attempts, flow.tasks[0].retry.base) = (2, Duration::from_millis(20));

    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let task = &record.run.tasks[0];
    assert_eq!(task.output, Some(Payload::Inline(json!("up again"))));
    let outcomes: Vec<&str> = record.attempts[&task.id].iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["retry", "done"]);
    fleet.stop().await;
}

async fn python_maps(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    let fleet = TestFleet::start(world, |worker| {
        worker
            .register::<First>(deed(|_, _| Box::pin(async { Ok((0..12).collect::<Value>()) })))
            .register::<Third>(deed(|ctx, _| Box::pin(async move { Ok(json!(ctx.outputs::<Enrich>().await?)) })))
    })
    .await;
    let mut flow = Workflow::named("squares");
    let first = flow.task::<First>().add();
    let squares = flow.task::<Enrich>().map_over(&first).add();
    in_python(&mut flow, berth, "square", Arguments::Envelope);
    let _ = flow.task::<Third>().after(&squares).add();

    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let third = record.run.tasks.iter().find(|task| task.task == Third::NAME).unwrap();
    let expected: Vec<u64> = (0..12).map(|number| number * number).collect();
    assert_eq!(third.output, Some(Payload::Inline(json!(expected))));
    fleet.stop().await;
}

async fn python_is_called_off(world: &World) {
    let berth = world.celery_berth().unwrap();
    let mut python = python(berth).await;
    let fleet = TestFleet::start(world, steps).await;

    let run = fleet.run(&alone(berth, "nap"), Value::Null).await;
    python.says("asleep").await;
    fleet.fleet.cancel(&protocol::TenantId::default_tenant(), run, "no more need").await.unwrap();
    let record = fleet.ends(run, RunState::Cancelled).await;
    assert_eq!(state_of(&record, "enrich"), TaskState::Cancelled);

    // Its only slot is free again, long before the nap would have been over.
    let next = fleet.run(&alone(berth, "square"), json!(7)).await;
    let record = fleet.ends(next, RunState::Succeeded).await;
    assert_eq!(record.run.tasks[0].output, Some(Payload::Inline(json!(49))));
    fleet.stop().await;
}

async fn python_leaves_much(world: &World) {
    let berth = world.celery_berth().unwrap();
    let _python = python(berth).await;
    let fleet = TestFleet::start(world, |worker| {
        worker.register::<Second>(deed(|ctx, _| {
            Box::pin(async move { Ok(json!(ctx.output::<Enrich>().await?.as_str().map(str::len))) })
        }))
    })
    .await;
    let mut flow = Workflow::named("verbose");
    let enrich = flow.task::<Enrich>().add();
    in_python(&mut flow, berth, "verbose", Arguments::Envelope);
    let _ = flow.task::<Second>().after(&enrich).retry_delay(Duration::from_millis(20)).add();

    let run = fleet.run(&flow, json!(1_000_000)).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let output = |task: &str| record.run.tasks.iter().find(|one| one.task == task).unwrap().output.clone();
    assert!(matches!(output("enrich"), Some(Payload::Artifact(_))), "{:?}", output("enrich"));
    assert_eq!(output("second"), Some(Payload::Inline(json!(1_000_000))));
    fleet.stop().await;
}

/// Makes a test of a claim.
macro_rules! claims {
    ($($claim:ident: $spec:ident in $world:ident;)+) => {
        $(#[test]
        fn $claim() {
            crate::world::play(World::$world(), $spec);
        })+
    };
}

claims! {
    steps_in_rust_and_in_python_alternate_and_see_what_the_others_left: steps_alternate in celery;
    a_run_in_one_process_may_have_steps_in_python: steps_alternate_beside in embedded;
    a_run_on_the_fleet_may_have_steps_in_python: steps_alternate_beside in servers;
    an_exception_in_python_is_the_error_of_the_run_with_its_type_and_traceback: python_fails in celery;
    what_celery_tries_again_by_its_own_policy_is_one_attempt: python_tries_again in celery;
    a_process_of_python_that_dies_costs_one_attempt: python_falls in celery;
    results_of_a_task_that_is_mapped_in_python_arrive_in_order: python_maps in celery;
    cancelling_a_run_stops_its_task_in_python: python_is_called_off in celery;
    a_large_result_from_python_goes_to_the_object_store: python_leaves_much in celery;
}
