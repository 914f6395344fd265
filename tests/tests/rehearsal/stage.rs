//! Where the rehearsal takes place: queues, keys and processes of its own, and what is to be seen there.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use celery::{Outcome, RedisConfig, Results};
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use redis::Commands;
use serde::Deserialize;
use specs::Servers;
use specs::peer::{Peer, celery_worker, python};
use specs::seven::{KINDS, QUORUM};

/// How long any condition may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Slots of each Python worker: fewer than the two to four that a deployment gives them.
const SLOTS: u8 = 2;

/// What the load consisted of.
#[derive(Deserialize)]
pub(crate) struct Sent {
    /// What each task has to come to, by its id.
    sums: BTreeMap<String, i64>,
    /// The highest number; each from 1 on belongs to one task.
    numbers: u64,
}

/// A part of the servers that is ours alone, cleared in the end.
pub(crate) struct Stage {
    prefix: String,
    servers: Servers,
    redis: redis::Client,
}

impl Stage {
    pub(crate) fn take() -> Self {
        let servers = Servers::shared();
        let redis = redis::Client::open(servers.redis.as_str()).unwrap();
        Self { prefix: format!("spec-{}.", uuid::Uuid::now_v7().simple()), servers, redis }
    }

    /// One Python worker of each kind, once they take tasks.
    pub(crate) async fn seven(&self) -> Vec<Peer> {
        let start = |kind: &specs::seven::Kind| {
            let (node, queue) = (self.node(kind.name), self.name(kind.queue));
            Peer::start(kind.name, self.at_home(celery_worker("seven", &node, &queue, SLOTS)))
        };
        let mut workers: Vec<Peer> = KINDS.iter().map(start).collect();
        for worker in &mut workers {
            worker.says(" ready.").await;
        }
        workers
    }

    /// One Rust worker of all kinds, once it has done something.
    pub(crate) async fn rust(&self, name: &str) -> Peer {
        let mut command = self.at_home(Command::new(env!("CARGO_BIN_EXE_migrated-worker")));
        command.env("SPEC_NODE", self.node(name));
        let worker = Peer::start(name, command);
        self.done_by(name, 1).await;
        worker
    }

    /// Begins to send tasks.
    pub(crate) fn load(&self) -> Peer {
        let mut command = self.at_home(python("python"));
        command.arg("load.py");
        Peer::start("the load", command)
    }

    /// Stops sending tasks, and gives what was sent.
    pub(crate) async fn stop(&self, load: &mut Peer) -> Sent {
        self.keys().set::<_, _, ()>(self.name("stop"), 1).unwrap();
        assert!(load.ended().await.success(), "{}", load.log());
        let sent: String = self.keys().get(self.name("sent")).unwrap();
        serde_json::from_str(&sent).unwrap()
    }

    /// Waits until so many more tasks are done than now.
    pub(crate) async fn more_done(&self, count: u64) {
        let wanted = self.count_done_by("") + count;
        self.until("tasks are done", PATIENCE, || self.count_done_by("") >= wanted).await;
    }

    /// Waits until workers whose names begin like this have done so many tasks.
    pub(crate) async fn done_by(&self, workers: &str, count: u64) {
        self.until("they do tasks", PATIENCE, || self.count_done_by(workers) >= count).await;
    }

    /// How many tasks workers have done whose names begin like this.
    pub(crate) fn count_done_by(&self, workers: &str) -> u64 {
        self.effects().values().filter(|node| node.starts_with(workers)).count() as u64
    }

    /// Waits until a Python worker of that kind has begun a task that nobody has finished.
    pub(crate) async fn something_in_hand(&self, kind: &str) {
        let in_hand = || {
            let begun: HashMap<u64, String> = self.keys().hgetall(self.name("begun")).unwrap();
            let effects = self.effects();
            begun.iter().any(|(number, node)| node.starts_with(kind) && !effects.contains_key(number))
        };
        self.until("it is at work", PATIENCE, in_hand).await;
    }

    /// Waits until every task that was sent has its result, and checks that it is the right one, that every number left
    /// exactly one effect, and that no effect is of a task that nobody sent.
    pub(crate) async fn all_have_come_to(&self, sent: &Sent, patience: Duration) {
        let config = RedisConfig { prefix: self.prefix.clone(), ..RedisConfig::new(&self.servers.redis) };
        let results = Results::new(&config).unwrap();
        let deadline = Instant::now() + patience;
        for (id, sum) in &sent.sums {
            let left = deadline.saturating_duration_since(Instant::now()).max(LOOK);
            let result = results.wait(id, left).await;
            let result = result.unwrap_or_else(|error| panic!("the task {id} was lost: {error}"));
            assert_eq!(result.outcome, Outcome::Success((*sum).into()), "of the task {id}");
        }
        let (mut effects, tries) = (self.effects(), self.tries());
        for number in 1..=sent.numbers {
            assert!(effects.remove(&number).is_some(), "{number} left nothing");
            assert!(tries.get(&number).is_some_and(|tries| *tries > 0), "{number} was never tried");
        }
        assert!(effects.is_empty(), "nobody sent {effects:?}");
        assert_eq!(sent.sums.len() as u64, sent.numbers, "every task has a number of its own");
    }

