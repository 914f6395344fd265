//! LLMWhisperer as it is described: what is asked of it, what is made of it, and what a crash costs.

use std::time::Duration;

use protocol::document::{BBox, Origin};
use serde_json::{Value, json};
use x2text::Error;

use crate::server::{Call, Reply, Server};
use crate::visit::{DOCUMENT, Visit};

pub(crate) const KIND: &str = "llmwhisperer|a5e6b8af-3e1f-4a80-b006-d017e8e67f93";

pub(crate) const KEY: &str = "sk-whisper-secret";

/// Two pages, with the numbers of lines that were asked for.
pub(crate) const TEXT: &str =
    "0x01: Invoice            7\n0x02:\n0x03: Total   12.50\n<<<\n\u{c}0x04: Thank you\n<<<\n\u{c}";

pub(crate) fn highlights() -> Value {
    let line = |base: u32| {
        json!({ "base_y": base, "base_y_percent": 1, "height": 40, "height_percent": 1, "page": 0,
                                   "page_height": 3168, "raw": [0, base, 40, 3168] })
    };
    let none = json!({ "base_y": 0, "height": 0, "page": 0, "page_height": 0, "raw": [0, 0, 0, 0] });
    json!({ "1": line(400), "2": none, "3": line(800), "4": none })
}

/// Answers as it should: processed after so many looks, the text once for each submission.
pub(crate) fn well(looks: usize) -> impl Fn(&Call) -> Reply + Send + Sync {
    move |call| match call.name.as_str() {
        "whisper" => {
            let hash = format!("hash|{}", call.before + 1);
            Reply::Json(202, json!({ "message": "accepted", "status": "processing", "whisper_hash": hash }))
        }
        "whisper-status" if call.before == 0 => Reply::Json(200, json!({ "status": "accepted" })),
        "whisper-status" if call.before < looks => Reply::Json(200, json!({ "status": "processing", "detail": [] })),
        "whisper-status" => {
            Reply::Json(200, json!({ "status": "processed", "message": "", "detail": [{ "page": 1 }] }))
        }
        "whisper-retrieve" => Reply::Json(200, json!({ "result_text": TEXT, "metadata": {} })),
        "highlights" => Reply::Json(200, highlights()),
        name => Reply::Json(404, json!({ "message": format!("there is no {name}") })),
    }
}

pub(crate) fn visit(server: &Server) -> Visit {
    Visit::new(KIND, &json!({ "url": server.url, "unstract_key": KEY }))
}

#[tokio::test]
async fn a_document_is_handed_in_once_and_looked_after_until_it_is_read() {
    let server = Server::start(well(20)).await;
    let mut visit = visit(&server);
    let reading = visit.end().await.unwrap();

    let calls = server.calls();
    assert!(calls.iter().all(|call| call.headers["unstract-key"] == KEY));
    let handed_in = &calls[0];
    assert_eq!((handed_in.method.as_str(), handed_in.body.as_slice()), ("POST", DOCUMENT));
    assert_eq!(handed_in.headers["content-length"], DOCUMENT.len().to_string());
    for (name, value) in [
        ("mode", "form"),
        ("output_mode", "layout_preserving"),
        ("page_separator", "<<<"),
        ("page_seperator", "<<<"),
        ("add_line_nos", "true"),
        ("file_name", "Rechnung März.pdf"),
    ] {
        assert_eq!(handed_in.query[name], value, "{name}");
    }
    assert_eq!((server.count("whisper"), server.count("whisper-status")), (1, 21));
    assert_eq!((server.count("whisper-retrieve"), server.count("highlights")), (1, 1));
    assert!(calls[1..].iter().all(|call| call.query["whisper_hash"] == "hash|1"));
    let highlights = calls.last().unwrap();
    assert_eq!((highlights.query["lines"].as_str(), highlights.query["extract_all_lines"].as_str()), ("1-4", "true"));
    let waits: Vec<u64> = visit.waits.iter().map(|(wait, _)| wait.as_secs()).collect();
    assert_eq!((&waits[..6], waits.len()), (&[1, 2, 3, 5, 5, 5][..], 21), "somebody else had the slot meanwhile");
    assert_eq!(visit.fetched.load(std::sync::atomic::Ordering::SeqCst), 1, "who looks needs no document");
    assert!(reading.is_whole && reading.extracted.warnings.is_empty());
    let told = format!("{reading:?} {} {}", visit.state, visit.shelf.all());
    assert!(!told.contains(KEY), "{told}");
}

