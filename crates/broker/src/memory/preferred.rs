//! Messages that prefer one consumer: a line of their own for a while, then the one of everybody.

use std::sync::{Arc, Weak};

use tokio::time::{Duration, sleep};

use super::queue::{Given, Place, Queue};
use super::{Shared, State};
use crate::{Message, PREFERRED_WAIT};

/// Between attempts to take a message back that a consumer seems to be about to take.
const PAUSE: Duration = Duration::from_millis(10);

/// What the line of a consumer is called among the queues. No queue has such a name.
pub(super) fn line_of(queue: &str, consumer: &str) -> String {
    format!("{queue}\0{consumer}")
}

impl State {
    /// Opens the line of a consumer, or counts one more that serves it.
    pub(super) fn join_line(&mut self, queue: &str, consumer: &str) -> String {
        let line = line_of(queue, consumer);
        self.queues.entry(line.clone()).or_insert_with(|| Queue::before(queue)).consumers += 1;
        line
    }

    /// One that served this line is gone. With the last one the line is closed, and who still waits in it goes on.
    pub(super) fn leave_line(&mut self, line: &str) {
        let Some(queue) = self.queues.get_mut(line).filter(|queue| queue.home().is_some()) else { return };
        queue.consumers -= 1;
        if queue.consumers > 0 {
            return;
        }
        for given in queue.withdraw_all() {
            self.put_on(line, given);
        }
        self.queues.remove(line);
    }

    /// Lets a message go on from a line to the queue of everybody.
    pub(super) fn put_on(&mut self, line: &str, given: Given) {
        let home = self.queues.get(line).and_then(Queue::home).map(str::to_owned);
        if let Some(home) = home.and_then(|home| self.queues.get_mut(&home)) {
            home.put_on(given);
        }
    }
}

impl Shared {
    /// Places a message in the line of the consumer that it prefers, where there is one, else in its queue.
    pub(super) fn place(self: &Arc<Self>, state: &mut State, message: Message) {
        let line = message.preferred.as_deref().map(|consumer| line_of(&message.queue, consumer));
        if let Some(line) = line
            && let Some(queue) = state.queues.get_mut(&line)
        {
            let place = queue.put(message);
            tokio::spawn(go_on_in_time(Arc::downgrade(self), line, place));
        } else if let Some(queue) = state.queues.get_mut(&message.queue) {
            queue.put(Message { preferred: None, ..message });
        }
    }

    /// Lets a message go on if it waits, after those that came before it: their time has come, too. False while some
    /// consumer seems to be about to take it.
    fn let_go_on(&self, line: &str, place: Place) -> bool {
        let mut state = self.lock();
        let Some(queue) = state.queues.get_mut(line).filter(|queue| queue.has(place)) else { return true };
        let earlier = queue.withdraw_earlier(place);
        let last = queue.withdraw(place);
        let gone = last.is_some();
        for given in earlier.into_iter().chain(last) {
            state.put_on(line, given);
        }
        gone
    }
}

/// Waits as long as a message may prefer somebody, then lets it go on unless it was taken.
async fn go_on_in_time(shared: Weak<Shared>, line: String, place: Place) {
    sleep(PREFERRED_WAIT).await;
    while shared.upgrade().is_some_and(|shared| !shared.let_go_on(&line, place)) {
        sleep(PAUSE).await;
    }
}
