//! How long this worker lets an attempt take, whatever its task would allow.

use std::time::Duration;

use protocol::workflow::Timeouts;

/// Caps on the time limits of tasks; the smaller of the two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// After this a handler is told to come to an end.
    pub soft: Option<Duration>,
    /// After this an attempt is aborted and its child processes are killed, however much time its handler asked for.
    pub hard: Option<Duration>,
}

impl TimeLimits {
    /// The same for a broker that takes a delivery away after `settle_within`: an attempt has to end before, or its job
    /// would be started a second time while it is still under way.
    pub(crate) fn within(self, settle_within: Option<Duration>) -> Self {
        Self { hard: smaller(self.hard, settle_within), ..self }
    }

    /// Caps the time limits of a task.
    pub(crate) fn cap(&self, timeouts: Timeouts) -> Timeouts {
        let hard = self.hard.map_or(timeouts.hard, |hard| hard.min(timeouts.hard));
        Timeouts { hard, soft: smaller(self.soft, timeouts.soft), ..timeouts }
    }
}

fn smaller(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(soft: Option<u32>, hard: Option<u32>) -> TimeLimits {
        TimeLimits { soft: soft.map(|seconds| SECOND * seconds), hard: hard.map(|seconds| SECOND * seconds) }
    }

    fn capped(limits: TimeLimits, soft: Option<u32>, hard: u32) -> (Option<Duration>, Duration) {
        let soft = soft.map(|seconds| SECOND * seconds);
        let capped = limits.cap(Timeouts { soft, hard: SECOND * hard, queue_wait: Some(SECOND) });
        assert_eq!(capped.queue_wait, Some(SECOND));
        (capped.soft, capped.hard)
    }

    #[test]
    fn the_smaller_limit_counts() {
        assert_eq!(capped(limits(None, None), Some(5), 10), (Some(SECOND * 5), SECOND * 10));
        assert_eq!(capped(limits(Some(3), Some(7)), Some(5), 10), (Some(SECOND * 3), SECOND * 7));
        assert_eq!(capped(limits(Some(8), Some(20)), Some(5), 10), (Some(SECOND * 5), SECOND * 10));
        assert_eq!(capped(limits(Some(3), None), None, 10), (Some(SECOND * 3), SECOND * 10));
    }

    #[test]
    fn no_attempt_outlasts_its_delivery() {
        let hour = SECOND * 3600;
        assert_eq!(limits(None, None).within(Some(hour * 9)).hard, Some(hour * 9));
        assert_eq!(limits(None, Some(60)).within(Some(hour * 9)).hard, Some(SECOND * 60));
        assert_eq!(limits(None, None).within(None).hard, None);
    }
}
