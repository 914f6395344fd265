//! Why a message lies among the dead letters, and which of them an operator means.
//!
//! The facts travel as headers of the dead letter, so that its body stays what the sender wrote and can be replayed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::Message;

const REASON: &str = "dead-letter-reason";
const QUEUE: &str = "dead-letter-queue";
const DELIVERIES: &str = "dead-letter-deliveries";
const DIED_AT: &str = "dead-letter-died-at";

/// What a dead letter says about its death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why: what the consumer said, or [`DeadLetter::DELIVERY_LIMIT`].
    pub reason: String,
    /// The queue it died in.
    pub queue: String,
    /// How often it was delivered there.
    pub deliveries: u32,
    /// When it died, where that is known: by the clock of whoever buried it.
    pub died_at: Option<Timestamp>,
}

/// A dead letter as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buried {
    /// The message as it was sent, on its way to the queue it died in.
    pub message: Message,
    /// What is known of its death; `None` for what somebody put among the dead letters by hand. That can be dropped,
    /// not replayed, and its `message.queue` is the queue of the dead.
    pub death: Option<DeadLetter>,
}

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every one.
    All,
    /// Those whose message has one of these ids. Several can have the same: a message that was delivered twice, and
    /// died twice.
    Ids(BTreeSet<String>),
    /// Those that died in this queue.
    Queue(String),
}

/// What became of the dead letters that were to be replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many are in their queues again.
    pub replayed: u64,
    /// How many stay among the dead letters: they name no queue, or one that does not exist.
    pub kept: u64,
}

impl DeadLetter {
    /// The reason of a message that came back too often.
    pub const DELIVERY_LIMIT: &'static str = "delivery_limit";

    /// Turns a message into a dead letter, on its way to the queue of the dead.
    #[must_use]
    pub fn bury(self, message: Message, dead_letter_queue: &str) -> Message {
        let buried = Message { queue: dead_letter_queue.to_owned(), ..message };
        let buried = buried
            .header(REASON, self.reason)
            .header(QUEUE, self.queue)
            .header(DELIVERIES, self.deliveries.to_string());
        match self.died_at {
            Some(died_at) => buried.header(DIED_AT, died_at.to_string()),
            None => buried,
        }
    }

    /// What a message says about its death; `None` when it is no dead letter.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        Some(Self {
            reason: message.headers.get(REASON)?.clone(),
            queue: message.headers.get(QUEUE)?.clone(),
            deliveries: message.headers.get(DELIVERIES)?.parse().ok()?,
            died_at: message.headers.get(DIED_AT).and_then(|at| at.parse().ok()),
        })
    }
}

impl Buried {
    /// Reads a message from the queue of the dead.
    #[must_use]
    pub fn read(mut message: Message) -> Self {
        let death = DeadLetter::of(&message);
        if let Some(death) = &death {
            message.queue.clone_from(&death.queue);
            for fact in [REASON, QUEUE, DELIVERIES, DIED_AT] {
                message.headers.remove(fact);
            }
        }
        Self { message, death }
    }
}

impl Selection {
    /// The dead letters with these ids.
    #[must_use]
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }

    /// Whether it means this one.
    #[must_use]
    pub fn picks(&self, buried: &Buried) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.contains(&buried.message.id),
            Self::Queue(queue) => buried.death.as_ref().is_some_and(|death| death.queue == *queue),
        }
    }
}
