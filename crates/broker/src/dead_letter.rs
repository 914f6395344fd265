//! Why a message lies among the dead letters.
//!
//! The facts travel as headers of the dead letter, so that its body stays what the sender wrote and can be replayed.

use crate::Message;

const REASON: &str = "dead-letter-reason";
const QUEUE: &str = "dead-letter-queue";
const DELIVERIES: &str = "dead-letter-deliveries";

/// What a dead letter says about its death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why: what the consumer said, or [`DeadLetter::DELIVERY_LIMIT`].
    pub reason: String,
    /// The queue it died in.
    pub queue: String,
    /// How often it was delivered there.
    pub deliveries: u32,
}

impl DeadLetter {
    /// The reason of a message that came back too often.
    pub const DELIVERY_LIMIT: &'static str = "delivery_limit";

    /// Turns a message into a dead letter, on its way to the queue of the dead.
    #[must_use]
    pub fn bury(self, message: Message, dead_letter_queue: &str) -> Message {
        let buried = Message { queue: dead_letter_queue.to_owned(), ..message };
        buried.header(REASON, self.reason).header(QUEUE, self.queue).header(DELIVERIES, self.deliveries.to_string())
    }

    /// What a message says about its death; `None` when it is no dead letter.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        Some(Self {
            reason: message.headers.get(REASON)?.clone(),
            queue: message.headers.get(QUEUE)?.clone(),
            deliveries: message.headers.get(DELIVERIES)?.parse().ok()?,
        })
    }
}
