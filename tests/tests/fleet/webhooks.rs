//! Tenants are told about the ends of their runs.

use std::sync::Arc;

use async_trait::async_trait;
use dispatcher::webhooks::{Endpoint, Webhooks, telling};
use ledger::RunRecord;
use ledger::records::Expected;
use outbound::signature::{self, Secret};
use outbound::{Client, Policy};
use protocol::resolved::{AdapterInstance, WebhookEndpoint};
use protocol::webhooks::{DeliverWebhook, Delivery, EventType};
use protocol::{Payload, RunId, RunState, Task, TaskError, TenantId, Workflow};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use specs::receiver::{Received, Receiver};
use worker::Builder;
use worker::resolver::{Resolver, Unresolved};

use crate::door::{Door, json as json_of};
use crate::harness::{First, TestFleet, deed};
use crate::world::World;

/// What tenants set up, as workers of the embedded system look it up.
struct Lookup(Webhooks);

#[async_trait]
impl Resolver for Lookup {
    async fn webhook(&self, tenant: &TenantId, id: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
        Ok(self.0.find(tenant, id).await.unwrap().map(|(endpoint, _)| endpoint.resolved()))
    }

    async fn webhook_gone(&self, tenant: &TenantId, id: &str) -> Result<(), Unresolved> {
        self.0.switch_off(tenant, id, "it answered 410 Gone").await.unwrap();
        Ok(())
    }

    async fn adapter(&self, _: &TenantId, _: &str) -> Result<Option<AdapterInstance>, Unresolved> {
        Err(Unresolved::NotConfigured)
    }
}

/// Serves the task `first`, which fails for an input of null, and deliveries to this machine.
fn serve(webhooks: &Webhooks, builder: Builder) -> Builder {
    serve_under(webhooks, builder, Policy::allowing(["127.0.0.1".parse().unwrap()]))
}

fn serve_under(webhooks: &Webhooks, builder: Builder, policy: Policy) -> Builder {
    let builder = builder.register::<First>(deed(|_, input| {
        Box::pin(async move {
            if input.is_null() {
                Err(TaskError::permanent("nothing", "secret content").into())
            } else {
                Ok(json!("secret"))
            }
        })
    }));
    worker::webhooks::register(builder, Arc::new(Lookup(webhooks.clone())), Client::new(policy))
}

fn flow() -> Workflow {
    let mut flow = Workflow::named("told");
    let _ = flow.task::<First>().add();
    flow
}

fn own() -> TenantId {
    TenantId::default_tenant()
}

/// Records an endpoint of the default tenant; returns its secret.
async fn put(webhooks: &Webhooks, id: &str, receiver: &Receiver, events: &[EventType]) -> Secret {
    let secret = Secret::generate().unwrap();
    let endpoint = Endpoint {
        id: id.to_owned(),
        url: receiver.url(),
        events: events.to_vec(),
        description: String::new(),
        enabled: true,
        disabled_because: None,
        secrets: vec![secret.clone().into()],
    };
    webhooks.put(&own(), &endpoint, Expected::Anything).await.unwrap();
    secret
}

/// What a message says, if it is signed with that secret.
fn verified(secret: &Secret, message: &Received) -> Value {
    let now = jiff::Timestamp::now().as_second();
    let Received { id, timestamp, signature, body, .. } = message;
    signature::verify(std::slice::from_ref(secret), id, *timestamp, body, signature, now, 60).unwrap();
    serde_json::from_slice(body).unwrap()
}

/// The deliveries of the default tenant, once there are so many and all have ended; the latest first.
async fn deliveries(fleet: &TestFleet, count: usize) -> Vec<RunRecord> {
    let mut ended = Vec::new();
    for id in fleet.until_listed(&own().deliveries(), count).await {
        ended.push(fleet.until_of(&own().deliveries(), id, "it ends", |record| record.run.state.is_final()).await);
    }
    ended
}

fn outcomes(delivery: &RunRecord) -> Vec<&str> {
    delivery.attempts.values().flatten().map(|attempt| attempt.outcome.as_str()).collect()
}

fn error_code(delivery: &RunRecord) -> Option<&str> {
    delivery.run.tasks[0].error.as_ref().map(|error| error.code.as_str())
}

