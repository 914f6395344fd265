use proptest::prelude::*;

use super::*;

fn cut(text: &str, size: u32, overlap: u32) -> Vec<&str> {
    let tokens = TokenMap::new(text).unwrap();
    split(text, &tokens, Chunking { size, overlap, room: size }).into_iter().map(|(a, b)| &text[a..b]).collect()
}

#[test]
fn settings_out_of_range_are_refused_with_their_bounds() {
    assert_eq!(Chunking::choose(8000, 0, 0, false), Ok(Chunking { size: 4800, overlap: 480, room: 4800 }));
    assert_eq!(Chunking::choose(8000, 512, 64, true), Chunking::choose(8000, 0, 0, false));
    assert_eq!(Chunking::choose(8000, 512, 64, false), Ok(Chunking { size: 512, overlap: 64, room: 4800 }));
    assert!(Chunking::choose(u32::MAX, 0, 0, true).is_ok());
    let refused = |context, size, overlap| Chunking::choose(context, size, overlap, false).unwrap_err().to_string();
    assert!(refused(0, 0, 0).contains("at least 128"));
    assert!(refused(8000, 3, 0).contains("at least 8"));
    assert!(refused(8000, 5000, 0).contains("room for 4800"));
    assert!(refused(8000, 512, 512).contains("at most 384"));
}

#[test]
fn cuts_fall_on_paragraphs_then_sentences_then_lines_then_words() {
    let chunks = cut("One two three four five.\n\nSix seven eight nine ten eleven twelve.", 11, 0);
    assert_eq!(chunks, ["One two three four five.", "Six seven eight nine ten eleven twelve."]);
    let chunks = cut("One two three four five six. Seven eight nine ten eleven twelve thirteen.", 12, 0);
    assert_eq!(chunks[0], "One two three four five six.");
    let chunks = cut("one two three four\nfive six seven eight\nnine ten eleven twelve", 12, 0);
    assert_eq!(chunks, ["one two three four\nfive six seven eight", "nine ten eleven twelve"]);
    let chunks = cut("one two three four five six seven eight nine ten eleven twelve", 8, 0);
    assert_eq!(chunks[0], "one two three four five six seven");
}

#[test]
fn an_overlap_repeats_whole_words_of_the_chunk_before() {
    let chunks = cut("one two three four five six seven eight nine ten eleven twelve", 8, 3);
    assert!(chunks[0].ends_with(" six seven") && chunks[1].starts_with("six seven"), "{chunks:?}");
}

#[test]
fn an_endless_word_is_cut_by_characters() {
    let word = "é".repeat(10_000);
    let chunks = cut(&word, 100, 10);
    assert!(chunks.len() > 20);
    assert!(chunks.iter().all(|chunk| chunk.chars().all(|c| c == 'é')));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn chunks_cover_the_text_within_size_and_overlap(
        words in proptest::collection::vec("[a-z]{1,9}|[0-9.,]{1,12}|\\PC{1,6}|[a-z]{40,90}|[ \n\u{c}]{1,6}|[.!?。]\n?", 0..160),
        size in 8_u32..64,
        overlap in 0_u32..48,
    ) {
        let text = words.join(" ");
        let overlap = overlap.min(size / 4 * 3);
        let tokens = TokenMap::new(&text).unwrap();
        let ranges = split(&text, &tokens, Chunking { size, overlap, room: size });
        prop_assert_eq!(&ranges, &split(&text, &tokens, Chunking { size, overlap, room: size }));

        let mut covered = 0;
        let mut previous_end = 0;
        let mut previous_start = None;
        for &(start, end) in &ranges {
            let slice = text.get(start..end).unwrap();
            prop_assert!(!slice.is_empty() && slice.trim() == slice);
            prop_assert!(tokens.count(start, end) <= size as usize);
            prop_assert!(previous_start.is_none_or(|previous| start > previous));
            prop_assert!(tokens.count(start, previous_end) <= overlap as usize);
            if start > covered {
                prop_assert!(text[covered..start].trim().is_empty(), "lost {:?}", &text[covered..start]);
            }
            covered = covered.max(end);
            (previous_start, previous_end) = (Some(start), end);
        }
        prop_assert!(text[covered..].trim().is_empty());
    }
}
