//! The smallest engine that walks workflows itself, in memory: what the promises to every such engine are tested with where
//! none is at hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests say where they stopped")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backends::desk::{Standing, Turn};
use backends::host::{Ending, Host, Intake, Serving};
use backends::port::{Ability, Backend, Capabilities, Error, Launch, Sight};
use protocol::{Backend as Name, Job, RunId, RunState, TaskState, Workflow};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An engine in memory that goes by the name of another one. Clones share it; it lives as long as its runtime.
#[derive(Clone)]
pub struct Walker {
    name: Name,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    walks: Mutex<HashMap<RunId, Walk>>,
    lines: Mutex<HashMap<String, Line>>,
    signals: Mutex<Vec<(RunId, String, Value)>>,
    changed: Notify,
    away: std::sync::atomic::AtomicBool,
}

struct Walk {
    stop: CancellationToken,
    ended: Option<RunState>,
}

#[derive(Clone)]
struct Line {
    sender: mpsc::UnboundedSender<Offer>,
    receiver: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Offer>>>,
}

/// A turn, and where its ending is waited for.
type Offer = (Turn, oneshot::Sender<Ending>);

impl Walker {
    /// An engine of that name.
    #[must_use]
    pub fn named(name: Name) -> Self {
        Self { name, shared: Arc::default() }
    }

    /// The signals that it got.
    #[must_use]
    pub fn signals(&self) -> Vec<(RunId, String, Value)> {
        self.shared.signals.lock().unwrap().clone()
    }

    /// Forgets a run, as an engine without its disk would.
    pub fn forget(&self, run: RunId) {
        if let Some(walk) = self.shared.walks.lock().unwrap().remove(&run) {
            walk.stop.cancel();
        }
    }

    /// Whether it does not answer.
    pub fn set_away(&self, away: bool) {
        self.shared.away.store(away, std::sync::atomic::Ordering::SeqCst);
    }

    fn here(&self) -> Result<(), Error> {
        if self.shared.away.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Error::Unavailable { backend: self.name, reason: "it is switched off".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Walker {
    fn name(&self) -> Name {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all().emulated(Ability::Sticky, "a wish that is not met: turns go to whoever comes first")
    }

    async fn register(&self, _: &Workflow) -> Result<(), Error> {
        self.here()
    }

    async fn start(&self, runs: &[Launch]) -> Result<(), Error> {
        self.here()?;
        for launch in runs {
            let mut walks = self.shared.walks.lock().unwrap();
            if walks.contains_key(&launch.run_id) {
                continue;
            }
            let stop = CancellationToken::new();
            walks.insert(launch.run_id, Walk { stop: stop.clone(), ended: None });
            let (shared, launch) = (Arc::clone(&self.shared), launch.clone());
            tokio::spawn(async move {
                let state = stop.run_until_cancelled(walk(&shared, &launch)).await.unwrap_or(RunState::Cancelled);
                if let Some(walk) = shared.walks.lock().unwrap().get_mut(&launch.run_id) {
                    walk.ended = Some(state);
                }
            });
        }
        Ok(())
    }

    async fn hand_out(&self, _: &[Job]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(&self, run: RunId, _: &str) -> Result<(), Error> {
        if let Some(walk) = self.shared.walks.lock().unwrap().get(&run) {
            walk.stop.cancel();
        }
        Ok(())
    }

    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error> {
        self.here()?;
        self.shared.signals.lock().unwrap().push((run, name.to_owned(), payload.clone()));
        Ok(())
    }

    async fn look(&self, run: RunId) -> Result<Sight, Error> {
        self.here()?;
        let walks = self.shared.walks.lock().unwrap();
        Ok(walks.get(&run).map_or(Sight::Unknown, |walk| walk.ended.map_or(Sight::UnderWay, Sight::Ended)))
    }

    async fn health(&self) -> Result<(), String> {
        self.here().map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Host for Walker {
    fn name(&self) -> Name {
        self.name
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let room = Arc::new(Semaphore::new(serving.concurrency));
        let mut queues = JoinSet::new();
        for queue in &serving.queues {
            let line = self.shared.line(queue);
            let (room, intake, stop) = (Arc::clone(&room), intake.clone(), stop.clone());
            queues.spawn(async move {
                let mut in_hand = JoinSet::new();
                while let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&room).acquire_owned()).await {
                    let offer = stop.run_until_cancelled(async { line.receiver.lock().await.recv().await }).await;
                    let Some(Some((turn, ended))) = offer else { break };
                    let intake = intake.clone();
                    in_hand.spawn(async move {
                        let ending = intake.serve(&turn).await;
                        // The walk was stopped meanwhile.
                        let _gone = ended.send(ending);
                        drop(place);
                    });
                    while in_hand.try_join_next().is_some() {}
                }
                while in_hand.join_next().await.is_some() {}
            });
        }
        while queues.join_next().await.is_some() {}
        Ok(())
    }
}

impl Shared {
    fn line(&self, queue: &str) -> Line {
        let mut lines = self.lines.lock().unwrap();
        let made = lines.entry(queue.to_owned()).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            Line { sender, receiver: Arc::new(tokio::sync::Mutex::new(receiver)) }
        });
        made.clone()
    }

    /// Offers a turn until its task is final.
    async fn take(&self, turn: Turn, queue: &str) -> Standing {
        loop {
            let (ended, ending) = oneshot::channel();
            self.line(queue).sender.send((turn.clone(), ended)).unwrap();
            match ending.await {
                Ok(Ending::Ended(standing)) => return standing,
                Ok(Ending::Again { after, .. }) => tokio::time::sleep(after).await,
                // Its worker died.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// Walks a workflow to its end.
async fn walk(shared: &Arc<Shared>, launch: &Launch) -> RunState {
    let tasks = &launch.workflow.tasks;
    let mut fan_outs: HashMap<String, u32> = HashMap::new();
    let (mut ended, mut begun): (HashSet<String>, HashSet<String>) = (HashSet::new(), HashSet::new());
    let mut under_way: JoinSet<(String, Standing)> = JoinSet::new();
    let mut failed = false;
    loop {
        for spec in tasks {
            if begun.contains(&spec.name) || !spec.parents.iter().all(|parent| ended.contains(parent)) {
                continue;
            }
            begun.insert(spec.name.clone());
            let turn =
                |index| Turn { run_id: launch.run_id, tenant: launch.tenant.clone(), task: spec.name.clone(), index };
            let children = spec.map_over.as_ref().map_or(0, |source| fan_outs.get(source).copied().unwrap_or(0));
            let (head, children): (Turn, Vec<Turn>) =
                (turn(None), (0..children).map(|index| turn(Some(index))).collect());
            let (shared, queue) = (Arc::clone(shared), spec.queue.clone());
            under_way.spawn(async move {
                let mut all = JoinSet::new();
                for child in children {
                    let (shared, queue) = (Arc::clone(&shared), queue.clone());
                    all.spawn(async move { shared.take(child, &queue).await });
                }
                while all.join_next().await.is_some() {}
                let name = head.task.clone();
                (name, shared.take(head, &queue).await)
            });
        }
        let Some(Ok((name, standing))) = under_way.join_next().await else { break };
        failed |= standing.task == TaskState::Failed;
        fan_outs.extend(standing.fan_out.map(|items| (name.clone(), items)));
        ended.insert(name);
        if standing.run.is_final() {
            return standing.run;
        }
    }
    shared.changed.notify_waiters();
    if failed { RunState::Failed } else { RunState::Succeeded }
}
