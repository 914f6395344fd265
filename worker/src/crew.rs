//! The slots of a worker and the consumers that fill them, in shares that come and go with the backlog.
//!
//! A share is a number of slots and, for every queue, a consumer whose prefetch is that number: so what a worker has in
//! hand follows what it can run. The slots are common to all shares.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::metrics::{counter, gauge};
use broker::{Consumer, Delivery, PREFERRED_WAIT, Verdict};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::autoscale::{Autoscale, Governor, Sight, Step};
use crate::line::Line;
use crate::metrics;
use crate::runner::{Drain, Runner};

/// Everything that takes jobs in this worker.
pub(crate) struct Crew {
    runner: Arc<Runner>,
    queues: Vec<String>,
    /// Whether it takes part in sticky runs: has consumers for jobs that prefer this worker.
    sticky: bool,
    drain: Drain,
    shutdown: CancellationToken,
    slots: Arc<Semaphore>,
    shares: Vec<Share>,
    /// The loops of all shares, those that were told to end too.
    consuming: JoinSet<()>,
}

/// Slots that came together and go together.
struct Share {
    slots: usize,
    stop: CancellationToken,
    /// Jobs that its consumers took and that have not ended.
    in_hand: Arc<AtomicUsize>,
}

impl Share {
    fn is_idle(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed) == 0
    }
}

impl Crew {
    /// A crew without slots.
    pub(crate) fn new(
        runner: Arc<Runner>,
        queues: Vec<String>,
        sticky: bool,
        drain: Drain,
        shutdown: CancellationToken,
    ) -> Self {
        let (slots, shares, consuming) = (Arc::new(Semaphore::new(0)), Vec::new(), JoinSet::new());
        Self { runner, queues, sticky, drain, shutdown, slots, shares, consuming }
    }

    /// Adds slots, with consumers that may have `prefetch` jobs of each queue in hand.
    ///
    /// # Errors
    /// When a queue cannot be consumed; then nothing was added.
    pub(crate) async fn grow(&mut self, slots: usize, prefetch: usize) -> Result<(), broker::Error> {
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX);
        let share = Share { slots, stop: self.shutdown.child_token(), in_hand: Arc::default() };
        let (mut common, mut preferred) = (Vec::new(), Vec::new());
        self.runner.ports.broker.offer(&self.queues).await?;
        for queue in &self.queues {
            // Its own first: who has run a task here can be preferred from then on.
            preferred.extend(self.preferred_consumer(queue, prefetch).await?);
            common.push(self.runner.ports.broker.consume(queue, prefetch).await?);
        }
        for consumer in common {
            self.consuming.spawn(self.intake(&share).take_as_slots_become_free(consumer, usize::from(prefetch).max(1)));
        }
        for consumer in preferred {
            self.consuming.spawn(self.intake(&share).take_or_pass_on(consumer));
        }
        self.slots.add_permits(slots);
        self.shares.push(share);
        self.show();
        Ok(())
    }

    async fn preferred_consumer(&self, queue: &str, prefetch: u16) -> Result<Option<Box<dyn Consumer>>, broker::Error> {
        if !self.sticky {
            return Ok(None);
        }
        match self.runner.ports.broker.consume_preferred(queue, &self.runner.name, prefetch).await {
            Ok(consumer) => Ok(Some(consumer)),
            Err(broker::Error::UnknownQueue(_)) => {
                tracing::info!(queue, "may not have a queue of its own, so sticky runs do not prefer this worker");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn intake(&self, share: &Share) -> Intake {
        Intake {
            runner: Arc::clone(&self.runner),
            slots: Arc::clone(&self.slots),
            drain: self.drain.clone(),
            stop: share.stop.clone(),
            in_hand: Arc::clone(&share.in_hand),
        }
    }

    /// Takes away what was added last, if that many slots are free and its consumers have nothing in hand: while they had,
    /// the broker would go on to fill their prefetch with jobs that nobody starts.
    fn shrink(&mut self) -> bool {
        let Some(share) = self.shares.pop_if(|share| share.is_idle()) else { return false };
        let gone = match u32::try_from(share.slots).map(|slots| Arc::clone(&self.slots).try_acquire_many_owned(slots)) {
            Ok(Ok(permits)) => {
                permits.forget();
                share.stop.cancel();
                true
            }
            // Some were taken just now: they are needed.
            _ => {
                self.shares.push(share);
                false
            }
        };
        self.show();
        gone
    }

    /// Follows the backlog. Never returns.
    pub(crate) async fn follow(&mut self, scale: Autoscale) {
        let mut governor = Governor::new(scale);
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(scale.pace) => {}
                // Shares that ended are removed as they end.
                Some(_) = self.consuming.join_next() => continue,
            }
            let Some(waiting) = self.waiting().await else { continue };
            let sight = Sight {
                slots: self.shares.iter().map(|share| share.slots).sum(),
                free: self.slots.available_permits(),
                waiting,
                smaller: self.shares.split_last().map(|(_, rest)| rest.iter().map(|share| share.slots).sum()),
            };
            let sight = Sight { smaller: sight.smaller.filter(|smaller| *smaller > 0), ..sight };
            let step = governor.decide(sight, looked.elapsed());
            looked = Instant::now();
            match step {
                Step::Stay => {}
                Step::Grow(slots) => {
                    if let Err(error) = self.grow(slots, slots).await {
                        tracing::warn!(error = %error, "the concurrency cannot grow for now");
                    }
                }
                Step::Shrink => {
                    if self.shrink() {
                        governor.shrunk();
                    }
                }
            }
        }
    }

    /// How many jobs wait in the queues; `None` when the broker does not say.
    async fn waiting(&self) -> Option<u64> {
        let mut waiting = 0;
        for queue in &self.queues {
            match self.runner.ports.broker.depth(queue).await {
                Ok(depth) => waiting += depth.ready,
                Err(error) => {
                    tracing::debug!(error = %error, queue, "the backlog is not known");
                    return None;
                }
            }
        }
        Some(waiting)
    }

    /// Waits until every job in hand has ended. Without a stop that is never.
    pub(crate) async fn done(&mut self) {
        while self.consuming.join_next().await.is_some() {}
    }

    fn show(&self) {
        let slots: usize = self.shares.iter().map(|share| share.slots).sum();
        gauge!(metrics::CONCURRENCY).set(slots as f64);
    }
}

