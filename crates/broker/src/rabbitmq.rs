//! Queues in RabbitMQ, for a fleet.
//!
//! A `Link` is one connection with the channels that publish over it. A supervisor watches the link, and when it is
//! lost makes another; consumers and publishers wait for that and go on. A `Lane` is the channel of one consumer:
//! what was delivered over it and is not settled yet.
//!
//! AMQP cannot say all that the port promises, so three verdicts are more than one frame. A rejection publishes the
//! dead letter with its reason, then acknowledges. A message handed back uncounted is published anew with the count it
//! had, then acknowledged; on a quorum queue that costs its place in the line. On classic queues, which do not count,
//! so is every message that comes back, and on queues of one consumer's own, from which it goes on to everybody's. Between publishing and acknowledging lies a confirm: what crashes in between
//! leaves a message twice, never none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::{Broker, Buried, Consumer, Depth, Error, Message, Replayed, Selection};
use consumer::RabbitConsumer;
use lane::Lane;
use link::{Link, Sent};
use preferred::Absent;
use queues::{Queue, Queues};
use wire::Outgoing;

mod acks;
mod config;
mod consumer;
mod dead_letters;
mod graveyard;
mod lane;
mod link;
mod preferred;
mod queues;
mod settle;
mod supervisor;
mod wire;

pub use config::{Config, QueueType, SetupError};

/// How long to wait before doing again what a lost link interrupted.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A connection to RabbitMQ that comes back by itself. Clones share it; with the last of them and of its consumers it
/// ends.
#[derive(Clone)]
pub struct RabbitMq {
    shared: Arc<Shared>,
    _open: Arc<DropGuard>,
}

/// What publishers, consumers and the supervisor share.
struct Shared {
    config: Config,
    queues: Queues,
    /// The connection; `None` during an outage.
    link: watch::Sender<Option<Arc<Link>>>,
    /// Why there is no connection.
    outage: Mutex<String>,
    /// The channel of every living consumer.
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// Queues of preferred consumers that are not there.
    absent: Absent,
    /// How many dropped consumers have not given everything back yet.
    closing_lanes: watch::Sender<usize>,
    /// Held by whoever looks through the dead letters.
    graveyard: tokio::sync::Mutex<()>,
    closed: CancellationToken,
    /// Set when the supervisor has ended.
    ended: CancellationToken,
    tasks: TaskTracker,
    runtime: Handle,
}

impl RabbitMq {
    /// Connects, and declares the queues or checks that they exist. Must be called on a tokio runtime, which then
    /// carries the connection.
    ///
    /// # Errors
    /// [`SetupError`] tells an operator what to change; nothing is retried here.
    pub async fn connect(config: Config) -> Result<Self, SetupError> {
        let queues = Queues::new(&config)?;
        let link = Arc::new(Link::open(&config).await?);
        queues.set_up(&link, config.declare).await?;
        let closed = CancellationToken::new();
        let shared = Arc::new(Shared {
            config,
            queues,
            link: watch::Sender::new(Some(Arc::clone(&link))),
            outage: Mutex::default(),
            lanes: Mutex::default(),
            absent: Absent::default(),
            closing_lanes: watch::Sender::new(0),
            graveyard: tokio::sync::Mutex::default(),
            closed: closed.clone(),
            ended: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        });
        tokio::spawn(supervisor::run(Arc::clone(&shared), link));
        Ok(Self { shared, _open: Arc::new(closed.drop_guard()) })
    }