#[tokio::test]
async fn words_lie_where_their_line_is_on_the_page_and_on_a_grid_where_no_line_has_a_place() {
    let server = Server::start(well(0)).await;
    let document = visit(&server).end().await.unwrap().extracted.document;

    assert_eq!(document.media_type, "application/pdf");
    assert_eq!(document.text(), "Invoice            7\n\nTotal   12.50\n\u{c}Thank you\n\u{c}");
    let first = &document.pages[0];
    assert_eq!((first.number, first.width, first.height, first.origin), (1, 612.0, 792.0, Origin::Ocr));
    let close = |bbox: BBox, expected: [f32; 4]| {
        let near = <[f32; 4]>::from(bbox).iter().zip(expected).all(|(edge, expected)| (edge - expected).abs() < 0.02);
        assert!(near, "{bbox:?} is not {expected:?}");
    };
    // 3168 units are 792 points; 80 columns are 612.
    close(first.lines[0].words[1].bbox, [145.35, 90.0, 153.0, 100.0]);
    close(first.lines[2].words[0].bbox, [0.0, 190.0, 38.25, 200.0]);
    close(first.lines[1].bbox, [0.0, 100.0, 0.0, 190.0]);
    let second = &document.pages[1];
    assert_eq!((second.number, second.width, second.height), (2, 480.0, 720.0));
    close(second.lines[0].words[1].bbox, [36.0, 0.0, 54.0, 12.0]);
}

#[tokio::test]
async fn selected_pages_keep_the_numbers_that_a_reader_counts() {
    let server = Server::start(well(0)).await;
    let settings = json!({ "url": server.url, "unstract_key": KEY, "pages_to_extract": "3,7-", "mode": "native_text" });
    let document = Visit::new(KIND, &settings).end().await.unwrap().extracted.document;
    let pages: Vec<_> = document.pages.iter().map(|page| (page.number, page.origin)).collect();
    assert_eq!(pages, [(3, Origin::Text), (7, Origin::Text)]);
    assert_eq!(server.calls()[0].query["pages_to_extract"], "3,7-");
}

#[tokio::test]
async fn a_retry_after_a_crash_hands_nothing_in_again() {
    let server = Server::start(well(2)).await;
    let mut visit = visit(&server);
    for _ in 0..2 {
        assert!(visit.look().await.unwrap().is_none());
        // A crash loses what was to be remembered from look to look.
        visit.state = Value::Null;
    }
    visit.end().await.unwrap();
    assert_eq!(server.count("whisper"), 1);

    // A crash after the text was kept costs no second reading either.
    visit.state = Value::Null;
    let again = visit.end().await.unwrap();
    assert_eq!((server.count("whisper"), server.count("whisper-retrieve")), (1, 1));
    assert_eq!(again.extracted.document.pages.len(), 2);
}

/// Answers `retrieved` once the text of the latest submission was handed out.
fn once() -> impl Fn(&Call) -> Reply + Send + Sync {
    let handed_out = std::sync::Mutex::new(std::collections::HashSet::new());
    let usual = well(0);
    move |call| {
        let hash = call.query.get("whisper_hash").cloned().unwrap_or_default();
        match call.name.as_str() {
            "whisper-status" => {
                let status = if handed_out.lock().unwrap().contains(&hash) { "retrieved" } else { "processed" };
                Reply::Json(200, json!({ "status": status }))
            }
            "whisper-retrieve" if !handed_out.lock().unwrap().insert(hash) => {
                Reply::Json(400, json!({ "message": "the text was handed out already" }))
            }
            _ => usual(call),
        }
    }
}

