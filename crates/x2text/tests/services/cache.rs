//! What was read once is not read again, unless something that matters changed.

use protocol::document::{Document, Page, PageFailure};
use serde_json::{Value, json};
use text::Extracted;
use x2text::{Reading, cache};

use crate::llmwhisperer::{KIND, well};
use crate::server::Server;
use crate::visit::{Memory, Visit};

fn reading(is_whole: bool, failures: Vec<PageFailure>) -> Reading {
    let pages = vec![Page { number: 1, ..Page::default() }];
    let document = Document { media_type: "application/pdf".to_owned(), pages, failures };
    Reading { extracted: Extracted { document, extractor: "pdfium".to_owned(), warnings: Vec::new() }, is_whole }
}

#[tokio::test]
async fn what_was_read_whole_is_recalled_and_a_damaged_entry_is_read_again_and_replaced() {
    let server = Server::start(well(0)).await;
    let mut visit = Visit::new(KIND, &json!({ "url": server.url, "unstract_key": "k" }));
    let reading = visit.end().await.unwrap();
    let (shelf, name) = (Memory::default(), cache::name(visit.reader.as_ref(), &visit.source.name));

    assert_eq!(cache::recall(&shelf, &name).await.unwrap(), None);
    assert!(cache::keep(&shelf, &name, &reading).await.unwrap());
    let entry = cache::recall(&shelf, &name).await.unwrap().unwrap();
    assert_eq!((entry.document, entry.extractor.as_str()), (cached(&reading.extracted.document), "llmwhisperer"));

    shelf.change(|kept| kept.replace("Invoice", "Invoiced"));
    assert_eq!(cache::recall(&shelf, &name).await.unwrap(), None);
    assert!(cache::keep(&shelf, &name, &reading).await.unwrap());
    assert!(cache::recall(&shelf, &name).await.unwrap().is_some());
}

/// As it travels: edges of boxes are rounded.
fn cached(document: &Document) -> Document {
    serde_json::from_value(serde_json::to_value(document).unwrap()).unwrap()
}

#[tokio::test]
async fn what_may_be_read_better_another_time_is_not_kept() {
    let shelf = Memory::default();
    let failure = PageFailure { page: 1, code: "ocr_unavailable".to_owned(), message: "away".to_owned() };
    for unkept in [reading(false, Vec::new()), reading(true, vec![failure])] {
        assert!(!cache::keep(&shelf, "a.json", &unkept).await.unwrap());
    }
    assert_eq!(shelf.all(), "");
}

#[tokio::test]
async fn an_entry_is_for_one_reader_and_one_ending_of_the_name() {
    let name = |settings: Value, file: &str| cache::name(Visit::new(KIND, &settings).reader.as_ref(), file);
    let usual = name(json!({ "unstract_key": "sk-1" }), "a.pdf");
    assert_eq!(name(json!({ "unstract_key": "sk-2", "tag": "x" }), "other.PDF"), usual);
    assert_ne!(name(json!({ "unstract_key": "sk-1", "mode": "table" }), "a.pdf"), usual);
    assert_ne!(name(json!({ "unstract_key": "sk-1" }), "a.tiff"), usual);
}
