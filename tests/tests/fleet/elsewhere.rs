//! What goes wrong between our ledger and an engine that walks workflows itself.

use backends::desk::{Begun, Desk, Turn};
use backends::fleet::Strays;
use jiff::{SignedDuration, Timestamp};
use ledger::NewRun;
use protocol::answer::Usage;
use protocol::message::WIRE_VERSION;
use protocol::{Backend, Callback, Job, Outcome, Payload, RunId, RunState, TaskState, TenantId, Workflow};
use serde_json::{Value, json};

use crate::harness::{First, TestFleet, deed, state_of};
use crate::world::World;

fn alone() -> Workflow {
    let mut flow = Workflow::named("alone");
    let _only = flow.task::<First>().retries(0).add();
    flow
}

async fn echoing(world: &World) -> TestFleet {
    TestFleet::start(world, |worker| worker.register::<First>(deed(|_, input| Box::pin(async move { Ok(input) }))))
        .await
}

/// A run of `alone` on that backend.
async fn start_on(fleet: &TestFleet, backend: Backend) -> RunId {
    let run = NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: alone().name,
        input: Payload::Inline(json!("x")),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: Some(backend),
        shadow_of: None,
    };
    fleet.fleet.start(vec![run]).await.unwrap()[0].id
}

pub(crate) async fn an_engine_that_is_away_keeps_its_own_runs_waiting_and_nobody_elses(world: &World) {
    let fleet = echoing(world).await;
    fleet.fleet.register(&alone()).await.unwrap();
    world.walker().set_away(true);
    let waiting = start_on(&fleet, world.backend()).await;
    let other = start_on(&fleet, Backend::Embedded).await;

    fleet.ends(other, RunState::Succeeded).await;
    let swept = fleet.fleet.sweep_outbox(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(swept, 0, "what nobody takes is not counted as swept, or the clock would turn for ever");
    assert_eq!(state_of(&fleet.record(waiting).await, "first"), TaskState::Queued);

    world.walker().set_away(false);
    fleet.ends(waiting, RunState::Succeeded).await;
    fleet.stop().await;
}

pub(crate) async fn a_run_that_its_engine_forgot_fails_by_name_at_the_second_look(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, _| Box::pin(std::future::pending())))).await;
    let run = fleet.run(&alone(), json!(null)).await;
    fleet.until(run, "it is begun", |record| state_of(record, "first") != TaskState::Blocked).await;
    world.walker().forget(run);

    let (mut strays, later) = (Strays::default(), Timestamp::now() + SignedDuration::from_mins(1));
    assert_eq!(fleet.fleet.look_elsewhere(&mut strays, later).await.unwrap(), 0, "one look proves nothing");
    assert_eq!(fleet.fleet.look_elsewhere(&mut strays, later).await.unwrap(), 1);
    let record = fleet.until(run, "it ends", |record| record.run.state.is_final()).await;
    assert_eq!(record.run.error.map(|error| error.code).as_deref(), Some("backend_lost_run"));
    fleet.stop().await;
}

pub(crate) async fn a_signal_reaches_the_engine_of_its_run(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, _| Box::pin(std::future::pending())))).await;
    let run = fleet.run(&alone(), json!(null)).await;
    let tenant = TenantId::default_tenant();
    assert!(fleet.fleet.signal(&tenant, run, "approved", &json!({ "by": "me" })).await.unwrap());
    assert_eq!(world.walker().signals(), [(run, "approved".to_owned(), json!({ "by": "me" }))]);
    fleet.fleet.cancel(&tenant, run, "the spec is over").await.unwrap();
    fleet.stop().await;
}

fn handed_back(job: &Job) -> Callback {
    let now = Timestamp::now();
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: String::new(),
        outcome: Outcome::Snooze { after_ms: 0, state: Value::Null },
        started_at: now,
        ended_at: now,
        usage: Usage::default(),
    }
}

pub(crate) async fn a_turn_that_kills_whoever_takes_it_is_poison_and_one_that_is_handed_back_is_not(world: &World) {
    // Nobody serves: this spec takes the turns itself.
    let fleet = TestFleet::start(world, |worker| worker).await;
    let desk: &dyn Desk = &fleet.fleet;
    fleet.fleet.register(&alone()).await.unwrap();
    world.walker().set_away(true);
    let run = start_on(&fleet, world.backend()).await;
    let turn = Turn { run_id: run, tenant: TenantId::default_tenant(), task: "first".to_owned(), index: None };

    for _ in 0..20 {
        let Begun::Work { job } = desk.begin(&turn).await.unwrap() else { panic!("handing back counts") };
        desk.report(handed_back(&job)).await.unwrap();
    }
    for _ in 0..6 {
        assert!(matches!(desk.begin(&turn).await.unwrap(), Begun::Work { .. }), "it may be taken six times");
    }
    let Begun::Stands(standing) = desk.begin(&turn).await.unwrap() else { panic!("it is poison by now") };
    assert_eq!((standing.task, standing.run), (TaskState::Failed, RunState::Failed));
    assert_eq!(standing.error.map(|error| error.code).as_deref(), Some("poison"));
    fleet.stop().await;
}
