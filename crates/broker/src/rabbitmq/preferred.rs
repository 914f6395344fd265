//! Which preferred consumers have no queue: asking RabbitMQ costs a message there and back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::types::ShortString;
use tokio::time::Instant;

use super::wire::Outgoing;

/// How long an answer counts. A consumer that is gone does not come back under its name, but one that lost its queue in an
/// outage declares it again.
const MEMORY: Duration = Duration::from_secs(30);

/// Answers kept; the oldest are of no use by then.
const MOST: usize = 4096;

/// Queues of preferred consumers that RabbitMQ did not know, and since when.
#[derive(Default)]
pub(super) struct Absent(Mutex<HashMap<ShortString, Instant>>);

impl Absent {
    /// A message on its way: to everybody at once, where its preferred consumer is known to have no queue.
    pub(super) fn look(&self, outgoing: Outgoing) -> Outgoing {
        let Some(address) = &outgoing.preferred else { return outgoing };
        if self.lock().get(address).is_some_and(|since| since.elapsed() < MEMORY) {
            outgoing.for_everybody()
        } else {
            outgoing
        }
    }

    /// A message came back. It goes to everybody, and so do the next ones.
    pub(super) fn note(&self, outgoing: Outgoing) -> Outgoing {
        if let Some(address) = &outgoing.preferred {
            let mut absent = self.lock();
            if absent.len() >= MOST {
                absent.retain(|_, since| since.elapsed() < MEMORY);
            }
            absent.insert(address.clone(), Instant::now());
        }
        outgoing.for_everybody()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShortString, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