/// Takes the deliveries of one consumer.
struct Intake {
    runner: Arc<Runner>,
    slots: Arc<Semaphore>,
    drain: Drain,
    stop: CancellationToken,
    in_hand: Arc<AtomicUsize>,
}

/// Somebody's place among those who wait for a slot.
type Wait = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// Waits for a slot, if one is waited for at all.
async fn ready(slot: &mut Option<Wait>) -> Result<OwnedSemaphorePermit, AcquireError> {
    match slot {
        Some(slot) => slot.await,
        None => std::future::pending().await,
    }
}

/// A job in hand, until dropped.
pub(crate) struct InHand(Arc<AtomicUsize>);

impl InHand {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Intake {
    /// Takes deliveries, at most `room` more than run, and starts them as slots become free. Ends, with all its jobs,
    /// after the stop.
    async fn take_as_slots_become_free(self, mut consumer: Box<dyn Consumer>, room: usize) {
        let leases = &self.runner.leases;
        let mut running = JoinSet::new();
        let mut line = Line::default();
        let mut protection = tokio::time::interval(leases.between_renewals());
        // Kept between turns: whoever asks for a slot anew stands at the end of those who wait for one.
        let mut slot = None;
        loop {
            if slot.is_none() && !line.is_empty() {
                let free: Wait = Box::pin(Arc::clone(&self.slots).acquire_owned());
                slot = Some(free);
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                Ok(permit) = ready(&mut slot), if slot.is_some() => {
                    slot = None;
                    let Some((delivery, in_hand)) = line.next(leases).await else { continue };
                    running.spawn(work(Arc::clone(&self.runner), self.drain.clone(), delivery, (permit, in_hand)));
                }
                delivery = consumer.next(), if line.len() < room => match delivery {
                    Some(delivery) => line.push(delivery, InHand::new(&self.in_hand)),
                    None => break,
                },
                _ = protection.tick(), if !line.is_empty() => line.protect(leases),
                // Ended jobs are removed as they end, so that the set does not grow with the worker's age.
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
        line.give_back(leases).await;
        while running.join_next().await.is_some() {}
    }

    /// Takes deliveries that prefer this worker; what finds no free slot in time is for everybody. Ends, with all its jobs,
    /// after the stop; what still comes meanwhile is for everybody at once.
    async fn take_or_pass_on(self, mut consumer: Box<dyn Consumer>) {
        let mut running = JoinSet::new();
        while !(self.stop.is_cancelled() && running.is_empty()) {
            let delivery = tokio::select! {
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => continue,
                delivery = consumer.next() => delivery,
                Some(_) = running.join_next(), if !running.is_empty() => continue,
            };
            match delivery {
                None => break,
                Some(delivery) if self.stop.is_cancelled() => hand_back(delivery).await,
                Some(delivery) => drop(running.spawn(self.work_or_pass_on(delivery))),
            }
        }
        while running.join_next().await.is_some() {}
    }

    fn work_or_pass_on(&self, delivery: Delivery) -> impl Future<Output = ()> + use<> {
        let (runner, drain, stop) = (Arc::clone(&self.runner), self.drain.clone(), self.stop.clone());
        let (slots, in_hand) = (Arc::clone(&self.slots), InHand::new(&self.in_hand));
        async move {
            let permit = tokio::select! {
                () = stop.cancelled() => None,
                permit = timeout(PREFERRED_WAIT, slots.acquire_owned()) => permit.ok().and_then(Result::ok),
            };
            counter!(metrics::STICKY, "kept" => if permit.is_some() { "yes" } else { "no" }).increment(1);
            match permit {
                Some(permit) => work(runner, drain, delivery, (permit, in_hand)).await,
                None => hand_back(delivery).await,
            }
        }
    }
}

async fn work(runner: Arc<Runner>, drain: Drain, delivery: Delivery, held: (OwnedSemaphorePermit, InHand)) {
    let (slot, in_hand) = held;
    runner.handle(delivery, slot, &drain).await;
    drop(in_hand);
}

/// Never started, so this delivery does not count.
async fn hand_back(delivery: Delivery) {
    if let Err(error) = delivery.settle(Verdict::Requeue { counted: false }).await {
        tracing::debug!(error = %error, "a job that was not started will be delivered again");
    }
}
