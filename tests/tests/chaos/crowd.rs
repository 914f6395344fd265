//! A fleet of real processes with a crowd of runs under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::fleet::Fleet;
use backends::stack::Stack;
use broker::Depth;
use ledger::NewRun;
use protocol::workflow::queues;
use protocol::{Payload, RunId, TenantId};
use reqwest::Client;
use serde_json::json;
use specs::chain::{self, Load};
use specs::{Berth, Servers};
use tokio::sync::{Mutex, MutexGuard};

use crate::books::Books;
use crate::process::{Process, command, tell};

/// How many runs there are.
pub(crate) const RUNS: usize = 600;

/// How many of them have to be under way at the moment of the blow.
const UNDER_WAY: i64 = 500;

/// How many tasks every run has.
const TASKS: i64 = 3;

/// How long anything may take before the spec calls it stuck: machines that test are busy, and servers take their time
/// to start.
const PATIENCE: Duration = Duration::from_secs(150);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What a fleet consists of, beside its workers.
pub(crate) const BOOKKEEPING: [&str; 3] = ["dispatcher", "worker-callbacks", "worker-logging"];

/// Runs, whoever works on them, and where they meet.
pub(crate) struct Crowd {
    pub(crate) books: Books,
    client: Client,
    stack: Stack,
    fleet: Fleet,
    /// Others wait: a machine has room for one crowd.
    _turn: MutexGuard<'static, ()>,
    /// The last to go: nobody must use it any more by then.
    berth: Berth,
}

/// The moment at which something was done to a fleet.
pub(crate) struct Blow {
    name: &'static str,
    at: Instant,
    done_before: i64,
}

impl Blow {
    /// Says how long the server itself took to come back.
    pub(crate) fn is_over(&self) {
        tell(&format!("recovery: {}: the server was back after {:.1?}", self.name, self.at.elapsed()));
    }
}