    /// Whether there is a connection that takes messages: what a readiness probe asks.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status().is_ok()
    }

    /// The same in words for an operator.
    ///
    /// # Errors
    /// [`Error::Unavailable`] says what is wrong.
    pub fn status(&self) -> Result<(), Error> {
        self.shared.refuse_when_closed()?;
        match &*self.shared.link.borrow() {
            Some(link) if link.is_blocked() => Err(link::blocked()),
            Some(link) if link.is_connected() => Ok(()),
            _ => Err(self.shared.unavailable()),
        }
    }

    /// Carries something out even if whoever asked for it gives up the wait.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.refuse_when_closed()?;
        let working = self.shared.tasks.spawn_on(work, &self.shared.runtime);
        working.await.unwrap_or_else(|failure| Err(Error::Unavailable(failure.to_string())))
    }

    /// Ends every subscription, refuses new messages, carries out the verdicts that were already given and hangs up.
    /// What consumers hold unsettled goes back to its queue.
    pub async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.ended.cancelled().await;
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Error> {
        self.shared.refuse_when_closed()?;
        // All or nothing: look before the first message leaves.
        let encode = |message| Outgoing::fresh(message, &self.shared.queues);
        let batch = messages.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        self.shared.publish(batch).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.shared.refuse_when_closed()?;
        let queue = self.shared.queues.find(queue)?;
        self.start(queue, prefetch).await
    }

    /// Sets up a queue of the consumer's own, so it fails where queues may not be declared and somebody else has not.
    async fn consume_preferred(&self, queue: &str, consumer: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.shared.refuse_when_closed()?;
        let queue = Queue::own(&self.shared.queues.find(queue)?, consumer)?;
        self.start(Arc::new(queue), prefetch).await
    }

    /// Waiting messages are those of the whole fleet; those with consumers are this connection's own, as AMQP tells no
    /// others, and without those that wait in a consumer's prefetch buffer.
    async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        let queue = self.shared.queues.find(queue)?;
        let deadline = self.shared.deadline();
        let held = || self.shared.lanes_of(&queue).iter().map(|lane| lane.held()).sum::<usize>() as u64;
        loop {
            match self.shared.link(deadline).await?.look_at(&queue).await {
                Ok(counted) => return Ok(Depth { ready: counted.message_count().into(), unacked: held() }),
                Err(error) => self.shared.try_again(error, deadline).await?,
            }
        }
    }

    async fn offer(&self, queues: &[String]) -> Result<(), Error> {
        self.shared.refuse_when_closed()?;
        for name in queues {
            if self.shared.queues.find(name).is_err() {
                self.shared.offer(name).await?;
            }
        }
        Ok(())
    }

    fn queues(&self) -> Vec<String> {
        let mut names: Vec<String> = self.shared.queues.all().iter().map(|queue| queue.name.clone()).collect();
        names.sort_unstable();
        names
    }

    async fn consumers(&self, queue: &str) -> Result<u64, Error> {
        let queue = self.shared.queues.find(queue)?;
        let deadline = self.shared.deadline();
        loop {
            match self.shared.link(deadline).await?.look_at(&queue).await {
                Ok(counted) => return Ok(counted.consumer_count().into()),
                Err(error) => self.shared.try_again(error, deadline).await?,
            }
        }
    }

    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
        let shared = Arc::clone(&self.shared);
        self.to_its_end(async move { dead_letters::look(&shared, skip, limit).await }).await
    }

    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, Error> {
        let (shared, selection) = (Arc::clone(&self.shared), selection.clone());
        self.to_its_end(async move { dead_letters::replay(&shared, &selection).await }).await
    }

    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error> {
        let (shared, selection) = (Arc::clone(&self.shared), selection.clone());
        self.to_its_end(async move { dead_letters::forget(&shared, &selection).await }).await
    }

    fn sees_all_consumers(&self) -> bool {
        false
    }

    fn strict_priorities(&self) -> bool {
        self.shared.config.queue_type == QueueType::Classic
    }

    /// Three quarters of the consumer timeout: a delivery may have waited in the consumer's buffer before.
    fn settle_within(&self) -> Option<Duration> {
        Some(self.shared.config.consumer_timeout / 4 * 3)
    }
}

