//! How alike two texts are.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

/// Words of a text beyond these are not looked at for their order, which costs time with the square of their number.
const ORDERED_WORDS: usize = 20_000;

/// Characters of a page beyond these are not compared, for the same reason.
const COMPARED_CHARACTERS: usize = 8_000;

/// The words of a text: what white space parts, compatibility forms such as ligatures folded (NFKC), without the
/// characters that different libraries put where a line is hyphenated.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let hyphens = |character: &char| !matches!(character, '\u{ad}' | '\u{fffe}' | '\u{2}');
    let folded: String = text.nfkc().filter(hyphens).collect();
    folded.split_whitespace().map(str::to_owned).collect()
}

/// Words and how often each occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bag(HashMap<String, usize>);

impl Bag {
    /// Counts words.
    #[must_use]
    pub fn of(words: &[String]) -> Self {
        let mut counts = HashMap::new();
        for word in words {
            *counts.entry(word.clone()).or_default() += 1;
        }
        Self(counts)
    }

    /// How many words there are, each as often as it occurs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often it occurs.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.0.get(word).copied().unwrap_or(0)
    }

    /// The words that are here more often than there, most missed first.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Vec<(String, usize)> {
        let more = |(word, count): (&String, &usize)| {
            let more = count.saturating_sub(other.count(word));
            (more > 0).then(|| (word.clone(), more))
        };
        let mut beyond: Vec<(String, usize)> = self.0.iter().filter_map(more).collect();
        beyond.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        beyond
    }
}

/// The harmonic mean of precision and recall over words, wherever they stand: 1 when both have the same words equally
/// often, and when both have none.
#[must_use]
pub fn f1(a: &Bag, b: &Bag) -> f64 {
    let all = a.len() + b.len();
    if all == 0 {
        return 1.0;
    }
    let common: usize = a.0.iter().map(|(word, count)| b.count(word).min(*count)).sum();
    2.0 * common as f64 / all as f64
}

/// What most references say: each word as often as the median of them has it, the lower one of two. Of three, a word
/// counts when two have it; of two, when both have.
#[must_use]
pub fn consensus(references: &[Bag]) -> Bag {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in references.iter().flat_map(|bag| bag.0.keys()) {
        if counts.contains_key(word) {
            continue;
        }
        let mut of_each: Vec<usize> = references.iter().map(|bag| bag.count(word)).collect();
        of_each.sort_unstable();
        counts.insert(word.clone(), of_each[(of_each.len() - 1) / 2]);
    }
    counts.retain(|_, count| *count > 0);
    Bag(counts)
}

/// How alike two sequences of words are, from 0 to 1: twice the longest common subsequence over both lengths (indel
/// similarity). 1 when both are empty.
#[must_use]
pub fn order(a: &[String], b: &[String]) -> f64 {
    let (a, b) = (&a[..a.len().min(ORDERED_WORDS)], &b[..b.len().min(ORDERED_WORDS)]);
    let all = a.len() + b.len();
    if all == 0 { 1.0 } else { 2.0 * longest_common(a, b) as f64 / all as f64 }
}

/// Length of the longest common subsequence; 64 positions of `a` at once (Hyyrö 2004).
fn longest_common(a: &[String], b: &[String]) -> usize {
    let mut places: HashMap<&str, Vec<(usize, u64)>> = HashMap::new();
    for (at, word) in a.iter().enumerate() {
        let (block, bit) = (at / 64, 1 << (at % 64));
        let of_word = places.entry(word).or_default();
        match of_word.last_mut() {
            Some((last, bits)) if *last == block => *bits |= bit,
            _ => of_word.push((block, bit)),
        }
    }
    // A zero is a place where the subsequence grows.
    let mut row = vec![u64::MAX; a.len().div_ceil(64)];
    for word in b {
        let Some(matches) = places.get(word.as_str()) else { continue };
        let mut matches = matches.iter().peekable();
        let mut carry = false;
        for (block, bits) in row.iter_mut().enumerate() {
            let matched = matches.next_if(|(at, _)| *at == block).map_or(0, |(_, bits)| *bits) & *bits;
            let (sum, first) = bits.overflowing_add(matched);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            carry = first || second;
            *bits = sum | (*bits & !matched);
        }
    }
    row.iter().enumerate().map(|(block, bits)| zeros(*bits, a.len() - block * 64)).sum()
}

/// How many of the lowest bits are zero, at most all 64.
fn zeros(bits: u64, lowest: usize) -> usize {
    let used = if lowest >= 64 { u64::MAX } else { (1 << lowest) - 1 };
    (!bits & used).count_ones() as usize
}

