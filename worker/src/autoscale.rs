//! How many jobs to run at once, decided by how much there is to do.

#[cfg(feature = "fleet")]
use std::str::FromStr;
use std::time::Duration;

/// A concurrency that follows the backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Autoscale {
    /// Jobs at once when there is little to do; at least 1.
    pub min: usize,
    /// Jobs at once when there is much to do.
    pub max: usize,
    /// How often to look.
    pub pace: Duration,
    /// How long there has to be little to do before the concurrency shrinks.
    pub quiet: Duration,
}

impl Autoscale {
    /// Between `min` and `max`, looked at every second, shrinking after ten quiet ones.
    #[must_use]
    pub fn between(min: usize, max: usize) -> Self {
        let min = min.max(1);
        Self { min, max: max.max(min), pace: Duration::from_secs(1), quiet: Duration::from_secs(10) }
    }
}

/// `MAX,MIN`, as Celery writes it.
#[cfg(feature = "fleet")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) max: u16,
    pub(crate) min: u16,
}

/// Something that is no span.
#[cfg(feature = "fleet")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write MAX,MIN such as 8,2, with 1 ≤ MIN ≤ MAX ≤ 1024")]
pub(crate) struct NotASpan;

#[cfg(feature = "fleet")]
impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let (max, min) = text.split_once(',').ok_or(NotASpan)?;
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_not_a_number| NotASpan);
        let (max, min) = (number(max)?, number(min)?);
        if (1..=max).contains(&min) && max <= 1024 { Ok(Self { max, min }) } else { Err(NotASpan) }
    }
}

/// What a worker sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Jobs that may run at once.
    pub(crate) slots: usize,
    /// How many of them are free.
    pub(crate) free: usize,
    /// Jobs that wait in its queues.
    pub(crate) waiting: u64,
    /// What the concurrency would shrink to.
    pub(crate) smaller: Option<usize>,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Stay,
    /// Add so many slots.
    Grow(usize),
    /// Take away what was added last.
    Shrink,
}

/// Decides from look to look. It doubles while there is more to do than can be done, and goes back the same way.
#[derive(Debug)]
pub(crate) struct Governor {
    scale: Autoscale,
    quiet_for: Duration,
}

impl Governor {
    pub(crate) const fn new(scale: Autoscale) -> Self {
        Self { scale, quiet_for: Duration::ZERO }
    }

    /// It has shrunk; before it shrinks further it has to be quiet once more.
    pub(crate) fn shrunk(&mut self) {
        self.quiet_for = Duration::ZERO;
    }

    /// What to do after `passed` more time.
    pub(crate) fn decide(&mut self, sight: Sight, passed: Duration) -> Step {
        let Sight { slots, free, waiting, smaller } = sight;
        if waiting > 0 || free == 0 {
            self.quiet_for = Duration::ZERO;
            let room = self.scale.max.saturating_sub(slots);
            return if room == 0 { Step::Stay } else { Step::Grow(slots.min(room)) };
        }
        // What is under way would fit into the smaller size and leave a slot for what comes next.
        if smaller.is_none_or(|smaller| slots - free >= smaller) {
            self.quiet_for = Duration::ZERO;
            return Step::Stay;
        }
        self.quiet_for += passed;
        // Shrinking may have to be tried more than once: what was added last has to be idle.
        if self.quiet_for < self.scale.quiet { Step::Stay } else { Step::Shrink }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sight(slots: usize, free: usize, waiting: u64, smaller: Option<usize>) -> Sight {
        Sight { slots, free, waiting, smaller }
    }

    #[test]
    fn it_doubles_up_to_its_maximum_while_there_is_more_to_do() {
        let mut governor = Governor::new(Autoscale::between(2, 12));
        assert_eq!(governor.decide(sight(2, 0, 0, None), SECOND), Step::Grow(2), "all are busy");
        assert_eq!(governor.decide(sight(4, 1, 7, Some(2)), SECOND), Step::Grow(4), "jobs wait");
        assert_eq!(governor.decide(sight(8, 0, 7, Some(4)), SECOND), Step::Grow(4), "no more than the maximum");
        assert_eq!(governor.decide(sight(12, 0, 7, Some(8)), SECOND), Step::Stay);
    }

    #[test]
    fn it_shrinks_after_a_quiet_while_and_no_sooner() {
        let mut governor = Governor::new(Autoscale::between(2, 12));
        let quiet = sight(8, 7, 0, Some(4));
        for _ in 0..9 {
            assert_eq!(governor.decide(quiet, SECOND), Step::Stay);
        }
        assert_eq!(governor.decide(sight(8, 4, 0, Some(4)), SECOND), Step::Stay, "so many are needed");
        for _ in 0..9 {
            assert_eq!(governor.decide(quiet, SECOND), Step::Stay, "the quiet begins anew");
        }
        assert_eq!(governor.decide(quiet, SECOND), Step::Shrink);
        assert_eq!(governor.decide(quiet, SECOND), Step::Shrink, "until it could be done");
        governor.shrunk();
        assert_eq!(governor.decide(sight(4, 4, 0, Some(2)), SECOND), Step::Stay);
        assert_eq!(governor.decide(sight(2, 2, 0, None), SECOND * 60), Step::Stay, "it has reached its minimum");
    }

    #[test]
    fn a_span_is_written_as_in_celery() {
        assert_eq!("8,2".parse(), Ok(Span { max: 8, min: 2 }));
        assert_eq!(" 3, 3".parse(), Ok(Span { max: 3, min: 3 }));
        for text in ["8", "2,8", "8,0", "8,", "2000,1", "a,b", "8,2,1"] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text:?}");
        }
    }
}