impl Crowd {
    /// Nobody yet, at these servers.
    pub(crate) async fn at(servers: Servers) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        // Plain HTTP on this machine: no certificates, but the client wants a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let berth = Berth::at(servers);
        let migrated = command(&berth, "dispatcher").arg("migrate").output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let ledger = berth.database().connect().await.unwrap();
        let stack = berth.servers().connect().await.unwrap();
        let fleet = Fleet::new(Arc::new(ledger), Arc::clone(&stack.broker), Arc::clone(&stack.coordination));
        fleet.register(&chain::workflow()).await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { books: Books::of(berth.database()), client, stack, fleet, _turn: turn, berth }
    }

    /// Starts processes and waits until all are ready; they come in the order of their roles.
    pub(crate) async fn start(&self, roles: &[&str]) -> Vec<Process> {
        let mut processes: Vec<Process> = roles.iter().map(|role| Process::start(&self.berth, role, &[])).collect();
        for process in &mut processes {
            process.ready(&self.client).await;
        }
        processes
    }

    /// Starts a process with flags and waits until it is ready.
    pub(crate) async fn start_with(&self, role: &str, flags: &[&str]) -> Process {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut process = Process::start(&self.berth, role, &flags);
        process.ready(&self.client).await;
        process
    }

    /// Submits all runs, alike.
    pub(crate) async fn submit(&self, load: Load) {
        self.submit_each(|_| load).await;
    }

    /// Submits all runs, each with its load.
    pub(crate) async fn submit_each(&self, load: impl Fn(usize) -> Load) {
        let run = |number| NewRun {
            id: RunId::new(),
            tenant: TenantId::default_tenant(),
            workflow: chain::workflow().name,
            input: Payload::Inline(json!(load(number))),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        let submitted = self.fleet.start((0..RUNS).map(run).collect()).await.unwrap();
        assert_eq!(submitted.len(), RUNS);
    }

    /// Waits until all runs were admitted.
    pub(crate) async fn all_run(&self) {
        self.until("all runs are admitted", async || {
            self.books.runs().await.is_some_and(|runs| !runs.contains_key("queued"))
        })
        .await;
    }

    /// Waits until that many tasks have ended.
    pub(crate) async fn until_done(&self, tasks: i64) {
        self.until("enough tasks have ended", async || self.done().await.is_some_and(|done| done >= tasks)).await;
    }

    /// Sees to it that enough is under way, and notes the moment.
    pub(crate) async fn blow(&self, name: &'static str) -> Blow {
        let runs = self.books.runs().await.unwrap();
        let under_way = runs.get("running").copied().unwrap_or(0);
        assert!(under_way >= UNDER_WAY, "only {under_way} runs are under way: {runs:?}");
        let done_before = self.done().await.unwrap();
        Blow { name, at: Instant::now(), done_before }
    }

    /// Waits until all runs have ended and checks that all did so well, that every task was done once, as far as anybody
    /// can see, and that nothing is left in any queue. Prints how long it took.
    pub(crate) async fn recovers(&self, blow: Blow) {
        let Blow { name, at, done_before } = blow;
        self.until("tasks end again", async || self.done().await.is_some_and(|done| done > done_before)).await;
        let first = at.elapsed();
        self.until("all runs have ended", async || {
            let runs = self.books.runs().await;
            runs.is_some_and(|runs| !runs.contains_key("queued") && !runs.contains_key("running"))
        })
        .await;
        let all = at.elapsed();
        tell(&format!("recovery: {name}: first task again after {first:.1?}, all {RUNS} runs ended after {all:.1?}"));
        let runs = self.books.runs().await.unwrap();
        assert_eq!(runs.into_iter().collect::<Vec<_>>(), [("succeeded".to_owned(), i64::try_from(RUNS).unwrap())]);
        assert_eq!(self.books.wrong().await, 0, "tasks that were not recorded as done once");
        assert_eq!(self.done().await, Some(TASKS * i64::try_from(RUNS).unwrap()));
        // Second deliveries of what has ended may still be on their way through the workers.
        for queue in queues::WORK.into_iter().chain([queues::CALLBACKS]) {
            self.until("nothing waits in a queue", async || self.depth(queue).await.ready == 0).await;
        }
        assert_eq!(self.depth(queues::DEAD_LETTER).await.ready, 0, "there are dead letters");
    }

    /// Ends all processes as an operator would, and checks that none handed anything back.
    pub(crate) async fn stop(&self, mut processes: Vec<Process>) {
        for process in &processes {
            process.terminate();
        }
        for process in &mut processes {
            process.ends_well().await;
        }
        for queue in queues::WORK.into_iter().chain([queues::CALLBACKS, queues::DEAD_LETTER]) {
            assert_eq!(self.depth(queue).await.ready, 0, "messages are left in queue {queue}");
        }
        self.stack.close().await;
    }

    /// How full a queue is.
    pub(crate) async fn depth(&self, queue: &str) -> Depth {
        self.stack.broker.depth(queue).await.unwrap()
    }

    /// Throws away whatever waits in a queue; returns how many messages.
    pub(crate) async fn purge(&self, queue: &str) -> u32 {
        let options = lapin::options::QueuePurgeOptions::default();
        self.channel().await.queue_purge(self.address(queue).into(), options).await.unwrap()
    }

    /// Deletes a queue with all that is in it; returns how many messages waited there.
    pub(crate) async fn delete(&self, queue: &str) -> u32 {
        let options = lapin::options::QueueDeleteOptions::default();
        self.channel().await.queue_delete(self.address(queue).into(), options).await.unwrap()
    }

    /// Whether a dispatcher says that it leads.
    pub(crate) async fn leads(&self, dispatcher: &Process) -> bool {
        dispatcher.metric(&self.client, "flotilla_dispatcher_leads").await > 0.0
    }

    /// The value of a metric of a process.
    pub(crate) async fn metric(&self, process: &Process, name: &str) -> f64 {
        process.metric(&self.client, name).await
    }

    /// Waits until something holds that is asked for again and again.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > PATIENCE {
                let (runs, attempts) = (self.books.runs().await, self.books.attempts().await);
                panic!("waited in vain until {what}; runs: {runs:?}, attempts: {attempts:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn done(&self) -> Option<i64> {
        Some(self.books.attempts().await?.get("done").copied().unwrap_or(0))
    }

    async fn channel(&self) -> lapin::Channel {
        let url = &self.berth.servers().amqp_url;
        let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    fn address(&self, queue: &str) -> String {
        format!("{}{queue}", self.berth.servers().queue_prefix)
    }
}

/// Tasks that take so long and leave nothing behind worth a file.
pub(crate) fn quick(ms: u64) -> Load {
    Load { ms, bytes: 10 }
}
