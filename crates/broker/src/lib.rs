//! How messages travel: durable queues with acknowledgement, redelivery and a delivery limit.
//!
//! [`Broker`] is the port; one file per implementation. A broker moves bytes; it never decides what comes next.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

pub mod conformance;
mod dead_letter;
pub mod memory;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;

pub use dead_letter::{Buried, DeadLetter, Replayed, Selection};

/// Queues that keep a message until its consumer acknowledges it.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Publishes messages and returns when the broker has taken responsibility for all of them.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`] names the queue of a message nobody could receive; then nothing of the batch was
    /// published. [`Error::Unavailable`], [`Error::Unconfirmed`]: some of the batch may have been.
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Error>;

    /// Starts to consume a queue with at most `prefetch` unacknowledged deliveries at a time; 0 means no bound.
    /// Several consumers of one queue take turns.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`], [`Error::Unavailable`].
    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error>;

    /// Makes queues besides those of the topology, such as those that only some workflow names. For one that exists
    /// nothing changes, so it is cheap to ask before every use.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`] when a queue may not be made and does not exist, [`Error::QueueRefused`] when it cannot be
    /// used as it is, [`Error::Unavailable`]. Queues before the one that is named may have been made.
    async fn offer(&self, queues: &[String]) -> Result<(), Error>;

    /// The queues of the topology and those offered since, by name.
    fn queues(&self) -> Vec<String>;

    /// Starts to consume those messages of a queue that prefer `consumer`, see [`Message::prefer`]. They are apart from
    /// what [`Broker::consume`] gives, with a prefetch of their own. What this consumer does not keep, because it was
    /// handed back, dropped, or waited longer than [`PREFERRED_WAIT`] for room in the prefetch, goes on to the queue
    /// itself, where everybody gets it.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`], also when the broker may not set up what this takes; [`Error::Unavailable`].
    async fn consume_preferred(&self, queue: &str, consumer: &str, prefetch: u16) -> Result<Box<dyn Consumer>, Error>;

    /// How many messages wait in a queue and how many are with consumers. Those that wait for a preferred consumer or are
    /// with it are not among them.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`], [`Error::Unavailable`].
    async fn depth(&self, queue: &str) -> Result<Depth, Error>;

    /// How many consumers a queue has, those of other processes too.
    ///
    /// # Errors
    /// [`Error::UnknownQueue`], [`Error::Unavailable`].
    async fn consumers(&self, queue: &str) -> Result<u64, Error>;

    /// Up to `limit` dead letters after the first `skip`, in the order in which a consumer would get them. All of them
    /// stay where they are: looking again shows the same. Those that a consumer has in hand are not among them.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error>;

    /// Sends dead letters to the queues they died in, as new messages that were never delivered. Each is in its queue
    /// before it is gone from the dead letters, so a crash in between leaves it twice, never none.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Unconfirmed`]: some may have been sent, and may be in both places.
    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, Error>;

    /// Deletes dead letters for good; returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: some may be gone.
    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error>;

    /// Whether [`Depth::unacked`] counts what the consumers of all processes hold. Otherwise it counts this process's.
    fn sees_all_consumers(&self) -> bool {
        true
    }

    /// Whether the highest priority among the waiting messages is always delivered first. Otherwise priorities travel
    /// along and may decide nothing.
    fn strict_priorities(&self) -> bool {
        true
    }

    /// How long the work on a delivery may take before it is taken away from its consumer; `None`: as long as it takes.
    fn settle_within(&self) -> Option<Duration> {
        None
    }
}

/// How long a message waits for the consumer that it prefers before everybody gets it.
pub const PREFERRED_WAIT: Duration = Duration::from_secs(2);

/// One subscription to one queue.
///
/// Dropping it gives its unsettled deliveries back to the queue, each at its old place and counted, and settling one
/// of them afterwards fails. To stop gently, call `next` no more and settle what is in hand before dropping it.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery; `None` when the broker closed the subscription. Cancel safe.
    async fn next(&mut self) -> Option<Delivery>;
}

/// A message on its way into a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub queue: String,
    /// The consumer that should have it if it has room within [`PREFERRED_WAIT`]; `None` for anybody's, and once it has
    /// gone on to everybody.
    pub preferred: Option<String>,
    /// Identifies it in logs and dead letters.
    pub id: String,
    /// Its content: JSON of a `protocol` message.
    pub body: Vec<u8>,
    /// 0 to 9; higher is delivered first.
    pub priority: u8,
    /// Whether it must survive a restart of the broker.
    pub persistent: bool,
    /// What travels beside the content: why it is a dead letter, the trace it belongs to.
    pub headers: BTreeMap<String, String>,
}

