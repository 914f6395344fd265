//! Jobs that a worker has in hand and has not started. Nobody else can see them: the broker does not count them as
//! waiting, and a queue looks empty while they are here. So whoever waits long is protected by a lease like one that
//! runs, and is not taken for lost.

use std::collections::VecDeque;
use std::time::Duration;

use broker::{Delivery, Verdict};
use coordination::Lease;
use tokio::time::Instant;

use crate::crew::InHand;
use crate::leases::Leases;

/// How long a job waits before it gets a lease: most start sooner.
const LONG: Duration = Duration::from_millis(500);

/// The jobs of one queue, in the order in which they came.
#[derive(Default)]
pub(crate) struct Line {
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    delivery: Delivery,
    in_hand: InHand,
    since: Instant,
    lease: Option<Lease>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn push(&mut self, delivery: Delivery, in_hand: InHand) {
        self.waiting.push_back(Waiting { delivery, in_hand, since: Instant::now(), lease: None });
    }

    /// The job that is next. Those whose connection was lost meanwhile come again and are dropped here.
    pub(crate) async fn next(&mut self, leases: &Leases) -> Option<(Delivery, InHand)> {
        while let Some(Waiting { delivery, in_hand, lease, .. }) = self.waiting.pop_front() {
            if !delivery.is_void() {
                // Whoever runs it claims the lease, which this worker may already have.
                return Some((delivery, in_hand));
            }
            if let Some(lease) = lease {
                leases.release(&lease).await;
            }
        }
        None
    }

    /// Sees to it that jobs which have waited long have leases from the next renewal on.
    pub(crate) fn protect(&mut self, leases: &Leases) {
        let now = Instant::now();
        let long = self.waiting.iter_mut().take_while(|waiting| now - waiting.since >= LONG);
        for waiting in long.filter(|waiting| waiting.lease.is_none()) {
            // One that cannot be read is rejected when its turn comes.
            if let Ok(job) = protocol::wire::decode_job(&waiting.delivery.message.body) {
                waiting.lease = Some(leases.expect(&job));
            }
        }
    }

    /// Gives everything back to the queue. Nothing was started, so nothing is counted.
    pub(crate) async fn give_back(self, leases: &Leases) {
        for Waiting { delivery, lease, .. } in self.waiting {
            // The lease first: whoever gets the job next must not take it for a duplicate.
            if let Some(lease) = lease {
                leases.release(&lease).await;
            }
            if let Err(error) = delivery.settle(Verdict::Requeue { counted: false }).await {
                tracing::debug!(error = %error, "a job that was not started will be delivered again");
            }
        }
    }
}
