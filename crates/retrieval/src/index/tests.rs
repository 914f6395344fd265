use protocol::document::{Line, Page};

use super::*;

fn document(pages: &[&[&str]]) -> Document {
    let line = |text: &&str| Line { text: (*text).to_owned(), ..Line::default() };
    let page =
        |(number, lines): (u32, &&[&str])| Page { number, lines: lines.iter().map(line).collect(), ..Page::default() };
    Document { media_type: "text/plain".into(), pages: (1..).zip(pages).map(page).collect(), ..Document::default() }
}

fn index_of(pages: &[&[&str]], size: u32) -> Index {
    Index::build(&document(pages), Chunking { size, overlap: 0, room: 8 }).unwrap()
}

#[test]
fn the_best_match_comes_first_and_ids_and_dates_are_words() {
    let index = index_of(
        &[
            &["The order was shipped to the customer in Berlin on the next day by ordinary mail."],
            &["Invoice INV-2024-001 dated 2024-03-15 for the order."],
            &["Invoice INV-2024-002 dated 2024-04-15 for the order."],
        ],
        24,
    );
    assert_eq!(index.chunks.len(), 3);
    let best = |query: &str| index.search(query, 1).first().map(|hit| index.chunks[hit.chunk].first_page);
    assert_eq!(best("What is INV-2024-002?"), Some(3));
    assert_eq!(best("dated 2024-03-15"), Some(2));
    assert_eq!(best("customers in berlin"), Some(1));
    assert_eq!(best("weather"), None);
    let scores: Vec<f64> = index.search("invoice order berlin", 9).iter().map(|hit| hit.score).collect();
    assert!(scores.len() == 3 && scores.is_sorted_by(|a, b| a >= b));
}

#[test]
fn an_index_survives_its_artifact() {
    let index = index_of(&[&["Total 12.50 EUR, thank you for your order."], &["Second page"]], 8);
    let json = serde_json::to_vec(&index).unwrap();
    assert_eq!(serde_json::from_slice::<Index>(&json).unwrap(), index);
}

#[test]
fn chunks_know_their_pages() {
    let pages: Vec<Vec<&str>> =
        vec![vec!["alpha beta gamma delta epsilon zeta"], vec![], vec!["eta theta iota kappa lambda"]];
    let pages: Vec<&[&str]> = pages.iter().map(Vec::as_slice).collect();
    let index = index_of(&pages, 16);
    let ranges: Vec<(u32, u32)> = index.chunks.iter().map(|chunk| (chunk.first_page, chunk.last_page)).collect();
    assert_eq!(ranges.first(), Some(&(1, 1)));
    assert_eq!(ranges.last(), Some(&(3, 3)));
}

#[test]
fn a_document_that_fits_stays_whole_and_an_empty_one_has_no_chunk() {
    let roomy = Chunking { size: 8, overlap: 0, room: 4000 };
    let index = Index::build(&document(&[&["one two three four five six seven eight nine ten"]]), roomy).unwrap();
    assert_eq!((index.chunks.len(), index.fits_context, index.tokens_estimated), (1, true, true));
    let blank = Index::build(&document(&[&[], &["  "]]), roomy).unwrap();
    assert_eq!((blank.chunks.len(), blank.tokens), (0, 0));
    assert!(blank.search("anything", 5).is_empty());
}