pub(crate) async fn the_end_of_a_run_is_told_signed_to_every_endpoint_that_wants_it(world: &World) {
    let fleet = TestFleet::start_telling(world, serve).await;
    let (all, failures) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let first = put(&fleet.webhooks, "all", &all, &[]).await;
    let second = put(&fleet.webhooks, "failures", &failures, &[EventType::RunFailed]).await;

    let good = fleet.run(&flow(), json!(1)).await;
    fleet.ends(good, RunState::Succeeded).await;
    let told = verified(&first, &all.until(1).await[0]);
    assert_eq!((&told["type"], &told["data"]["run_id"]), (&json!("run.succeeded"), &json!(good)));
    assert_eq!(told["data"]["result_url"], format!("/api/v1/runs/{good}/result"));

    let bad = fleet.run(&flow(), Value::Null).await;
    fleet.ends(bad, RunState::Failed).await;
    let told = verified(&second, &failures.until(1).await[0]);
    assert_eq!((&told["type"], &told["data"]["run_id"]), (&json!("run.failed"), &json!(bad)));
    assert_eq!(told["data"]["error_code"], "nothing");
    assert_eq!(verified(&first, &all.until(2).await[1])["data"], told["data"]);

    let delivered = deliveries(&fleet, 3).await;
    assert!(delivered.iter().all(|delivery| delivery.run.state == RunState::Succeeded));
    let messages: Vec<Received> = all.received().into_iter().chain(failures.received()).collect();
    assert_eq!(messages.len(), 3, "nothing is told about deliveries, and failures are all that one endpoint wants");
    assert!(messages.iter().all(|message| !String::from_utf8_lossy(&message.body).contains("secret")));
    let listed: Vec<RunId> = fleet.fleet.list(&own(), None, 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(listed, [bad, good], "deliveries are no runs of their tenant");
    fleet.stop().await;
}

pub(crate) async fn a_message_that_does_not_arrive_is_sent_again_until_it_does(world: &World) {
    let fleet = TestFleet::start_telling(world, serve).await;
    let receiver = Receiver::start().await.unwrap().answering(&[(500, None), (503, Some(1)), (200, None)]);
    let secret = put(&fleet.webhooks, "orders", &receiver, &[]).await;

    let run = fleet.run(&flow(), json!(1)).await;
    fleet.ends(run, RunState::Succeeded).await;

    let received = receiver.until(3).await;
    let delivery = deliveries(&fleet, 1).await.remove(0);
    assert_eq!(outcomes(&delivery), ["retry", "retry", "done"]);
    assert_eq!(receiver.received().len(), 3);
    for message in &received {
        assert_eq!((message.id.as_str(), &message.body), (Delivery::event_id(run).as_str(), &received[0].body));
        assert_eq!(verified(&secret, message)["data"]["status"], "succeeded");
    }
    let waited = received[2].at.duration_since(received[1].at);
    assert!(waited >= std::time::Duration::from_millis(900), "it asked for a second: {waited:?}");
    fleet.stop().await;
}

pub(crate) async fn an_endpoint_that_says_it_is_gone_is_left_alone_from_then_on(world: &World) {
    let fleet = TestFleet::start_telling(world, serve).await;
    let receiver = Receiver::start().await.unwrap().answering(&[(410, None)]);
    put(&fleet.webhooks, "gone", &receiver, &[]).await;

    let run = fleet.run(&flow(), json!(1)).await;
    fleet.ends(run, RunState::Succeeded).await;
    let delivery = deliveries(&fleet, 1).await.remove(0);
    assert_eq!((outcomes(&delivery), error_code(&delivery)), (vec!["fail"], Some("webhook_gone")));
    let (endpoint, _) = fleet.webhooks.find(&own(), "gone").await.unwrap().unwrap();
    assert_eq!((endpoint.enabled, endpoint.disabled_because.as_deref()), (false, Some("it answered 410 Gone")));

    let next = fleet.run(&flow(), json!(2)).await;
    fleet.ends(next, RunState::Succeeded).await;
    assert_eq!(fleet.fleet.notices(10).await.unwrap(), [], "nobody listens, so nothing waits to be told");
    let tries = [("gone", "webhook_endpoint_disabled"), ("never-was", "webhook_endpoint_missing")];
    for (endpoint, code) in tries {
        let late = fleet.deliver(message(run, endpoint)).await;
        let late = fleet.until_of(&own().deliveries(), late, "it ends", |record| record.run.state.is_final()).await;
        assert_eq!((outcomes(&late), error_code(&late)), (vec!["fail"], Some(code)));
    }
    assert_eq!(receiver.received().len(), 1);
    fleet.stop().await;
}

/// A message for an endpoint, as whoever started it before the endpoint changed had made it.
fn message(run: RunId, endpoint: &str) -> Payload {
    let delivery = Delivery {
        endpoint: endpoint.to_owned(),
        event_id: Delivery::event_id(run),
        event_type: EventType::RunSucceeded,
        timestamp: jiff::Timestamp::now(),
        data: json!({}),
    };
    Payload::Inline(serde_json::to_value(delivery).unwrap())
}

pub(crate) async fn an_endpoint_inside_the_network_is_not_reached(world: &World) {
    let strict = Policy::default().with_plain_http(true);
    let fleet = TestFleet::start_telling(world, move |webhooks, builder| serve_under(webhooks, builder, strict)).await;
    let receiver = Receiver::start().await.unwrap();
    put(&fleet.webhooks, "inside", &receiver, &[]).await;

    let run = fleet.run(&flow(), json!(1)).await;
    fleet.ends(run, RunState::Succeeded).await;

    let delivery = deliveries(&fleet, 1).await.remove(0);
    assert_eq!((outcomes(&delivery), error_code(&delivery)), (vec!["fail"], Some("webhook_refused")));
    assert!(receiver.received().is_empty());
    fleet.stop().await;
}

pub(crate) async fn ends_that_nobody_told_are_told_later_and_once(world: &World) {
    let mut quiet =
        TestFleet::start(world, |builder| builder.register::<First>(deed(|_, _| Box::pin(async { Ok(json!(1)) }))))
            .await;
    let receiver = Receiver::start().await.unwrap();
    put(&quiet.webhooks, "orders", &receiver, &[]).await;
    quiet.fleet = quiet.fleet.clone().with_audience(Arc::new(quiet.webhooks.clone()));
    let run = quiet.run(&flow(), json!(1)).await;
    quiet.ends(run, RunState::Succeeded).await;
    assert_eq!(quiet.fleet.notices(10).await.unwrap().len(), 1);
    quiet.stop().await;

    let fleet = TestFleet::start_telling(world, serve).await;
    // Whoever believes to lead tells, however many do.
    let tell = || telling::tell(&fleet.fleet, &fleet.webhooks);
    let (first, second, third) = tokio::join!(tell(), tell(), tell());
    assert!(first.is_ok() && second.is_ok() && third.is_ok(), "{first:?} {second:?} {third:?}");
    receiver.until(1).await;
    assert_eq!(deliveries(&fleet, 1).await.len(), 1);
    assert_eq!(fleet.fleet.notices(10).await.unwrap(), []);
    assert_eq!(receiver.received().len(), 1);
    fleet.stop().await;
}

pub(crate) async fn nobody_signs_with_the_secrets_of_others(world: &World) {
    let fleet = TestFleet::start_telling(world, serve).await;
    let receiver = Receiver::start().await.unwrap();
    put(&fleet.webhooks, "orders", &receiver, &[]).await;
    let stranger: TenantId = "stranger".parse().unwrap();

    let run = fleet.deliver_as(&stranger, message(RunId::new(), "orders")).await;

    let ended = fleet.until_of(&stranger, run, "it ends", |record| record.run.state.is_final()).await;
    assert_eq!(ended.run.tasks[0].task, DeliverWebhook::NAME);
    assert_eq!(error_code(&ended), Some("webhook_endpoint_missing"));
    assert!(receiver.received().is_empty());
    fleet.stop().await;
}

pub(crate) async fn what_its_owner_sends_over_http_arrives_signed_and_replayed_under_the_same_id(world: &World) {
    let fleet = TestFleet::start_telling(world, serve).await;
    let door = Door::open(&fleet).await;
    let receiver = Receiver::start().await.unwrap();
    let call = async |method: Method, path: &str, body: Value| {
        let request = door.call(method, &format!("/api/v1/webhooks/orders{path}")).header("prefer", "wait=30");
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        (answer.status(), json_of(answer).await)
    };
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().parse::<Secret>().unwrap();
    let wanted = json!({ "url": receiver.url(), "events": ["run.failed"] });
    let (status, created) = call(Method::PUT, "", wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let first = secret(&created);

    let (status, tested) = call(Method::POST, "/test", Value::Null).await;
    assert_eq!((status, &tested["state"], &tested["status"]), (StatusCode::OK, &json!("succeeded"), &json!(204)));
    let ping = receiver.until(1).await.remove(0);
    assert_eq!(
        (verified(&first, &ping)["type"].as_str(), tested["event_id"].as_str()),
        (Some("ping"), Some(&*ping.id))
    );

    let (_, rotated) = call(Method::POST, "/rotate", Value::Null).await;
    let second = secret(&rotated);
    let bad = fleet.run(&flow(), Value::Null).await;
    fleet.ends(bad, RunState::Failed).await;
    let told = receiver.until(2).await.remove(1);
    for known in [&first, &second] {
        assert_eq!(verified(known, &told)["data"]["run_id"], json!(bad));
    }

    deliveries(&fleet, 2).await;
    let (_, page) = call(Method::GET, "/deliveries", Value::Null).await;
    let types: Vec<&str> =
        page["deliveries"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["run.failed", "ping"]);
    let delivery = page["deliveries"][0]["id"].as_str().unwrap();
    let (_, at_once) = call(Method::POST, "/rotate?keep=0", Value::Null).await;
    let (status, again) = call(Method::POST, &format!("/deliveries/{delivery}/replay"), Value::Null).await;
    assert_eq!((status, &again["state"]), (StatusCode::OK, &json!("succeeded")), "{again}");
    let replayed = receiver.until(3).await.remove(2);
    assert_eq!((&replayed.id, &replayed.body), (&told.id, &told.body));
    verified(&secret(&at_once), &replayed);
    assert_eq!(replayed.signature.split(' ').count(), 1, "only the newest secret signs");
    door.close().await;
    fleet.stop().await;
}
