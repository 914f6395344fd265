//! The channel of one consumer, and what was delivered over it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::acks::Acks;
use super::link::Link;
use super::queues::Queue;
use crate::Error;

/// How long RabbitMQ may take to deliver again what was given back.
const LATELY: Duration = Duration::from_secs(1);

/// What a consumer and the deliveries it handed out share.
pub(super) struct Lane {
    queue: Arc<Queue>,
    link: Arc<Link>,
    channel: Channel,
    acks: Mutex<Acks>,
    /// There is something to send.
    wake: Notify,
    /// Held while frames are sent, so that whoever closes the lane comes after them.
    sending: tokio::sync::Mutex<()>,
    /// How many deliveries are handed out and not settled.
    held: AtomicUsize,
    /// Verdicts that are being carried out: they are carried out to the end.
    verdicts: TaskTracker,
    /// When a delivery was last given back.
    gave_back: Mutex<Option<Instant>>,
    /// The consumer is gone, and what it held is not its own any more.
    gone: CancellationToken,
    /// RabbitMQ has forgotten this consumer.
    forgotten: CancellationToken,
}

impl Lane {
    pub(super) fn new(queue: Arc<Queue>, link: Arc<Link>, channel: Channel) -> Self {
        Self {
            queue,
            link,
            channel,
            acks: Mutex::default(),
            wake: Notify::new(),
            sending: tokio::sync::Mutex::default(),
            held: AtomicUsize::new(0),
            verdicts: TaskTracker::new(),
            gave_back: Mutex::default(),
            gone: CancellationToken::new(),
            forgotten: CancellationToken::new(),
        }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How many deliveries are handed out and not settled.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// From now on late verdicts fail.
    pub(super) fn leave(&self) {
        self.gone.cancel();
    }

    /// RabbitMQ knows nothing of this consumer; it should subscribe again.
    pub(super) fn forget(&self) {
        self.forgotten.cancel();
    }

    /// Waits until nothing can arrive any more.
    pub(super) async fn severed(&self) {
        tokio::select! {
            () = self.lost() => {}
            () = self.forgotten.cancelled() => {}
        }
    }

    /// Waits until the connection is given up; RabbitMQ has taken every delivery back by then.
    pub(super) async fn lost(&self) {
        self.link.lost.cancelled().await;
    }

    pub(super) fn is_open(&self) -> bool {
        !self.gone.is_cancelled() && self.is_connected()
    }

    fn is_connected(&self) -> bool {
        self.link.is_connected() && self.channel.status().connected()
    }

    /// Begins to carry out a verdict; it ends when the token is dropped. Fails when it comes too late.
    pub(super) fn begin_verdict(&self) -> Result<TaskTrackerToken, Error> {
        // The token first: whoever closes the lane either waits for it, or this sees the lane closed.
        let verdict = self.verdicts.token();
        if self.is_open() { Ok(verdict) } else { Err(too_late()) }
    }

    /// Waits until every verdict that was begun is carried out.
    pub(super) async fn verdicts_done(&self) {
        self.verdicts.close();
        self.verdicts.wait().await;
    }

    /// Whether something that was given back may be on its way to this consumer again.
    pub(super) fn gave_back_lately(&self) -> bool {
        let gave_back = *self.gave_back.lock().unwrap_or_else(PoisonError::into_inner);
        gave_back.is_some_and(|at| at.elapsed() < LATELY)
    }

    pub(super) fn hand_out(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Acknowledges a delivery. The frame goes out with others, at once when there are none.
    pub(super) fn acknowledge(&self, tag: u64) -> Result<(), Error> {
        if !self.is_connected() {
            return Err(too_late());
        }
        self.acks().acknowledge(tag);
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.wake.notify_one();
        Ok(())
    }

    /// Acknowledges what was in the buffer and never handed out; the consumer itself is gone by then.
    pub(super) fn acknowledge_unseen(&self, tags: &[u64]) {
        let mut acks = self.acks();
        tags.iter().for_each(|tag| acks.acknowledge(*tag));
    }

    /// Gives a delivery back to its queue, at its old place.
    pub(super) fn give_back(&self, tag: u64) {
        let options = BasicNackOptions { requeue: true, multiple: false };
        // Polling once hands the frame over. Nothing answers it, so there is nothing to wait for; when the channel is
        // gone, RabbitMQ has taken the delivery back already.
        let _ = self.channel.basic_nack(tag, options).now_or_never();
        // After the frame: an acknowledgement that stands for all below must not overtake it.
        self.acks().settle(tag);
        *self.gave_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sends acknowledgements until the consumer is gone. While one batch is written, the next comes together.
    pub(super) async fn send_acks(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = self.wake.notified() => self.flush().await,
                () = self.gone.cancelled() => return,
                () = self.lost() => return,
            }
        }
    }

    /// Sends every acknowledgement that was given.
    pub(super) async fn flush(&self) {
        let _turn = self.sending.lock().await;
        let acks = self.acks().take();
        for ack in acks {
            let sent = self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await;
            if let Err(error) = sent {
                tracing::debug!(%error, queue = self.queue.name, "an acknowledgement was lost; the message comes back");
                return;
            }
        }
    }

    fn acks(&self) -> MutexGuard<'_, Acks> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late() -> Error {
    Error::Unavailable("the consumer of this delivery is gone or lost its connection".to_owned())
}
