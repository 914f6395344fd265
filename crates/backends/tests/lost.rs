//! Which jobs are taken for lost, and what becomes of them. Nobody waits here: the looks are told what time it is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use std::sync::Arc;
use std::time::Duration;

use backends::fleet::{Fleet, Found, Lost, topology};
use broker::memory::MemoryBroker;
use broker::{Broker, Consumer, Delivery, Message, Verdict};
use coordination::in_process::InProcess;
use coordination::{Coordination, Lease};
use jiff::{SignedDuration, Timestamp};
use ledger::sqlite::SqliteLedger;
use ledger::{Ledger, NewRun};
use protocol::workflow::{TaskSpec, queues};
use protocol::{Job, Payload, RunId, TaskState, TenantId, Workflow};
use serde_json::json;

const LONG: Duration = Duration::from_secs(600);

struct World {
    ledger: Arc<dyn Ledger>,
    broker: Arc<dyn Broker>,
    coordination: Arc<dyn Coordination>,
    fleet: Fleet,
    lost: Lost,
    now: Timestamp,
}

impl World {
    async fn new() -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::in_memory().await.unwrap());
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(topology(5)));
        let coordination: Arc<dyn Coordination> = Arc::new(InProcess::new());
        let fleet = Fleet::new(Arc::clone(&ledger), Arc::clone(&broker), Arc::clone(&coordination));
        Self { ledger, broker, coordination, fleet, lost: Lost::default(), now: Timestamp::now() }
    }

    /// Starts runs of one task each in that queue.
    async fn start(&mut self, queue: &str, runs: usize) -> Vec<RunId> {
        let mut flow = Workflow::named(format!("{queue}-flow"));
        flow.tasks = vec![TaskSpec::named("only")];
        flow.tasks[0].queue = queue.to_owned();
        self.fleet.register(&flow).await.unwrap();
        let run = |_| NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: flow.name.clone(),
            input: Payload::Inline(json!(null)),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        let started = self.fleet.start((0..runs).map(run).collect()).await.unwrap();
        // Publications are marked a moment later.
        let later = Timestamp::now() + SignedDuration::from_secs(60);
        let marked = async {
            while !self.ledger.unpublished(Duration::ZERO, &[], 10, later).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), marked).await.unwrap();
        self.now = Timestamp::now();
        started.into_iter().map(|one| one.id).collect()
    }

    async fn consumer(&self, queue: &str) -> Box<dyn Consumer> {
        self.broker.consume(queue, 100).await.unwrap()
    }

    /// Looks once, some seconds after the look before.
    async fn look(&mut self) -> Found {
        self.look_after(5).await
    }

    async fn look_after(&mut self, seconds: i64) -> Found {
        self.now += SignedDuration::from_secs(seconds);
        self.lost.look(&self.fleet, self.now).await.unwrap()
    }

    async fn has_lease(&self, job: &Job) {
        let lease = Lease { task_run: job.task_run_id, attempt: job.attempt, holder: "somebody".to_owned() };
        self.coordination.take_lease(&lease, LONG).await.unwrap();
    }
}

async fn next(consumer: &mut Box<dyn Consumer>) -> (Job, Delivery) {
    let delivery = tokio::time::timeout(Duration::from_secs(10), consumer.next()).await.unwrap().unwrap();
    (protocol::wire::decode_job(&delivery.message.body).unwrap(), delivery)
}

fn republished(jobs: usize) -> Found {
    Found { republished: jobs, given_up: 0 }
}

#[tokio::test]
async fn what_vanished_is_told_from_what_waits_and_from_what_is_in_hand() {
    let mut world = World::new().await;
    world.start(queues::DEFAULT, 3).await;
    world.start(queues::FILE_PROCESSING, 2).await;
    let mut consumer = world.consumer(queues::DEFAULT).await;
    let (in_hand, _unsettled) = next(&mut consumer).await;
    world.has_lease(&in_hand).await;
    let mut gone = Vec::new();
    for _ in 0..2 {
        let (job, delivery) = next(&mut consumer).await;
        delivery.settle(Verdict::Ack).await.unwrap();
        gone.push(job);
    }

    assert_eq!(world.look().await, Found::default(), "one look proves nothing");
    assert_eq!(world.look().await, republished(2));
    for _ in 0..2 {
        let (job, _) = next(&mut consumer).await;
        assert!(gone.contains(&job), "the same job under the same attempt: {job:?}");
        world.has_lease(&job).await;
    }
    assert_eq!((world.look_after(60).await, world.look().await), (Found::default(), Found::default()));
}

#[tokio::test]
async fn a_job_that_was_just_handed_out_is_not_looked_for() {
    let mut world = World::new().await;
    world.start(queues::DEFAULT, 1).await;
    let mut consumer = world.consumer(queues::DEFAULT).await;
    let (_, delivery) = next(&mut consumer).await;
    delivery.settle(Verdict::Ack).await.unwrap();
    assert_eq!((world.look_after(0).await, world.look_after(1).await), (Found::default(), Found::default()));
    assert_eq!((world.look().await, world.look().await), (Found::default(), republished(1)));
}

#[tokio::test]
async fn nothing_is_taken_for_lost_while_outcomes_wait() {
    let mut world = World::new().await;
    world.start(queues::DEFAULT, 1).await;
    let mut consumer = world.consumer(queues::DEFAULT).await;
    let (_, delivery) = next(&mut consumer).await;
    delivery.settle(Verdict::Ack).await.unwrap();
    world.broker.publish(vec![Message::new(queues::CALLBACKS, "outcome", *b"{}")]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(world.look().await, Found::default());
    }
    let mut outcomes = world.consumer(queues::CALLBACKS).await;
    let outcome = outcomes.next().await.unwrap();
    outcome.settle(Verdict::Ack).await.unwrap();
    assert_eq!((world.look().await, world.look().await), (Found::default(), republished(1)));
}

#[tokio::test]
async fn an_attempt_whose_job_vanishes_again_and_again_is_given_up() {
    let mut world = World::new().await;
    let runs = world.start(queues::DEFAULT, 1).await;
    let mut consumer = world.consumer(queues::DEFAULT).await;
    let mut rest = 0;
    for times in 1..=6 {
        let (job, delivery) = next(&mut consumer).await;
        assert_eq!(job.attempt, 1);
        delivery.settle(Verdict::Ack).await.unwrap();
        if times > 1 {
            assert_eq!(world.look_after(rest - 1).await, Found::default(), "too early after the last time");
        }
        assert_eq!(world.look().await, Found::default());
        let found = world.look().await;
        if times < 6 {
            assert_eq!(found, republished(1));
        } else {
            assert_eq!(found, Found { republished: 0, given_up: 1 });
        }
        rest = 3 << times;
    }

    let record = world.ledger.run(&TenantId::default_tenant(), runs[0]).await.unwrap().unwrap();
    let task = &record.run.tasks[0];
    assert_eq!((task.state, task.failures), (TaskState::Waiting, 1), "the retry policy gives it another attempt");
    assert_eq!(task.error.as_ref().unwrap().code, "job_lost");
}
