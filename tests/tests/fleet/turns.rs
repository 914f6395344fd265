//! Whose turn it is when more is submitted than the workers can take.

use std::time::Duration;

use ledger::NewRun;
use protocol::{Payload, RunId, RunState, TenantId, Workflow};
use serde_json::json;

use crate::harness::{First, TestFleet, deed};
use crate::world::World;

/// Many times what the fleet hands out at a time.
const CROWD: usize = 400;

/// A fleet whose only task takes a moment.
async fn fleet(world: &World) -> TestFleet {
    let work = deed(|_, input| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok(input)
        })
    });
    TestFleet::start(world, |worker| worker.register::<First>(work)).await
}

fn single() -> Workflow {
    let mut flow = Workflow::named("single");
    let _ = flow.task::<First>().add();
    flow
}

fn run(tenant: &str, priority: i16) -> NewRun {
    NewRun {
        id: RunId::new(),
        tenant: tenant.parse().unwrap(),
        workflow: "single".to_owned(),
        input: Payload::Inline(json!(null)),
        idempotency_key: None,
        priority,
        notify: false,
        backend: None,
        shadow_of: None,
    }
}

/// How many runs of the crowd have ended when that run has.
async fn crowd_ended_before(fleet: &TestFleet, late: NewRun) -> usize {
    fleet.fleet.register(&single()).await.unwrap();
    fleet.fleet.start((0..CROWD).map(|_| run("crowd", 0)).collect()).await.unwrap();
    let (id, tenant) = (late.id, late.tenant.clone());
    fleet.fleet.start(vec![late]).await.unwrap();
    fleet.until_of(&tenant, id, "it ends", |record| record.run.state.is_final()).await;
    let crowd: TenantId = "crowd".parse().unwrap();
    let runs = fleet.fleet.list(&crowd, None, CROWD + 1).await.unwrap();
    runs.iter().filter(|run| run.id != id && run.state == RunState::Succeeded).count()
}

pub(crate) async fn a_crowd_of_one_tenant_does_not_delay_another_tenants_run(world: &World) {
    let fleet = fleet(world).await;
    let ended = crowd_ended_before(&fleet, run("other", 0)).await;
    assert!(ended < CROWD * 3 / 4, "{ended} of {CROWD} runs of the crowd were done first");
    fleet.stop().await;
}

pub(crate) async fn an_urgent_run_goes_before_those_that_wait(world: &World) {
    let fleet = fleet(world).await;
    let ended = crowd_ended_before(&fleet, run("crowd", 5)).await;
    assert!(ended < CROWD * 3 / 4, "{ended} of {CROWD} runs were done first");
    fleet.stop().await;
}
