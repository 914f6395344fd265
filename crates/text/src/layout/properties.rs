//! What holds for every page, whatever is drawn on it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::unicode::normalise;

/// Characters of several scripts, signs, digits and dots, white space among them.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        prop::char::range('a', 'f'),
        prop::char::range('0', '9'),
        Just('.'),
        Just('-'),
        prop::char::range('א', 'ו'),
        prop::char::range('\u{627}', '\u{62f}'),
        prop::char::range('一', '丅'),
    ]
}

/// A place that is like one on a page in most cases, and like none in some.
fn position() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (0_i16..600).prop_map(f32::from),
        4 => (0_i16..30).prop_map(|step| f32::from(step) * 20.0),
        1 => any::<f32>().prop_filter("finite", |number| number.is_finite() && number.abs() < 1e30),
    ]
}

fn mark() -> impl Strategy<Value = Mark> {
    let along =
        prop_oneof![8 => Just((1.0, 0.0)), 1 => Just((0.0, 1.0)), 1 => Just((-1.0, 0.0)), 1 => Just((0.7, 0.7))];
    let glyph = (character(), position(), position(), 0.0_f32..20.0, 0.0_f32..20.0, along).prop_map(
        |(character, x, y, width, height, along)| {
            let bbox = BBox::new(x, y, x + width, y + height);
            Mark::Glyph(Glyph::new(character, bbox, (x, y + height), along))
        },
    );
    prop_oneof![12 => glyph, 2 => Just(Mark::Space), 1 => Just(Mark::Break)]
}

fn rule() -> impl Strategy<Value = Rule> {
    (any::<bool>(), position(), position(), position()).prop_map(|(is_horizontal, at, a, b)| Rule {
        is_horizontal,
        at,
        from: a.min(b),
        to: a.max(b),
    })
}

/// How often each letter comes, in the form in which words have it.
fn letters(text: impl Iterator<Item = char>) -> BTreeMap<char, usize> {
    let mut letters = BTreeMap::new();
    for letter in normalise(&text.filter(|letter| !letter.is_whitespace()).collect::<String>()).chars() {
        *letters.entry(letter).or_default() += 1;
    }
    letters
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_letter_is_in_one_word_and_every_word_in_one_block(
        marks in prop::collection::vec(mark(), 0..200),
        rules in prop::collection::vec(rule(), 0..40),
    ) {
        let kept = duplicates::dropped(&marks).into_iter().cloned().collect::<Vec<_>>();
        let drawn = letters(kept.iter().filter_map(|mark| match mark {
            Mark::Glyph(glyph) => Some(glyph.character),
            Mark::Space | Mark::Break => None,
        }));
        let Laid { lines, blocks, tables } = page(marks, &rules);
        let words = || lines.iter().flat_map(|line| &line.words);
        prop_assert_eq!(&letters(words().flat_map(|word| word.text.chars())), &drawn);
        prop_assert_eq!(&letters(lines.iter().flat_map(|line| line.text.chars())), &drawn);
        if !blocks.is_empty() {
            let mut read: Vec<(u32, u32)> = Vec::new();
            for span in blocks.iter().flat_map(|block| &block.spans) {
                read.extend((span.from..span.to).map(|word| (span.line, word)));
            }
            read.sort_unstable();
            let all = (0_u32..).zip(&lines);
            let all: Vec<(u32, u32)> =
                all.flat_map(|(number, line)| (0..line.words.len() as u32).map(move |word| (number, word))).collect();
            prop_assert_eq!(read, all);
        }
        for table in &tables {
            prop_assert!(table.columns >= 2 && table.rows.len() >= 2);
            for (row, of) in table.rows.iter().enumerate() {
                let mut end = 0;
                for cell in &of.cells {
                    prop_assert!(cell.column >= end, "cells of a row do not overlap: {:?}", of);
                    end = cell.column + cell.columns;
                    prop_assert!(cell.columns >= 1 && cell.rows >= 1);
                    prop_assert!(end <= table.columns && row + cell.rows as usize <= table.rows.len());
                }
            }
        }
    }
}