/// One less the edit distance over the length of what is right, not below 0; white space counts as one space. What
/// recognition of characters is usually judged by.
#[must_use]
pub fn character_accuracy(right: &[String], read: &[String]) -> f64 {
    let characters = |words: &[String]| -> Vec<char> { words.join(" ").chars().take(COMPARED_CHARACTERS).collect() };
    let (right, read) = (characters(right), characters(read));
    if right.is_empty() {
        return f64::from(u8::from(read.is_empty()));
    }
    (1.0 - strsim::generic_levenshtein(&right, &read) as f64 / right.len() as f64).max(0.0)
}

/// The mean, of nothing 0.
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(text: &str) -> Bag {
        Bag::of(&words(text))
    }

    #[test]
    fn words_are_folded_and_freed_of_what_stands_for_a_hyphen() {
        assert_eq!(words("o\u{fb03}ce\n  exam\u{ad}ple\u{c}x\u{2}y z\u{fffe}"), ["office", "example", "xy", "z"]);
    }

    #[test]
    fn f1_counts_each_word_as_often_as_both_have_it() {
        // Three of four on this side are right and three of five on that side are found: 2 × 3 / 9.
        assert!((f1(&bag("a a b x"), &bag("a a a b c")) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(f1(&bag("b a"), &bag("a b")), 1.0);
        assert_eq!(f1(&bag("a"), &bag("b")), 0.0);
        assert_eq!(f1(&bag(""), &bag("b")), 0.0);
        assert_eq!(f1(&bag(""), &bag("")), 1.0);
    }

    #[test]
    fn consensus_of_three_is_the_median_and_of_two_what_both_have() {
        let three = [bag("a a b c"), bag("a b b d"), bag("a a a b b")];
        // a: 1, 2, 3; b: 1, 2, 2; c and d: one reference alone.
        assert_eq!(consensus(&three), bag("a a b b"));
        // a: 1, 2; b: 1, 2; c and d: one alone.
        assert_eq!(consensus(&three[..2]), bag("a b"));
        assert!(consensus(&[]).is_empty());
    }

    #[test]
    fn what_one_has_beyond_the_other_is_sorted_by_how_much() {
        let beyond = bag("a a a b c c").beyond(&bag("a b c"));
        assert_eq!(beyond, [("a".to_owned(), 2), ("c".to_owned(), 1)]);
    }

    #[test]
    fn order_is_twice_the_longest_common_subsequence_over_both_lengths() {
        let order = |a: &str, b: &str| order(&words(a), &words(b));
        // The longest common subsequence is "a c d": 2 × 3 / (4 + 5).
        assert!((order("a b c d", "a c x d b") - 6.0 / 9.0).abs() < 1e-12);
        assert_eq!(order("a b", "a b"), 1.0);
        assert_eq!(order("a b", "b a"), 0.5);
        assert_eq!(order("a", ""), 0.0);
        assert_eq!(order("", ""), 1.0);
    }

    #[test]
    fn order_holds_across_blocks_of_64_words() {
        let numbers = |range: std::ops::Range<u32>| range.map(|number| number.to_string()).collect::<Vec<_>>();
        let (all, without) = (numbers(0..200), [numbers(0..60), numbers(70..200)].concat());
        assert!((order(&all, &without) - 380.0 / 390.0).abs() < 1e-12);
        // The halves swapped: the longer half remains.
        let swapped = [numbers(90..200), numbers(0..90)].concat();
        assert!((order(&all, &swapped) - 220.0 / 400.0).abs() < 1e-12);
    }

    #[test]
    fn order_is_what_the_textbook_s_table_says() {
        // Few different words, so that a word stands at many places of many blocks.
        let sequence = |seed: u32, length: u32| {
            let next = |state: &mut u32| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some((*state >> 24) % 5)
            };
            let mut state = seed;
            std::iter::from_fn(|| next(&mut state))
                .take(length as usize)
                .map(|word| word.to_string())
                .collect::<Vec<_>>()
        };
        let (a, b) = (sequence(1, 150), sequence(2, 131));
        let mut table = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                table[i + 1][j + 1] = if x == y { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
            }
        }
        assert_eq!(longest_common(&a, &b), table[150][131]);
    }

    #[test]
    fn character_accuracy_is_one_less_edits_over_what_is_right() {
        let accuracy = |right: &str, read: &str| character_accuracy(&words(right), &words(read));
        // One changed, one missing of eight.
        assert!((accuracy("abcd efg", "abXd ef") - 0.75).abs() < 1e-12);
        assert_eq!(accuracy("ab", "something else"), 0.0);
        assert_eq!(accuracy("", ""), 1.0);
        assert_eq!(accuracy("", "x"), 0.0);
    }

    #[test]
    fn the_mean_of_nothing_is_nothing() {
        assert_eq!(mean([]), 0.0);
        assert_eq!(mean([1.0, 2.0]), 1.5);
    }
}
