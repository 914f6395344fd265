//! Queues in the memory of one process, for the embedded backend and for tests.
//!
//! It behaves as RabbitMQ's quorum queues do wherever a worker could tell the difference: order, priorities, prefetch,
//! counted redelivery, dead letters. What it lacks is durability: the embedded backend republishes from its ledger.
//!
//! Nothing polls. Each queue has a semaphore with one permit for each waiting message, and each consumer one with a
//! permit for each delivery it may still take. Tokio's semaphores wake in the order of asking, which is what makes
//! consumers take turns, and they give a permit on when a waiting future is dropped, which is what makes
//! [`Consumer::next`] safe to cancel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Broker, Buried, Consumer, DeadLetter, Delivery, Depth, Error, Message, Replayed, Selection, Settle, Topology,
    Verdict,
};
use queue::{Given, Queue};

mod dead_letters;
mod preferred;
mod queue;

/// A broker without a server. Clones share their queues.
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

struct Shared {
    topology: Topology,
    state: Mutex<State>,
}

struct State {
    queues: HashMap<String, Queue>,
    /// Every living consumer.
    consumers: HashMap<u64, Subscriber>,
    next_consumer: u64,
    closed: bool,
}

/// A consumer as its broker knows it.
struct Subscriber {
    queue: String,
    /// A permit for each delivery that it may still take.
    prefetch: Arc<Semaphore>,
}

impl MemoryBroker {
    /// A broker with these queues, all empty.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        let names = topology.queues.iter().chain([&topology.dead_letter]);
        let queues = names.map(|name| (name.clone(), Queue::default())).collect();
        let state = State { queues, consumers: HashMap::new(), next_consumer: 0, closed: false };
        Self { shared: Arc::new(Shared { topology, state: Mutex::new(state) }) }
    }

    /// Ends every subscription and refuses new messages. What was delivered can still be settled.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        for queue in state.queues.values() {
            queue.waiting.close();
        }
        for consumer in state.consumers.values() {
            consumer.prefetch.close();
        }
    }
}

impl MemoryBroker {
    fn start(&self, state: &mut State, queue: String, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let waiting = Arc::clone(&state.queue(&queue)?.waiting);
        let bound = if prefetch == 0 { Semaphore::MAX_PERMITS } else { usize::from(prefetch) };
        let prefetch = Arc::new(Semaphore::new(bound));
        let id = state.next_consumer;
        state.next_consumer += 1;
        state.consumers.insert(id, Subscriber { queue: queue.clone(), prefetch: Arc::clone(&prefetch) });
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(MemoryConsumer { shared, queue, id, prefetch, waiting }))
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.refuse_when_closed()?;
        // All or nothing: look before the first message is placed.
        for message in &messages {
            state.queue(&message.queue)?;
        }
        for message in messages {
            self.shared.place(&mut state, message);
        }
        Ok(())
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let mut state = self.shared.lock();
        state.refuse_when_closed()?;
        self.start(&mut state, queue.to_owned(), prefetch)
    }

    async fn consume_preferred(&self, queue: &str, consumer: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let mut state = self.shared.lock();
        state.refuse_when_closed()?;
        state.queue(queue)?;
        let line = state.join_line(queue, consumer);
        self.start(&mut state, line, prefetch)
    }

    async fn offer(&self, queues: &[String]) -> Result<(), Error> {
        let mut state = self.shared.lock();
        state.refuse_when_closed()?;
        for name in queues {
            state.queues.entry(name.clone()).or_default();
        }
        Ok(())
    }

    fn queues(&self) -> Vec<String> {
        let mut names: Vec<String> = self.shared.lock().queues.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    async fn depth(&self, queue: &str) -> Result<Depth, Error> {
        Ok(self.shared.lock().queue(queue)?.depth())
    }

    async fn consumers(&self, queue: &str) -> Result<u64, Error> {
        let mut state = self.shared.lock();
        state.queue(queue)?;
        Ok(state.consumers.values().filter(|consumer| consumer.queue == queue).count() as u64)
    }

    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
        self.shared.dead_letters(skip, limit)
    }

    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, Error> {
        self.shared.replay(selection)
    }

    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error> {
        self.shared.drop_dead_letters(selection)
    }
}