/// A message handed to a consumer. It has to be settled once; one that is dropped unsettled goes back to its queue.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// How often it came back before: 0 the first time. What was handed back uncounted is left out. A message that has
    /// gone on from its preferred consumer may count one more than it should, as RabbitMQ does not say whether it was
    /// delivered there.
    pub redeliveries: u32,
    settle: Option<Box<dyn Settle>>,
}

/// What a broker implementation does when a delivery is settled.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Carries out the verdict.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the broker is away; the message will be delivered again.
    async fn settle(self: Box<Self>, verdict: Verdict) -> Result<(), Error>;
    /// The delivery was dropped unsettled: the message goes back to its queue.
    fn abandon(self: Box<Self>);
    /// Whether it is too late for any verdict.
    fn is_void(&self) -> bool {
        false
    }
}

/// What becomes of a delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Ack,
    /// It goes back to its queue; `counted` says whether this counts towards the delivery limit.
    Requeue {
        /// False for a worker that shuts down and hands back what it has not started.
        counted: bool,
    },
    /// It goes to the dead letters; what is rejected there is discarded.
    Reject {
        /// Why, for the operator.
        reason: String,
    },
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait.
    pub ready: u64,
    /// Messages with consumers, not settled yet.
    pub unacked: u64,
}

/// Settings that every implementation understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The queues to offer, `dead_letter` among them.
    pub queues: Vec<String>,
    /// Where rejected messages and those above the delivery limit go.
    pub dead_letter: String,
    /// How often a message may come back before it counts as poison: with 3 it is delivered at most 4 times. The
    /// count of RabbitMQ's `x-delivery-limit`. Dead letters may come back without limit.
    pub delivery_limit: u32,
}

/// A broker operation that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody declared that queue.
    #[error("queue {0:?} does not exist")]
    UnknownQueue(String),
    /// The broker refuses to make a queue, or has one of that name with other properties.
    #[error("queue {queue:?} cannot be used: {reason}")]
    QueueRefused {
        /// The queue.
        queue: String,
        /// The broker's words, with advice.
        reason: String,
    },
    /// The broker is away or shutting down.
    #[error("the broker is not available: {0}")]
    Unavailable(String),
    /// The broker did not confirm in time.
    #[error("the broker did not confirm within {0:?}")]
    Unconfirmed(Duration),
}

impl Message {
    /// A persistent message of the lowest priority.
    #[must_use]
    pub fn new(queue: impl Into<String>, id: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            queue: queue.into(),
            preferred: None,
            id: id.into(),
            body: body.into(),
            priority: 0,
            persistent: true,
            headers: BTreeMap::new(),
        }
    }

    /// For that consumer rather than another, see [`Broker::consume_preferred`]. Where no such consumer is known, this
    /// changes nothing.
    #[must_use]
    pub fn prefer(mut self, consumer: impl Into<String>) -> Self {
        self.preferred = Some(consumer.into());
        self
    }

    /// With another priority; above 9 counts as 9.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority.min(Self::HIGHEST_PRIORITY);
        self
    }

    /// Not worth keeping over a restart of the broker: log lines, progress.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The priority that is delivered before all others.
    pub const HIGHEST_PRIORITY: u8 = 9;
}

impl Delivery {
    /// A delivery that carries out its verdict through `settle`.
    #[must_use]
    pub fn new(message: Message, redeliveries: u32, settle: Box<dyn Settle>) -> Self {
        Self { message, redeliveries, settle: Some(settle) }
    }

    /// Whether the broker has taken the message back since, as it does when a connection is lost: it will be delivered
    /// again, and settling this delivery would fail. A connection may be lost without anybody knowing yet.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.settle.as_ref().is_some_and(|settle| settle.is_void())
    }

    /// Settles the delivery.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the broker is away; the message will be delivered again.
    pub async fn settle(mut self, verdict: Verdict) -> Result<(), Error> {
        match self.settle.take() {
            Some(settle) => settle.settle(verdict).await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.abandon();
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.message.queue)
            .field("id", &self.message.id)
            .field("redeliveries", &self.redeliveries)
            .finish_non_exhaustive()
    }
}
