//! Jobs whose workers die over them, again and again.

use std::sync::Arc;
use std::time::Duration;

use backends::fleet::Fleet;
use broker::{Broker, Replayed, Selection, Verdict};
use ledger::{NewRun, RunRecord};
use protocol::workflow::queues;
use protocol::{Payload, RunId, RunState, TenantId, Workflow};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use worker::{Ports, Worker};

use crate::harness::{First, Second, deed, worker_config};
use crate::world::{Connected, World};

const PATIENCE: Duration = Duration::from_secs(40);

/// Nothing but the clock runs; whoever takes the job dies before it says anything.
pub(crate) async fn a_job_that_kills_whoever_takes_it_fails_its_run_and_stays_for_operators(world: &World) {
    let Connected { ledger, broker, coordination, stack, .. } = world.connect().await;
    let fleet = Fleet::new(ledger, Arc::clone(&broker), coordination);
    let end = CancellationToken::new();
    let clock = tokio::spawn(dispatcher::clock::run(fleet.clone(), end.clone()));
    let mut flow = Workflow::named("poisonous");
    let first = flow.task::<First>().retries(3).add();
    let _ = flow.task::<Second>().after(&first).add();
    let run = start(&fleet, &flow).await;

    kill_whoever_takes_a_job(&broker).await;
    let record = ended(&fleet, run).await;

    assert_eq!(record.run.state, RunState::Failed);
    assert_eq!(record.run.error.as_ref().map(|error| error.code.as_str()), Some("poison"));
    let attempts = &record.attempts[&record.run.tasks[0].id];
    assert_eq!(attempts.len(), 1, "poison is not tried again: {attempts:?}");
    let letters = fleet.dead_letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message.id, format!("{}:1", record.run.tasks[0].id));
    assert_eq!(fleet.drop_dead_letters(&Selection::All).await.unwrap(), 1);
    end.cancel();
    clock.await.unwrap();
    if let Some(stack) = stack {
        stack.close().await;
    }
}

/// What one release cannot read waits with its run, and completes it once a worker can.
pub(crate) async fn a_job_that_was_unreadable_completes_its_run_when_it_is_replayed(world: &World) {
    let Connected { ledger, broker, objects, coordination, stack, .. } = world.connect().await;
    let fleet = Fleet::new(ledger, Arc::clone(&broker), Arc::clone(&coordination));
    let end = CancellationToken::new();
    let clock = tokio::spawn(dispatcher::clock::run(fleet.clone(), end.clone()));
    let mut flow = Workflow::named("misread");
    let _ = flow.task::<First>().add();
    let run = start(&fleet, &flow).await;
    let mut old_release = broker.consume(queues::DEFAULT, 1).await.unwrap();
    let delivery = timeout(PATIENCE, old_release.next()).await.unwrap().unwrap();
    delivery.settle(Verdict::Reject { reason: "the job has version 2".to_owned() }).await.unwrap();
    drop(old_release);

    let replaying = async {
        // A broker may take a moment to show a dead letter.
        loop {
            let replayed = fleet.replay_dead_letters(&Selection::Queue(queues::DEFAULT.to_owned())).await.unwrap();
            if replayed != Replayed::default() {
                return replayed;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, replaying).await.unwrap(), Replayed { replayed: 1, kept: 0 });
    let config = worker_config(&queues::WORK);
    let worker = Worker::builder(Ports { broker: Arc::clone(&broker), objects, coordination }, config)
        .register::<First>(deed(|_, _| Box::pin(async { Ok(json!("done")) })))
        .build();
    let working = tokio::spawn(worker.run(end.clone()));
    let recording = tokio::spawn(worker::callbacks::run(broker, fleet.clone(), end.clone()));
    let record = ended(&fleet, run).await;

    assert_eq!(record.run.state, RunState::Succeeded, "{:#?}", record.run);
    assert_eq!(record.attempts[&record.run.tasks[0].id].len(), 1);
    end.cancel();
    working.await.unwrap().unwrap();
    recording.await.unwrap().unwrap();
    clock.await.unwrap();
    if let Some(stack) = stack {
        stack.close().await;
    }
}

async fn start(fleet: &Fleet, flow: &Workflow) -> RunId {
    fleet.register(flow).await.unwrap();
    let run = NewRun {
        id: RunId::new(),
        tenant: TenantId::default_tenant(),
        workflow: flow.name.clone(),
        input: Payload::Inline(Value::Null),
        idempotency_key: None,
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    };
    fleet.start(vec![run]).await.unwrap()[0].id
}

/// Takes the job of the default queue without a word, until it is among the dead letters.
async fn kill_whoever_takes_a_job(broker: &Arc<dyn Broker>) {
    let killing = async {
        while broker.depth(queues::DEAD_LETTER).await.unwrap().ready == 0 {
            let mut consumer = broker.consume(queues::DEFAULT, 1).await.unwrap();
            if let Ok(delivery) = timeout(Duration::from_millis(200), consumer.next()).await {
                drop(delivery);
            }
        }
    };
    timeout(PATIENCE, killing).await.expect("the job becomes poison");
}

async fn ended(fleet: &Fleet, run: RunId) -> RunRecord {
    let ending = async {
        loop {
            let record = fleet.status(&TenantId::default_tenant(), run).await.unwrap().unwrap();
            if record.run.state.is_final() {
                return record;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ending).await.expect("the run ends")
}