struct MemoryConsumer {
    shared: Arc<Shared>,
    queue: String,
    id: u64,
    prefetch: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        // The room first: a consumer that is full must not stand in the line for a message.
        let room = Arc::clone(&self.prefetch).acquire_owned().await.ok()?;
        let message = self.waiting.acquire().await.ok()?;
        message.forget();
        let given = self.shared.lock().queue(&self.queue).ok()?.take(self.id)?;
        let settle =
            MemorySettle { shared: Arc::clone(&self.shared), queue: self.queue.clone(), tag: given.tag, _room: room };
        Some(Delivery::new(given.message, given.redeliveries, Box::new(settle)))
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.consumers.remove(&self.id);
        let Some(queue) = state.queues.get_mut(&self.queue) else { return };
        for given in queue.take_back_all(self.id) {
            self.shared.put_back_counted(&mut state, &self.queue, given);
        }
        state.leave_line(&self.queue);
    }
}

/// Settles one delivery. The room in the consumer's prefetch is free again when this is dropped.
struct MemorySettle {
    shared: Arc<Shared>,
    queue: String,
    tag: u64,
    _room: OwnedSemaphorePermit,
}

#[async_trait]
impl Settle for MemorySettle {
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), Error> {
        let mut state = self.shared.lock();
        let given = state
            .queue(&self.queue)?
            .take_back(self.tag)
            .ok_or_else(|| Error::Unavailable("the consumer of this delivery is gone".to_owned()))?;
        match verdict {
            Verdict::Ack => {}
            Verdict::Requeue { counted: true } => self.shared.put_back_counted(&mut state, &self.queue, given),
            Verdict::Requeue { counted: false } => state.put_back(&self.queue, given),
            Verdict::Reject { reason } => self.shared.bury(&mut state, &self.queue, given, reason),
        }
        Ok(())
    }

    fn abandon(self: Box<Self>) {
        let mut state = self.shared.lock();
        let given = state.queues.get_mut(&self.queue).and_then(|queue| queue.take_back(self.tag));
        // Nothing there: the consumer was dropped first and has given everything back.
        if let Some(given) = given {
            self.shared.put_back_counted(&mut state, &self.queue, given);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave the queues half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a message back to its queue, or to the dead letters when it came back too often.
    fn put_back_counted(&self, state: &mut State, queue: &str, given: Given) {
        if queue != self.topology.dead_letter && given.redeliveries >= self.topology.delivery_limit {
            self.bury(state, queue, given, DeadLetter::DELIVERY_LIMIT.to_owned());
        } else {
            state.put_back(queue, given.counted());
        }
    }

    fn bury(&self, state: &mut State, queue: &str, given: Given, reason: String) {
        let dead_letter_queue = &self.topology.dead_letter;
        if queue == dead_letter_queue {
            return;
        }
        tracing::warn!(message.id = given.message.id, queue, reason, "message goes to the dead letters");
        // The queue it was published to, also where it died in the line of one consumer.
        let (queue, deliveries) = (given.message.queue.clone(), given.redeliveries + 1);
        let death = DeadLetter { reason, queue, deliveries, died_at: Some(Timestamp::now()) };
        if let Some(graveyard) = state.queues.get_mut(dead_letter_queue) {
            graveyard.put(death.bury(Message { preferred: None, ..given.message }, dead_letter_queue));
        }
    }
}

impl State {
    /// Gives a message back to its old place, or lets it go on to everybody when it preferred one who does not keep it.
    fn put_back(&mut self, queue: &str, given: Given) {
        match self.queues.get_mut(queue) {
            Some(line) if line.home().is_some() => self.put_on(queue, given),
            Some(queue) => queue.put_back(given),
            None => {}
        }
    }

    fn queue(&mut self, name: &str) -> Result<&mut Queue, Error> {
        self.queues.get_mut(name).ok_or_else(|| Error::UnknownQueue(name.to_owned()))
    }

    fn refuse_when_closed(&self) -> Result<(), Error> {
        if self.closed { Err(Error::Unavailable("it is closed".to_owned())) } else { Ok(()) }
    }
}
