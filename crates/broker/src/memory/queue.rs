//! One queue: what waits, in the order of delivery, and what is with consumers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{Depth, Message};

/// Where a message stands in the line: higher priorities first, then in the order of publishing. It keeps its place
/// for life, so that a message that comes back is not overtaken.
pub(super) type Place = (Reverse<u8>, u64);

#[derive(Debug)]
pub(super) struct Queue {
    ready: BTreeMap<Place, Waiting>,
    given: HashMap<u64, Given>,
    next_number: u64,
    next_tag: u64,
    /// For messages that prefer one consumer: the queue they go on to.
    home: Option<String>,
    /// How many consumers serve it, where it is the line of one name.
    pub(super) consumers: usize,
    /// One permit for each message in `ready`; added after the message, so that a permit always finds one.
    pub(super) waiting: Arc<Semaphore>,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    redeliveries: u32,
}

/// A message that is with a consumer.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Unique for this delivery: a late verdict on an earlier one must not hit a later one.
    pub(super) tag: u64,
    pub(super) message: Message,
    pub(super) redeliveries: u32,
    place: Place,
    consumer: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            ready: BTreeMap::new(),
            given: HashMap::new(),
            next_number: 0,
            next_tag: 0,
            home: None,
            consumers: 0,
            waiting: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Given {
    /// The same message with this delivery counted.
    pub(super) fn counted(self) -> Self {
        Self { redeliveries: self.redeliveries + 1, ..self }
    }
}

impl Queue {
    /// A queue whose messages go on to `home`.
    pub(super) fn before(home: &str) -> Self {
        Self { home: Some(home.to_owned()), ..Self::default() }
    }

    /// The queue that messages go on to when this one does not keep them.
    pub(super) fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }

    /// Appends a message; its place is unique in this queue.
    pub(super) fn put(&mut self, message: Message) -> Place {
        self.append(Waiting { message, redeliveries: 0 })
    }

    /// Appends a message that was in another queue before.
    pub(super) fn put_on(&mut self, given: Given) {
        let message = Message { preferred: None, ..given.message };
        self.append(Waiting { message, redeliveries: given.redeliveries });
    }

    fn append(&mut self, waiting: Waiting) -> Place {
        let place = (Reverse(waiting.message.priority), self.next_number);
        self.next_number += 1;
        self.line_up(place, waiting);
        place
    }

    /// Whether a message waits at that place.
    pub(super) fn has(&self, place: Place) -> bool {
        self.ready.contains_key(&place)
    }

    /// Takes a waiting message out of the line; `None` when it has left its place.
    pub(super) fn withdraw(&mut self, place: Place) -> Option<Given> {
        // Without a permit some consumer is about to take it.
        self.waiting.try_acquire().ok()?.forget();
        match self.ready.remove(&place) {
            Some(Waiting { message, redeliveries }) => {
                Some(Given { tag: u64::MAX, message, redeliveries, place, consumer: u64::MAX })
            }
            None => {
                self.waiting.add_permits(1);
                None
            }
        }
    }

    /// Takes those out of the line that came before the one at that place, in order.
    pub(super) fn withdraw_earlier(&mut self, place: Place) -> Vec<Given> {
        let earlier: Vec<Place> = self.ready.keys().filter(|(_, number)| *number < place.1).copied().collect();
        earlier.into_iter().filter_map(|place| self.withdraw(place)).collect()
    }

    /// Takes every waiting message out of the line, in order.
    pub(super) fn withdraw_all(&mut self) -> Vec<Given> {
        let places: Vec<Place> = self.ready.keys().copied().collect();
        places.into_iter().filter_map(|place| self.withdraw(place)).collect()
    }

    /// Returns a message to its old place.
    pub(super) fn put_back(&mut self, given: Given) {
        self.line_up(given.place, Waiting { message: given.message, redeliveries: given.redeliveries });
    }

    fn line_up(&mut self, place: Place, waiting: Waiting) {
        self.ready.insert(place, waiting);
        self.waiting.add_permits(1);
    }

    /// Hands the first message to a consumer.
    pub(super) fn take(&mut self, consumer: u64) -> Option<Given> {
        let (place, Waiting { message, redeliveries }) = self.ready.pop_first()?;
        let tag = self.next_tag;
        self.next_tag += 1;
        let given = Given { tag, message, redeliveries, place, consumer };
        self.given.insert(tag, given.clone());
        Some(given)
    }

    /// Takes a delivery away from its consumer; `None` when it no longer has it.
    pub(super) fn take_back(&mut self, tag: u64) -> Option<Given> {
        self.given.remove(&tag)
    }

    /// Takes every delivery away from a consumer, in their order of delivery.
    pub(super) fn take_back_all(&mut self, consumer: u64) -> Vec<Given> {
        let mut taken: Vec<Given> =
            self.given.extract_if(|_, given| given.consumer == consumer).map(|(_, given)| given).collect();
        taken.sort_unstable_by_key(|given| given.tag);
        taken
    }

    /// What waits, in the order of delivery.
    pub(super) fn waiting_messages(&self) -> impl Iterator<Item = &Message> {
        self.ready.values().map(|waiting| &waiting.message)
    }

    /// Takes out what waits and is wanted, in the order of delivery. Consumers that were already promised a message
    /// still find one: at the front, so these are kept in that case.
    pub(super) fn remove_waiting(&mut self, mut wanted: impl FnMut(&Message) -> bool) -> Vec<Message> {
        let mut removed = Vec::new();
        let promised = self.ready.len().saturating_sub(self.waiting.available_permits());
        let places: Vec<Place> = self.ready.keys().skip(promised).copied().collect();
        for place in places {
            if !self.ready.get(&place).is_some_and(|waiting| wanted(&waiting.message)) {
                continue;
            }
            let Ok(permit) = self.waiting.try_acquire() else { break };
            permit.forget();
            removed.extend(self.ready.remove(&place).map(|waiting| waiting.message));
        }
        removed
    }

    pub(super) fn depth(&self) -> Depth {
        Depth { ready: self.ready.len() as u64, unacked: self.given.len() as u64 }
    }
}
