//! LLMWhisperers that fail, dawdle and drivel.

use std::time::Duration;

use protocol::{ErrorClass, TaskError};
use serde_json::json;

use crate::llmwhisperer::{KEY, visit, well};
use crate::server::{Reply, Server};
use crate::visit::Visit;

/// What comes of a server that answers one name with something else than usual.
async fn spoilt(name: &'static str, reply: Reply) -> (Server, Visit) {
    let usual = well(0);
    let server = Server::start(move |call| if call.name == name { reply.clone() } else { usual(call) }).await;
    let visit = visit(&server);
    (server, visit)
}

#[tokio::test]
async fn each_refusal_of_a_submission_has_a_code_a_class_and_the_time_that_was_asked_for() {
    let told = json!({ "message": format!("no, {KEY}") });
    for (status, code, class) in [
        (400, "x2text_refused", ErrorClass::Permanent),
        (401, "x2text_unauthorized", ErrorClass::Permanent),
        (402, "x2text_quota_exceeded", ErrorClass::Permanent),
        (403, "x2text_unauthorized", ErrorClass::Permanent),
        (408, "x2text_refused", ErrorClass::Transient),
        (429, "x2text_rate_limited", ErrorClass::RateLimited),
        (500, "x2text_failed", ErrorClass::Server),
        (503, "x2text_failed", ErrorClass::Unavailable),
    ] {
        let (_server, mut visit) =
            spoilt("whisper", Reply::With(status, "retry-after", "17".to_owned(), told.clone())).await;
        let error = visit.failure().await;
        assert_eq!((error.code(), error.class()), (code, class), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
        let recorded = TaskError::from(&error);
        assert!(recorded.message.contains("no, ***") && !recorded.message.contains(KEY), "{recorded}");
        assert_eq!(visit.shelf.all(), "", "nothing was handed in, so nothing is kept");
    }
}

#[tokio::test]
async fn a_look_that_fails_is_made_again_when_the_service_says_and_costs_nothing() {
    let usual = well(0);
    let server = Server::start(move |call| match (call.name.as_str(), call.before) {
        ("whisper-status", 0) => Reply::With(429, "retry-after", "42".to_owned(), json!({ "message": "slowly" })),
        ("whisper-status", 1) => Reply::With(502, "retry-after", "0".to_owned(), json!({})),
        ("whisper-status", 2) => Reply::Truncated("{\"status\": \"proc"),
        ("whisper-status", 3) => Reply::Text("<html>busy</html>"),
        _ => usual(call),
    })
    .await;
    let mut visit = visit(&server);
    visit.end().await.unwrap();
    let waits: Vec<u64> = visit.waits.iter().map(|(wait, _)| wait.as_secs()).collect();
    assert_eq!(waits, [1, 42, 1, 8, 16]);
    assert_eq!(server.count("whisper"), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_a_named_error() {
    for (name, reply, says) in [
        ("whisper", Reply::Text("{\"whisper_hash\": "), "whisper cannot be read"),
        ("whisper", Reply::Json(202, json!({ "message": "accepted" })), "whisper_hash"),
        ("whisper", Reply::Json(202, json!({ "whisper_hash": "" })), "whisper_hash"),
        ("whisper", Reply::Json(202, json!({ "whisper_hash": "x".repeat(10_000) })), "whisper_hash"),
        ("whisper-status", Reply::Text("nonsense"), "whisper-status cannot be read"),
        ("whisper-status", Reply::Json(200, json!({ "state": "processed" })), "status"),
        ("whisper-retrieve", Reply::Text("{\"result_text\": \"a"), "whisper-retrieve cannot be read"),
        ("whisper-retrieve", Reply::Json(200, json!({ "text": "a" })), "result_text"),
    ] {
        let (_server, mut visit) = spoilt(name, reply.clone()).await;
        let error = visit.failure().await;
        assert_eq!((error.code(), error.class()), ("x2text_answer_unreadable", ErrorClass::Permanent), "{reply:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn what_the_service_cannot_read_is_told_with_its_words() {
    let failed = json!({ "status": "error", "message": "page 3 is damaged", "detail": ["bad font"] });
    let (_server, mut visit) = spoilt("whisper-status", Reply::Json(200, failed)).await;
    let error = visit.failure().await;
    assert_eq!((error.code(), error.class()), ("x2text_document_failed", ErrorClass::Permanent));
    assert!(error.to_string().contains("page 3 is damaged") && error.to_string().contains("bad font"), "{error}");

    // As servers of old say it.
    let failed = json!({ "status": format!("The document is password protected {KEY}") });
    let (_server, mut visit) = spoilt("whisper-status", Reply::Json(200, failed)).await;
    let error = visit.failure().await;
    assert_eq!(error.code(), "x2text_status_unknown");
    assert!(error.to_string().contains("password protected") && !error.to_string().contains(KEY), "{error}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_tried_again_and_one_without_end_is_refused() {
    let (server, mut visit) = spoilt("whisper-retrieve", Reply::Truncated("{\"result_text\": \"a")).await;
    let error = visit.failure().await;
    assert_eq!((error.code(), error.class()), ("x2text_unreachable", ErrorClass::Transient), "{error}");
    assert_eq!(server.count("whisper"), 1);
    for name in ["whisper", "whisper-status", "whisper-retrieve"] {
        let (_server, mut visit) = spoilt(name, Reply::Flood).await;
        let error = visit.failure().await;
        assert_eq!((error.code(), error.class()), ("x2text_answer_too_large", ErrorClass::Permanent), "{name}");
    }
}

#[tokio::test]
async fn a_text_of_too_many_lines_is_refused_before_it_is_set() {
    let text = "\n".repeat(1_000_001);
    let (_server, mut visit) = spoilt("whisper-retrieve", Reply::Json(200, json!({ "result_text": text }))).await;
    let error = visit.failure().await;
    assert_eq!(error.code(), "x2text_answer_too_large");
    assert!(error.to_string().contains("1000000 lines"), "{error}");
}

#[tokio::test]
async fn neither_document_nor_key_follows_a_redirect() {
    let elsewhere = Server::start(well(0)).await;
    for name in ["whisper", "whisper-status"] {
        let to = format!("{}/api/v2/{name}?token=secret", elsewhere.url);
        let (_server, mut visit) = spoilt(name, Reply::With(307, "location", to, json!({}))).await;
        let error = visit.failure().await;
        assert_eq!((error.code(), error.class()), ("x2text_redirected", ErrorClass::Permanent));
        assert!(error.to_string().contains(&elsewhere.url) && !error.to_string().contains("secret"), "{error}");
    }
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn a_service_that_is_away_is_asked_again() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = json!({ "url": format!("http://{closed}"), "unstract_key": KEY });
    let error = Visit::new(crate::llmwhisperer::KIND, &settings).failure().await;
    assert_eq!((error.code(), error.class()), ("x2text_unreachable", ErrorClass::Transient), "{error}");
}
