//! Which pages are read: `1-5,7,21-`.

use std::ops::RangeInclusive;

/// The most parts that a selection may have.
const MOST_PARTS: usize = 100;

/// The pages that somebody asked for, in the order of the list; all of them where it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection(Vec<RangeInclusive<u32>>);

impl Selection {
    /// None for what is no selection.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::default());
        }
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
        let part = |part: &str| match part.split_once('-') {
            None => number(part).map(|page| page..=page),
            Some((from, "")) => Some(number(from)?..=u32::MAX),
            Some((from, to)) => Some(number(from)?..=number(to)?).filter(|range| !range.is_empty()),
        };
        let parts: Option<Vec<_>> = text.split(',').map(|text| part(text.trim())).collect();
        parts.filter(|parts| parts.len() <= MOST_PARTS).map(Self)
    }

    /// The numbers of the pages that come back, one after the other.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let last = self.0.last().map_or(0, |range| *range.end());
        // More pages than were asked for are counted on.
        self.0.iter().cloned().flatten().chain(last.saturating_add(1)..=u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, count: usize) -> Vec<u32> {
        Selection::read(text).unwrap().numbers().take(count).collect()
    }

    #[test]
    fn pages_keep_the_numbers_that_a_reader_counts() {
        assert_eq!(numbers("", 3), [1, 2, 3]);
        assert_eq!(numbers("2-3, 7,21-", 6), [2, 3, 7, 21, 22, 23]);
        assert_eq!(numbers("5", 3), [5, 6, 7]);
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for text in ["all", "0", "3-1", "1,,2", "-4", "1-x", "99999999999", &"1,".repeat(200)] {
            assert_eq!(Selection::read(text), None, "{text}");
        }
    }
}