/// Reads on until the text was handed out, and crashes before it is kept.
async fn crash(visit: &mut Visit, server: &Server, handed_out: usize) {
    *visit.shelf.stuck.lock().unwrap() = Some("answer");
    let looking = async {
        loop {
            visit.look().await.unwrap();
        }
    };
    let handed = async {
        while server.count("whisper-retrieve") < handed_out {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = handed => {}
        () = looking => unreachable!("it looks for ever"),
    }
    *visit.shelf.stuck.lock().unwrap() = None;
    visit.state = Value::Null;
}

#[tokio::test]
async fn a_text_that_was_handed_out_and_not_kept_is_asked_for_once_more_with_a_warning() {
    let server = Server::start(once()).await;
    let mut visit = visit(&server);
    crash(&mut visit, &server, 1).await;

    let reading = visit.end().await.unwrap();

    assert_eq!((server.count("whisper"), server.count("whisper-retrieve")), (2, 2));
    assert_eq!(reading.extracted.document.pages.len(), 2);
    assert!(reading.extracted.warnings[0].contains("handed in, and billed, twice"), "{:?}", reading.extracted.warnings);
    assert!(visit.waits.iter().any(|(_, note)| note.as_deref().is_some_and(|note| note.contains("billed, twice"))));
}

#[tokio::test]
async fn a_text_that_is_lost_twice_is_an_error_and_not_a_third_bill() {
    let server = Server::start(once()).await;
    let mut visit = visit(&server);
    crash(&mut visit, &server, 1).await;
    crash(&mut visit, &server, 2).await;

    let error = visit.failure().await;

    assert_eq!((error.code(), server.count("whisper")), ("x2text_text_lost", 2));
    assert!(!error.is_passing(), "{error}");
}

#[tokio::test]
async fn a_text_that_somebody_else_fetched_in_between_is_looked_for_and_asked_for_once_more() {
    let usual = once();
    let server = Server::start(move |call| match (call.name.as_str(), call.before) {
        // Between this answer and the next call an attempt that was given up for dead fetches the text.
        ("whisper-status", 0) => {
            let fetched = Call { name: "whisper-retrieve".to_owned(), ..call.clone() };
            let status = usual(call);
            usual(&fetched);
            status
        }
        _ => usual(call),
    })
    .await;
    let reading = visit(&server).end().await.unwrap();
    assert_eq!((server.count("whisper"), reading.extracted.document.pages.len()), (2, 2));
}

#[tokio::test]
async fn a_changed_adapter_begins_anew_and_a_new_key_does_not() {
    let server = Server::start(well(1)).await;
    let mut visit = visit(&server);
    visit.look().await.unwrap();
    let with = |more: Value| {
        let mut settings = json!({ "url": server.url, "unstract_key": KEY });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Visit::new(KIND, &settings).reader
    };
    visit.reader = with(json!({ "unstract_key": "sk-new" }));
    visit.look().await.unwrap();
    assert_eq!(server.count("whisper"), 1);
    visit.reader = with(json!({ "mode": "table" }));
    visit.look().await.unwrap();
    assert_eq!(server.count("whisper"), 2);
}

#[tokio::test]
async fn a_service_that_takes_too_long_is_given_up_with_the_setting_that_gives_it_more_time() {
    let server = Server::start(well(usize::MAX)).await;
    let mut visit = visit(&server);
    visit.look().await.unwrap();
    visit.look().await.unwrap();
    // It was handed in in the last century.
    visit.shelf.change(|kept| {
        let (before, after) = kept.split_once("\"submitted_at\":\"20").unwrap();
        format!("{before}\"submitted_at\":\"19{after}")
    });
    let error = visit.failure().await;
    assert!(matches!(error, Error::Overdue { limit, .. } if limit == Duration::from_secs(900)), "{error}");
    assert!(error.to_string().contains("wait_timeout") && !error.is_passing(), "{error}");
}

#[tokio::test]
async fn without_places_of_lines_the_text_is_given_on_a_grid_with_a_warning() {
    let usual = well(0);
    let server = Server::start(move |call| match call.name.as_str() {
        "highlights" => Reply::Json(400, json!({ "message": "line metadata is gone" })),
        _ => usual(call),
    })
    .await;
    let reading = visit(&server).end().await.unwrap();
    assert_eq!(reading.extracted.document.pages[0].lines[2].words[0].bbox, BBox::new(0.0, 24.0, 30.0, 36.0));
    assert!(reading.extracted.warnings[0].contains("line metadata is gone"));
    assert!(!reading.is_whole, "another time they may be there");
}

#[tokio::test]
async fn places_of_lines_are_asked_for_again_while_that_may_help_and_no_longer() {
    for (failures, is_whole) in [(2, true), (usize::MAX, false)] {
        let usual = well(0);
        let server = Server::start(move |call| match call.name.as_str() {
            "highlights" if call.before < failures => Reply::Json(503, json!({ "message": "busy" })),
            _ => usual(call),
        })
        .await;
        let reading = visit(&server).end().await.unwrap();
        assert_eq!((reading.is_whole, server.count("whisper-retrieve")), (is_whole, 1));
        assert!(server.count("highlights") <= 6);
    }
}

#[tokio::test]
async fn an_empty_file_is_refused_before_anything_is_sent() {
    let server = Server::start(well(0)).await;
    let mut visit = visit(&server);
    std::fs::write(&visit.source.path, b"").unwrap();
    assert_eq!((visit.failure().await.code(), server.calls().len()), ("file_empty", 0));
}