    /// Checks that no queue holds a task any more.
    pub(crate) async fn nothing_is_left(&self) {
        let connection = self.amqp().await;
        let channel = connection.create_channel().await.unwrap();
        for kind in &KINDS {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue =
                channel.queue_declare(self.name(kind.queue).into(), options, FieldTable::default()).await.unwrap();
            assert_eq!(queue.message_count(), 0, "tasks are left for {}", kind.name);
        }
        connection.close(200, "seen".into()).await.unwrap();
    }

    /// Which worker did a number.
    fn effects(&self) -> HashMap<u64, String> {
        self.keys().hgetall(self.name("effects")).unwrap()
    }

    /// How often a number was begun.
    fn tries(&self) -> HashMap<u64, u64> {
        self.keys().hgetall(self.name("tries")).unwrap()
    }

    async fn until(&self, what: &str, patience: Duration, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < patience, "waited in vain until {what}; done: {:?}", self.by_worker());
            tokio::time::sleep(LOOK).await;
        }
    }

    fn by_worker(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        self.effects().into_values().for_each(|node| *counts.entry(node).or_default() += 1);
        counts
    }

    fn at_home(&self, mut command: Command) -> Command {
        command.env("SPEC_PREFIX", &self.prefix).env("SPEC_AMQP", &self.servers.amqp);
        command.env("SPEC_REDIS", &self.servers.redis);
        command
    }

    fn node(&self, name: &str) -> String {
        format!("{name}@{}", self.prefix)
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn keys(&self) -> redis::Connection {
        self.redis.get_connection().unwrap()
    }

    async fn amqp(&self) -> lapin::Connection {
        lapin::Connection::connect(&self.servers.amqp, lapin::ConnectionProperties::default()).await.unwrap()
    }

    async fn clear(&self) {
        let connection = self.amqp().await;
        let channel = connection.create_channel().await.unwrap();
        let mut exchanges = ["events", "control.pidbox"].map(|name| self.name(name)).to_vec();
        exchanges.extend([format!("reply.{}control.pidbox", self.prefix), self.name(&format!("{QUORUM}.topic"))]);
        for kind in &KINDS {
            let queue = self.name(kind.queue);
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
            exchanges.push(queue);
        }
        for exchange in exchanges {
            channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
        connection.close(200, "done".into()).await.unwrap();
        let keys: Vec<String> = self.keys().keys(format!("{}*", self.prefix)).unwrap();
        if !keys.is_empty() {
            self.keys().del::<_, ()>(keys).unwrap();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let cleared = std::thread::scope(|scope| {
            let clearing = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.clear());
            });
            clearing.join()
        });
        assert!(cleared.is_ok() || std::thread::panicking(), "something was left behind at the servers");
    }
}

/// What both fleets took of the memory, step by step.
#[derive(Default)]
pub(crate) struct Memory {
    steps: Vec<(&'static str, usize, u64, usize, u64)>,
}

impl Memory {
    /// Weighs both; gives the bytes of both together.
    pub(crate) fn weigh(&mut self, step: &'static str, python: &[Peer], rust: &[Peer]) -> u64 {
        let sum = |peers: &[Peer]| peers.iter().map(Peer::memory).sum::<u64>();
        let (pythons, rusts) = (sum(python), sum(rust));
        self.steps.push((step, python.len(), pythons, rust.len(), rusts));
        pythons + rusts
    }

    /// The table of the manual.
    pub(crate) fn table(&self, sent: &Sent, took: Duration) -> String {
        #[expect(clippy::cast_precision_loss, reason = "tenths of a MiB are all that is shown")]
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let mut table =
            String::from("| step | Python workers | PSS, MiB | Rust workers | PSS, MiB |\n|---|---|---|---|---|\n");
        for (step, pythons, python, rusts, rust) in &self.steps {
            writeln!(table, "| {step} | {pythons} | {:.0} | {rusts} | {:.1} |", mib(*python), mib(*rust)).unwrap();
        }
        let (tasks, seconds) = (sent.sums.len(), took.as_secs_f64());
        writeln!(table, "\n{tasks} tasks in {seconds:.0} s, none lost, none recorded twice").unwrap();
        table
    }
}
