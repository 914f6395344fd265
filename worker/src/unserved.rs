//! Jobs of tasks that this worker has no handler for.
//!
//! Workers that share a queue need not serve the same tasks: one of somebody's own beside the stock one, or two versions
//! during an update. Such a job goes back to the end of its queue, where another worker may take it. The message itself
//! counts how often that happened, so that a task that nobody serves comes to an end.

use std::time::Duration;

use ::metrics::counter;
use backends::host::PASSED_ON;
use broker::{Broker, Message, Verdict};
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How often a job is passed on before the attempt fails.
const MOST: u32 = 16;

/// From the how-manieth time on a job rests first: by then, workers that share the queue evenly have all seen it.
const RESTING_FROM: u32 = 8;

/// How long it rests.
const REST: Duration = Duration::from_millis(500);

/// How often a job was passed on.
pub(crate) fn passed_on(message: &Message) -> u32 {
    message.headers.get(PASSED_ON).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Whether a job may be passed on once more.
pub(crate) fn may_be_passed_on(message: &Message) -> bool {
    passed_on(message) < MOST
}

/// Puts the job at the end of its queue. Dying in between makes two of it, and a duplicate is dropped when it starts.
pub(crate) async fn pass_on(broker: &dyn Broker, message: &Message, stop: &CancellationToken) -> Verdict {
    let before = passed_on(message);
    if before >= RESTING_FROM && stop.run_until_cancelled(tokio::time::sleep(REST)).await.is_none() {
        return Verdict::Requeue { counted: false };
    }
    counter!(metrics::PASSED_ON, "queue" => message.queue.clone()).increment(1);
    let again = message.clone().header(PASSED_ON, (before + 1).to_string());
    match broker.publish(vec![again]).await {
        Ok(()) => Verdict::Ack,
        Err(error) => {
            tracing::warn!(error = %error, "a job for another worker could not be passed on");
            Verdict::Requeue { counted: false }
        }
    }
}
