//! Who is at work: tasks that wait here, tasks that run, tasks that were taken back, and room for more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use lapin::Acker;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::message::{Message, Raw, python};

/// A task that was delivered and is not done with.
pub(crate) struct Request {
    pub(crate) message: Message,
    pub(crate) raw: Raw,
    pub(crate) queue: Arc<str>,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) redelivered: bool,
    pub(crate) deliveries_before: u64,
    pub(crate) delivery: Settling,
    /// Cancelled when it was taken back before it ran.
    pub(crate) recalled: CancellationToken,
    /// Cancelled when it is to be stopped.
    pub(crate) terminate: CancellationToken,
    pub(crate) signal: OnceLock<String>,
    started: OnceLock<Timestamp>,
}

/// The delivery of a task, and whether it is acknowledged.
pub(crate) struct Settling {
    acker: Acker,
    /// Without it the channel would be closed, and the delivery with it.
    _channel: Channel,
    settled: AtomicBool,
}

impl Settling {
    pub(crate) fn new(acker: Acker, channel: Channel) -> Self {
        Self { acker, _channel: channel, settled: AtomicBool::new(false) }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// Done with.
    pub(crate) async fn ack(&self) {
        self.try_ack().await;
    }

    /// Done with, if RabbitMQ could be told; otherwise it delivers the message again.
    pub(crate) async fn try_ack(&self) -> bool {
        if self.settled.swap(true, Ordering::Relaxed) {
            return true;
        }
        told(self.acker.ack(BasicAckOptions::default()).await)
    }

    /// Not done with: back to the queue, or to its dead letters.
    pub(crate) async fn reject(&self, requeue: bool) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            told(self.acker.nack(BasicNackOptions { requeue, multiple: false }).await);
        }
    }
}

fn told(result: lapin::Result<bool>) -> bool {
    match result {
        Ok(done) => done,
        Err(error) => {
            tracing::warn!(%error, "a task could not be settled and will be delivered again");
            false
        }
    }
}

impl Request {
    pub(crate) fn new(
        message: Message,
        raw: Raw,
        queue: Arc<str>,
        (exchange, routing_key): (String, String),
        redelivered: bool,
        deliveries_before: u64,
        delivery: Settling,
    ) -> Self {
        Self {
            message,
            raw,
            queue,
            exchange,
            routing_key,
            redelivered,
            deliveries_before,
            delivery,
            recalled: CancellationToken::new(),
            terminate: CancellationToken::new(),
            signal: OnceLock::new(),
            started: OnceLock::new(),
        }
    }

    pub(crate) fn begin(&self) {
        self.started.get_or_init(Timestamp::now);
    }

    pub(crate) fn is_active(&self) -> bool {
        self.started.get().is_some()
    }

    /// As remote control shows it.
    pub(crate) fn info(&self, node: &str, safe: bool) -> Value {
        let Message { id, task, args, kwargs, shadow, priority, .. } = &self.message;
        let (args, kwargs) = if safe {
            (json!(python(&json!(args))), json!(python(&json!(kwargs))))
        } else {
            (json!(args), json!(kwargs))
        };
        json!({
            "id": id,
            "name": shadow.as_ref().unwrap_or(task),
            "args": args,
            "kwargs": kwargs,
            "type": task,
            "hostname": node,
            "time_start": self.started.get().map(|time| time.as_millisecond() as f64 / 1000.0),
            "acknowledged": self.delivery.is_settled(),
            "delivery_info": {
                "exchange": self.exchange,
                "routing_key": self.routing_key,
                "priority": priority,
                "redelivered": self.redelivered,
            },
            "worker_pid": self.started.get().map(|_| std::process::id()),
        })
    }
}

/// Tasks that are here.
#[derive(Default)]
pub(crate) struct Requests {
    here: Mutex<Vec<Arc<Request>>>,
    totals: Mutex<BTreeMap<String, u64>>,
}

/// Takes a task out when it is done with.
pub(crate) struct Here<'a> {
    requests: &'a Requests,
    request: Arc<Request>,
}

impl Requests {
    pub(crate) fn enter(&self, request: &Arc<Request>) -> Here<'_> {
        lock(&self.here).push(Arc::clone(request));
        Here { requests: self, request: Arc::clone(request) }
    }

    pub(crate) fn count_start(&self, task: &str) {
        *lock(&self.totals).entry(task.to_owned()).or_default() += 1;
    }

    /// How many of each task have started.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        lock(&self.totals).clone()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Request>> {
        lock(&self.here).clone()
    }

    pub(crate) fn active(&self) -> Vec<Arc<Request>> {
        self.all().into_iter().filter(|request| request.is_active()).collect()
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        lock(&self.requests.here).retain(|request| !Arc::ptr_eq(request, &self.request));
    }
}

/// Room for running tasks; it can grow and shrink.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    size: AtomicUsize,
    /// How many are to vanish once they are free.
    owed: Mutex<usize>,
}

/// A place of a running task.
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(crate) fn new(size: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(size)), size: AtomicUsize::new(size), owed: Mutex::new(0) }
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    pub(crate) async fn take(&self) -> Slot<'_> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        Slot { slots: self, permit }
    }

    /// More room, or less. At least one place is left.
    pub(crate) fn resize(&self, size: usize) {
        let mut owed = lock(&self.owed);
        let (size, old) = (size.max(1), self.size.swap(size.max(1), Ordering::Relaxed));
        if size >= old {
            let forgiven = (size - old).min(*owed);
            *owed -= forgiven;
            self.free.add_permits(size - old - forgiven);
        } else {
            *owed += old - size - self.free.forget_permits(old - size);
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut owed = lock(&self.slots.owed);
        if *owed > 0
            && let Some(permit) = self.permit.take()
        {
            *owed -= 1;
            permit.forget();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_shrinks_as_places_become_free() {
        let slots = Slots::new(3);
        let (a, b, c) = (slots.take().await, slots.take().await, slots.take().await);
        slots.resize(1);
        drop((a, b));
        assert_eq!(slots.free.available_permits(), 0, "two places are gone, and one is taken");
        drop(c);
        assert_eq!((slots.free.available_permits(), slots.size()), (1, 1));
        slots.resize(2);
        assert_eq!(slots.free.available_permits(), 2);
    }
}
