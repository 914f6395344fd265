//! The words that documents use for things, as data (`labels.txt`, `columns.txt`), and finding them in a row of words.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;

use super::concept::{Column, Concept};

/// Phrases by their first word, longest first.
#[derive(Debug)]
pub(super) struct Lexicon<K> {
    by_first: HashMap<&'static str, Vec<Phrase<K>>>,
}

#[derive(Debug)]
struct Phrase<K> {
    words: Vec<&'static str>,
    key: K,
    weak: bool,
}

/// A phrase that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match<K> {
    pub(super) key: K,
    /// How many words it has.
    pub(super) words: usize,
    /// Whether it also means other things.
    pub(super) weak: bool,
}

/// Labels of values.
pub(super) static LABELS: LazyLock<Lexicon<Concept>> =
    LazyLock::new(|| Lexicon::read(include_str!("labels.txt"), Concept::named));
/// Headers of columns of invoiced items.
pub(super) static COLUMNS: LazyLock<Lexicon<Column>> =
    LazyLock::new(|| Lexicon::read(include_str!("columns.txt"), Column::named));

impl<K: Copy + Eq + Hash> Lexicon<K> {
    fn read(data: &'static str, named: fn(&str) -> Option<K>) -> Self {
        let mut by_first: HashMap<&'static str, Vec<Phrase<K>>> = HashMap::new();
        let mut key = None;
        for line in data.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                key = named(name);
                continue;
            }
            let Some(key) = key else { continue };
            for entry in line.split('|').map(str::trim) {
                let phrase = entry.trim_end_matches('~');
                let words: Vec<&'static str> = phrase.split_whitespace().collect();
                if let Some(first) = words.first() {
                    by_first.entry(first).or_default().push(Phrase { words, key, weak: phrase.len() < entry.len() });
                }
            }
        }
        for phrases in by_first.values_mut() {
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.words.len()));
        }
        Self { by_first }
    }

    /// Every concept whose phrase begins here and is as long as the longest.
    pub(super) fn at<'w>(&self, words: impl Iterator<Item = &'w str> + Clone) -> Vec<Match<K>> {
        let Some(phrases) = words.clone().next().and_then(|first| self.by_first.get(first)) else { return Vec::new() };
        let mut found: Vec<Match<K>> = Vec::new();
        for phrase in phrases {
            let longest = found.first().map_or(0, |found| found.words);
            if phrase.words.len() < longest {
                break;
            }
            let mut here = words.clone();
            let matches = phrase.words.iter().all(|word| here.next() == Some(word));
            if matches && !found.iter().any(|known| known.key == phrase.key) {
                found.push(Match { key: phrase.key, words: phrase.words.len(), weak: phrase.weak });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_data_names_a_concept_and_every_phrase_is_folded() {
        for (data, known) in [
            (include_str!("labels.txt"), (|name: &str| Concept::named(name).is_some()) as fn(&str) -> bool),
            (include_str!("columns.txt"), |name: &str| Column::named(name).is_some()),
        ] {
            for line in data.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()) {
                if let Some(name) = line.strip_prefix('[') {
                    assert!(known(name.trim_end_matches(']')), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_longest_phrase_wins() {
        let words = ["total", "excl", "vat", "5"];
        let found = LABELS.at(words.into_iter());
        assert_eq!(found.iter().map(|found| (found.key, found.words)).collect::<Vec<_>>(), [(Concept::Net, 3)]);
        assert!(LABELS.at(["zebra"].into_iter()).is_empty());
    }
}