impl RabbitMq {
    async fn start(&self, queue: Arc<Queue>, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        // Otherwise this one could overtake what a consumer that was dropped just now gives back.
        let mut closing = self.shared.closing_lanes.subscribe();
        let _ = timeout_at(self.shared.deadline(), closing.wait_for(|lanes| *lanes == 0)).await;
        let deadline = self.shared.deadline();
        loop {
            let link = self.shared.link(deadline).await?;
            match RabbitConsumer::start(self.clone(), Arc::clone(&queue), prefetch, link).await {
                Ok(consumer) => return Ok(Box::new(consumer)),
                Err(error) => self.shared.try_again(error, deadline).await?,
            }
        }
    }
}

impl Shared {
    async fn publish(&self, mut batch: Vec<Outgoing>) -> Result<(), Error> {
        let deadline = self.deadline();
        loop {
            batch = batch.into_iter().map(|outgoing| self.absent.look(outgoing)).collect();
            let mut sent = Sent::default();
            let link = self.link(deadline).await?;
            let published = link.publish(&batch, &self.config, &mut sent).await;
            let answered = batch.drain(..sent.confirmed).enumerate();
            // What came back is among what is answered, or is published once more with the rest.
            let returned = answered.filter(|(index, _)| sent.returned.contains(index));
            let mut again: Vec<Outgoing> = returned.map(|(_, outgoing)| self.absent.note(outgoing)).collect();
            again.append(&mut batch);
            batch = again;
            match published {
                Ok(()) if batch.is_empty() => return Ok(()),
                Ok(()) => {}
                Err(error) => self.try_again(error, deadline).await?,
            }
        }
    }

    /// Declares one more queue, or finds that it exists.
    async fn offer(&self, name: &str) -> Result<(), Error> {
        let queue = Queue::new(name, &self.config).map_err(|error| error.for_queue(name))?;
        let deadline = self.deadline();
        loop {
            let link = self.link(deadline).await?;
            match queue.set_up(&link, self.config.declare).await {
                Ok(_) => break,
                Err(error) => self.try_again(error.for_queue(name), deadline).await?,
            }
        }
        self.queues.add(queue);
        Ok(())
    }

    /// Pauses when a link was lost and there is time to do it again over the next.
    ///
    /// # Errors
    /// The error itself when there is not, or when it is another.
    async fn try_again(&self, error: Error, deadline: Instant) -> Result<(), Error> {
        if !matches!(error, Error::Unavailable(_)) || Instant::now() + RETRY_PAUSE > deadline {
            return Err(error);
        }
        tracing::debug!(%error, "an operation was interrupted and begins again");
        sleep(RETRY_PAUSE).await;
        Ok(())
    }

    /// The link, waited for until the deadline.
    async fn link(&self, deadline: Instant) -> Result<Arc<Link>, Error> {
        let mut changes = self.link.subscribe();
        let found = tokio::select! {
            found = timeout_at(deadline, changes.wait_for(Option::is_some)) => found,
            () = self.ended.cancelled() => return Err(self.unavailable()),
        };
        match found {
            Ok(Ok(link)) => link.clone().ok_or_else(|| self.unavailable()),
            _ => Err(self.unavailable()),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.config.confirm_timeout
    }

    /// The open lanes of a queue.
    fn lanes_of(&self, queue: &Queue) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().filter(|lane| lane.queue().address == queue.address && lane.is_open()).cloned().collect()
    }

    /// Every queue of the topology and every one of a consumer's own.
    fn watched_queues(&self) -> Vec<Arc<Queue>> {
        let mut watched: Vec<Arc<Queue>> = self.queues.all();
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in lanes.iter().map(|lane| lane.queue()).filter(|queue| queue.own.is_some()) {
            if watched.iter().all(|known| known.address != queue.address) {
                watched.push(Arc::clone(queue));
            }
        }
        watched
    }

    /// Remembers why there is no connection.
    fn note_outage(&self, reason: String) {
        *self.outage.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn refuse_when_closed(&self) -> Result<(), Error> {
        if self.closed.is_cancelled() { Err(self.unavailable()) } else { Ok(()) }
    }

    fn unavailable(&self) -> Error {
        if self.closed.is_cancelled() {
            return Error::Unavailable("it is closed".to_owned());
        }
        Error::Unavailable(self.outage.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
