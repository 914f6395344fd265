//! Which acknowledgements to send: one frame can stand for many.

use std::collections::BTreeSet;

/// The deliveries of one channel that are settled, by their tags, which count from 1.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Everything up to here is settled.
    settled_to: u64,
    /// What is settled beyond.
    settled: BTreeSet<u64>,
    /// What is acknowledged and RabbitMQ has not been told.
    untold: Vec<u64>,
}

/// One `basic.ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    /// Whether it stands for everything below, too.
    pub(super) multiple: bool,
}

impl Acks {
    /// A delivery is acknowledged.
    pub(super) fn acknowledge(&mut self, tag: u64) {
        self.untold.push(tag);
        self.settle(tag);
    }

    /// A delivery is settled in another way, of which RabbitMQ has been told.
    pub(super) fn settle(&mut self, tag: u64) {
        self.settled.insert(tag);
        while self.settled.remove(&(self.settled_to + 1)) {
            self.settled_to += 1;
        }
    }

    /// What to send now: one frame for all that lies below the first delivery that is not settled, and one for each
    /// beyond.
    pub(super) fn take(&mut self) -> Vec<Ack> {
        let (below, beyond): (Vec<u64>, Vec<u64>) = self.untold.drain(..).partition(|tag| *tag <= self.settled_to);
        let together = below.iter().max().map(|tag| Ack { tag: *tag, multiple: below.len() > 1 });
        together.into_iter().chain(beyond.into_iter().map(|tag| Ack { tag, multiple: false })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(tag: u64) -> Ack {
        Ack { tag, multiple: false }
    }

    #[test]
    fn one_frame_stands_for_all_below_the_first_unsettled_delivery() {
        let mut acks = Acks::default();
        for tag in [2, 1, 3, 5] {
            acks.acknowledge(tag);
        }
        assert_eq!(acks.take(), [Ack { tag: 3, multiple: true }, one(5)]);
        assert_eq!(acks.take(), []);
        acks.acknowledge(4);
        assert_eq!(acks.take(), [one(4)]);
        acks.acknowledge(6);
        acks.acknowledge(7);
        assert_eq!(acks.take(), [Ack { tag: 7, multiple: true }]);
    }

    #[test]
    fn nothing_that_is_unsettled_is_ever_acknowledged() {
        let mut acks = Acks::default();
        acks.acknowledge(3);
        acks.acknowledge(2);
        assert_eq!(acks.take(), [one(3), one(2)], "1 is still with its handler");
        acks.settle(1);
        acks.acknowledge(4);
        assert_eq!(acks.take(), [one(4)]);
    }
}
