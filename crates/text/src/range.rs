//! Which pages of a document are wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Pages by number, counted from 1, as print dialogues have them: `1-5,7,21-`. Travels as such a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageRange(Vec<(u32, Option<u32>)>);

impl PageRange {
    /// Whether the page of that number is wanted.
    #[must_use]
    pub fn holds(&self, page: u32) -> bool {
        self.0.iter().any(|(first, last)| *first <= page && last.is_none_or(|last| page <= last))
    }
}

/// What is no list of pages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is no page or range of pages; write them like 1-5,7,21-")]
pub struct InvalidRange {
    part: String,
}

impl FromStr for PageRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let invalid = |part: &str| InvalidRange { part: part.chars().take(40).collect() };
        let number = |digits: &str| digits.trim().parse::<u32>().ok().filter(|page| *page > 0);
        let part = |part: &str| match part.split_once('-') {
            None => number(part).map(|page| (page, Some(page))),
            Some((first, last)) => {
                let first = if first.trim().is_empty() { Some(1) } else { number(first) };
                let last = if last.trim().is_empty() { Some(None) } else { number(last).map(Some) };
                // "-" alone is a slip rather than a wish for everything.
                let is_dash = part.trim() == "-";
                let is_turned = |first: u32, last: Option<u32>| last.is_some_and(|last| last < first);
                first.zip(last).filter(|(first, last)| !is_dash && !is_turned(*first, *last))
            }
        };
        text.split(',').map(|text| part(text).ok_or_else(|| invalid(text))).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for PageRange {
    type Error = InvalidRange;

    fn try_from(text: String) -> Result<Self, InvalidRange> {
        text.parse()
    }
}

impl From<PageRange> for String {
    fn from(range: PageRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match last {
                Some(last) if last == first => write!(f, "{comma}{first}")?,
                Some(last) => write!(f, "{comma}{first}-{last}")?,
                None => write!(f, "{comma}{first}-")?,
            }
        }
        Ok(())
    }
}

/// `[1, 2, 3, 7]` as `pages 1–3, 7`.
pub(crate) fn spoken(pages: &[u32]) -> String {
    let runs = pages.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some((run.first()?, run.last()?)));
    let runs = runs.map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") });
    let runs: Vec<String> = runs.collect();
    format!("{} {}", if pages.len() == 1 { "page" } else { "pages" }, runs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_as_in_print_dialogues() {
        let range: PageRange = " 1-3, 7,21-".parse().unwrap();
        let held: Vec<u32> = (0..=22).filter(|page| range.holds(*page)).collect();
        assert_eq!(held, [1, 2, 3, 7, 21, 22]);
        assert_eq!(range.to_string(), "1-3,7,21-");
        assert!("-4".parse::<PageRange>().unwrap().holds(1));
    }

    #[test]
    fn what_names_no_page_is_refused_with_the_part_that_does_not() {
        for (text, part) in
            [("", ""), ("0", "0"), ("3-1", "3-1"), ("1,,2", ""), ("-", "-"), ("a", "a"), ("1-2-3", "1-2-3")]
        {
            assert_eq!(text.parse::<PageRange>(), Err(InvalidRange { part: part.to_owned() }), "{text:?}");
        }
    }

    #[test]
    fn pages_are_spoken_of_in_runs() {
        assert_eq!(spoken(&[1, 2, 3, 7]), "pages 1–3, 7");
        assert_eq!(spoken(&[4]), "page 4");
    }
}
