//! Dates and numbers among the words of a document.

use std::ops::Range;

use values::date::Precision;
use values::{currency, date, number};

use super::analysis::{Analysis, Dated, Numbered};

/// A date is at most this many words: `12 de marzo de 2024`, `August 3 , 2014`.
const LONGEST_DATE: usize = 5;
/// A number is at most this many words: `- 1 234 567,89 EUR`.
const LONGEST_NUMBER: usize = 5;

/// Every whole day, in reading order, none within another.
pub(super) fn dates(analysis: &Analysis) -> Vec<Dated> {
    let mut found = Vec::new();
    for line in &analysis.lines {
        let mut at = line.words.start;
        while at < line.words.end {
            let longest = LONGEST_DATE.min(line.words.end - at);
            let date = (1..=longest).find_map(|length| dated(analysis, at..at + length));
            at = date.as_ref().map_or(at + 1, |date| date.words.end);
            found.extend(date);
        }
    }
    found
}

fn dated(analysis: &Analysis, words: Range<usize>) -> Option<Dated> {
    let first = &analysis.words[words.start].text;
    let begins =
        first.contains(|ch: char| ch.is_ascii_digit()) || date::month(&values::fold::fold_words(first)).is_some();
    if !begins || analysis.words[words.start].segment != analysis.words[words.end - 1].segment {
        return None;
    }
    let text = analysis.text(words.clone());
    let text = text.trim_end_matches(['.', ',', ';', ')']);
    let date = date::parse(text, &analysis.conventions).filter(|date| date.precision == Precision::Day)?;
    // Eight digits alone are a number as often as a date.
    let compact = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    (!compact).then_some(Dated { words, iso: date.iso, ambiguous: date.ambiguous })
}

/// Every number that is no part of a date, in reading order, as many words as belong to it.
pub(super) fn numbers(analysis: &Analysis) -> Vec<Numbered> {
    let mut found = Vec::new();
    let mut dates = analysis.dates.iter().peekable();
    for line in &analysis.lines {
        let mut at = line.words.start;
        while at < line.words.end {
            while dates.next_if(|date| date.words.end <= at).is_some() {}
            if let Some(date) = dates.peek()
                && date.words.contains(&at)
            {
                at = date.words.end;
                continue;
            }
            let segment_end = analysis.segment_of(at).words.end;
            let until = dates.peek().map_or(segment_end, |date| date.words.start.min(segment_end).max(at + 1));
            let longest = LONGEST_NUMBER.min(until - at);
            let number = (1..=longest).rev().find_map(|length| numbered(analysis, at..at + length));
            at = number.as_ref().map_or(at + 1, |number| number.words.end);
            found.extend(number);
        }
    }
    found
}

fn numbered(analysis: &Analysis, words: Range<usize>) -> Option<Numbered> {
    let members = &analysis.words[words.clone()];
    let has_digit = |text: &str| text.contains(|ch: char| ch.is_ascii_digit());
    let belongs = |text: &str| {
        has_digit(text)
            || matches!(text, "-" | "−" | "–" | "%" | "(" | ")" | "CR" | "DR")
            || currency::of(text).is_some()
    };
    if !members.iter().all(|word| belongs(&word.text)) {
        return None;
    }
    // Digits in two words are one number only when they stand as close as digits of one word do.
    for pair in members.windows(2) {
        let gap = pair[1].bbox.x0 - pair[0].bbox.x1;
        if has_digit(&pair[0].text) && has_digit(&pair[1].text) && gap > 0.55 * pair[0].bbox.height() {
            return None;
        }
    }
    // `1 € 399,00`: the symbol belongs to the number it precedes.
    let last = &members[members.len() - 1].text;
    let next = analysis.words.get(words.end).filter(|next| next.segment == members[0].segment);
    if members.len() > 1
        && currency::of(last).is_some()
        && next.is_some_and(|next| next.text.starts_with(|ch: char| ch.is_ascii_digit()))
    {
        let gap = |a: &super::analysis::Word, b: &super::analysis::Word| b.bbox.x0 - a.bbox.x1;
        if let Some(next) = next
            && gap(&members[members.len() - 1], next) <= gap(&members[members.len() - 2], &members[members.len() - 1])
        {
            return None;
        }
    }
    let text = analysis.text(words.clone());
    let text = text.trim_matches([':', ';', '*', '=']).trim_end_matches(['.', ',']);
    let number = number::parse(text, &analysis.conventions)?;
    let fraction = text.trim_end_matches(|ch: char| !ch.is_ascii_digit());
    let cents = fraction.rfind(['.', ',']).is_some_and(|at| fraction.len() - at == 3);
    Some(Numbered { words, money: !number.percent && (number.currency.is_some() || cents), number })
}
