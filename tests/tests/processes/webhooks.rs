//! Tenants are told about their runs, whoever dies meanwhile.

use std::sync::Arc;

use dispatcher::access::Vault;
use dispatcher::webhooks::{Endpoint, Webhooks};
use ledger::records::Expected;
use outbound::Policy;
use outbound::signature::{self, Secret};
use protocol::webhooks::Delivery;
use protocol::{RunState, TenantId};
use specs::receiver::Receiver;
use worker::Resolver;
use worker::resolver::{HttpResolver, Unresolved};

use crate::fleet::{Document, Fleet};
use crate::process::Process;

const FLEET_KEY: &str = "a-key-that-the-processes-of-this-spec-share";
const MASTER_KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// Flags.
fn flags(flags: &[(&str, &str)]) -> Vec<String> {
    flags.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
}

async fn dispatcher(fleet: &Fleet) -> Process {
    let more = [("--fleet-key", FLEET_KEY), ("--master-key", MASTER_KEY), ("--outbound-allow", "127.0.0.1")];
    fleet.start("dispatcher", &flags(&more)).await
}

/// A worker that delivers what the dispatcher knows the way to.
async fn deliverer(fleet: &Fleet, dispatcher: &Process) -> Process {
    let url = dispatcher.url("");
    let more = [("--fleet-key", FLEET_KEY), ("--dispatcher-url", &url), ("--outbound-allow", "127.0.0.1")];
    fleet.start("worker-default", &flags(&more)).await
}

/// Where endpoints are recorded.
async fn webhooks(fleet: &Fleet) -> Webhooks {
    let here = Policy::allowing(["127.0.0.1".parse().unwrap()]);
    Webhooks::new(Arc::new(fleet.another_ledger().await), Vault::new(MASTER_KEY).unwrap(), here)
}

/// Records an endpoint of the default tenant; returns its secret.
async fn put(webhooks: &Webhooks, receiver: &Receiver) -> Secret {
    let secret = Secret::generate().unwrap();
    let endpoint = Endpoint {
        id: "orders".to_owned(),
        url: receiver.url(),
        events: Vec::new(),
        description: String::new(),
        enabled: true,
        disabled_because: None,
        secrets: vec![secret.clone().into()],
    };
    webhooks.put(&TenantId::default_tenant(), &endpoint, Expected::Nothing).await.unwrap();
    secret
}

#[tokio::test]
async fn an_end_that_a_killed_dispatcher_did_not_tell_is_told_by_the_next_one_and_once() {
    let fleet = Fleet::without_processes().await;
    let receiver = Receiver::start().await.unwrap();
    let secret = put(&webhooks(&fleet).await, &receiver).await;
    let first = dispatcher(&fleet).await;
    let stages = ["worker-file-processing", "worker-api-processing", "worker-callbacks", "worker-logging"];
    let mut processes = fleet.start_all(&stages).await;
    // Without the worker of its last stage, the run cannot end before the dispatcher does.
    let run = fleet.submit(&first, &Document::one_question(fleet.folder())).await;
    fleet.until("the run is under way", async || fleet.has_begun(run).await).await;
    first.kill();
    let mut aimless = fleet.start("worker-default", &[]).await;
    fleet.until("the run has ended", async || fleet.under_way().await == 0).await;
    assert_eq!(fleet.record(run).await.run.state, RunState::Succeeded);
    assert!(receiver.received().is_empty());
    aimless.terminate();
    aimless.ends_well().await;

    let second = dispatcher(&fleet).await;
    processes.push(deliverer(&fleet, &second).await);
    let message = receiver.until(1).await.remove(0);
    assert_eq!(message.id, Delivery::event_id(run));
    let now = jiff::Timestamp::now().as_second();
    let signed =
        signature::verify(&[secret], &message.id, message.timestamp, &message.body, &message.signature, now, 60);
    assert_eq!(signed, Ok(()));
    let told: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&told["type"], &told["data"]["run_id"]), (&"run.succeeded".into(), &run.to_string().into()));
    let deliveries = async || fleet.runs_of(&TenantId::default_tenant().deliveries()).await;
    fleet
        .until("the delivery is on record", async || {
            deliveries().await.iter().any(|run| run.state == RunState::Succeeded)
        })
        .await;

    // Nothing is told again.
    second.kill();
    let third = dispatcher(&fleet).await;
    fleet.until("somebody leads again", async || fleet.leads(&third).await).await;
    assert_eq!(fleet.notices().await, 0);
    assert_eq!((deliveries().await.len(), receiver.received().len()), (1, 1));
    processes.push(third);
    fleet.stop(processes).await;
}

#[tokio::test]
async fn workers_look_endpoints_up_with_the_key_of_the_fleet_and_believe_the_answer_for_a_while() {
    let fleet = Fleet::without_processes().await;
    let (receiver, webhooks, tenant) =
        (Receiver::start().await.unwrap(), webhooks(&fleet).await, TenantId::default_tenant());
    let secret = put(&webhooks, &receiver).await;
    let dispatcher = dispatcher(&fleet).await;
    let resolver = HttpResolver::new(&dispatcher.url("/"), FLEET_KEY).unwrap();

    let endpoint = resolver.webhook(&tenant, "orders").await.unwrap().unwrap();
    assert_eq!((endpoint.url, endpoint.secrets), (receiver.url(), vec![secret.expose()]));
    assert_eq!(resolver.webhook(&tenant, "other").await, Ok(None));
    assert_eq!(resolver.adapter(&tenant, "../webhooks/orders").await, Ok(None));
    let stranger = HttpResolver::new(&dispatcher.url(""), "another-key-that-nobody-was-given").unwrap();
    assert_eq!(stranger.webhook(&tenant, "orders").await, Err(Unresolved::NotAllowed));

    assert!(webhooks.remove(&tenant, "orders").await.unwrap());
    assert!(resolver.webhook(&tenant, "orders").await.unwrap().is_some(), "it was asked a moment ago");
    resolver.webhook_gone(&tenant, "orders").await.unwrap();
    assert_eq!(resolver.webhook(&tenant, "orders").await, Ok(None), "what is gone is not remembered");
    let url = dispatcher.url("");
    dispatcher.kill();
    let alone = HttpResolver::new(&url, FLEET_KEY).unwrap();
    assert!(matches!(alone.webhook(&tenant, "orders").await, Err(Unresolved::Away(_))));
    assert!(!format!("{alone:?}").contains(FLEET_KEY));
    fleet.stop(Vec::new()).await;
}
