//! Unstructured as it is described, and when it misbehaves.

use protocol::ErrorClass;
use protocol::document::BBox;
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::visit::{DOCUMENT, Visit};

const COMMUNITY: &str = "unstructuredcommunity|eeed506f-1875-457f-9101-846fc7115676";
const ENTERPRISE: &str = "unstructuredenterprise|eb1b6c58-221f-4db0-a4a5-e5f9cdca44e1";
const KEY: &str = "sk-unstructured-secret";

fn elements() -> Value {
    json!([
        { "type": "Title", "element_id": "a", "text": "Invoice 7", "metadata": { "page_number": 1, "filename": "x.pdf",
          "coordinates": { "points": [[100, 100], [100, 120], [190, 120], [190, 100]], "system": "PixelSpace",
                           "layout_width": 612, "layout_height": 792 } } },
        { "type": "NarrativeText", "element_id": "b", "text": "Thank you", "metadata": { "page_number": 2 } },
    ])
}

#[tokio::test]
async fn a_document_is_sent_as_a_form_and_its_elements_become_words_with_boxes() {
    let server = Server::start(|_| Reply::Json(200, elements())).await;
    let settings = json!({ "url": format!("{}/general/v0/general", server.url), "api_key": KEY, "strategy": "hi_res", "languages": "deu,eng" });
    let mut visit = Visit::new(ENTERPRISE, &settings);
    let reading = visit.end().await.unwrap();

    let call = &server.calls()[0];
    assert_eq!(
        (call.method.as_str(), call.name.as_str(), &*call.headers["unstructured-api-key"]),
        ("POST", "general", KEY)
    );
    let boundary = call.headers["content-type"].strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8_lossy(&call.body);
    let fields: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    for (at, field) in [
        "name=\"strategy\"\r\n\r\nhi_res\r\n",
        "name=\"coordinates\"\r\n\r\ntrue\r\n",
        "name=\"languages\"\r\n\r\ndeu\r\n",
        "name=\"languages\"\r\n\r\neng\r\n",
    ]
    .iter()
    .enumerate()
    {
        assert!(fields[at + 1].ends_with(field), "{}", fields[at + 1]);
    }
    assert!(
        fields[5].contains("name=\"files\"; filename=\"Rechnung März.pdf\"\r\ncontent-type: application/pdf\r\n\r\n")
    );
    let document = [b"\r\n\r\n", DOCUMENT, b"\r\n--"].concat();
    assert!(call.body.windows(document.len()).any(|part| part == document), "the document is sent as it is");

    assert_eq!((server.calls().len(), visit.waits.len()), (1, 0));
    let pages = &reading.extracted.document.pages;
    assert_eq!(pages[0].lines[0].words[1].bbox, BBox::new(180.0, 100.0, 190.0, 120.0));
    assert_eq!(pages[1].lines[0].words[1].text, "you");
    assert!(reading.is_whole && !format!("{reading:?}").contains(KEY));
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key() {
    let server = Server::start(|_| Reply::Json(200, elements())).await;
    Visit::new(COMMUNITY, &json!({ "url": server.url })).end().await.unwrap();
    assert!(!server.calls()[0].headers.contains_key("unstructured-api-key"));
}

#[tokio::test]
async fn each_failure_has_a_code_and_a_class() {
    for (reply, code, class) in [
        (
            Reply::Json(422, json!({ "detail": "File type text/x is not supported." })),
            "x2text_refused",
            ErrorClass::Permanent,
        ),
        (Reply::Json(401, json!({ "detail": format!("no {KEY}") })), "x2text_unauthorized", ErrorClass::Permanent),
        (Reply::Json(429, json!({})), "x2text_rate_limited", ErrorClass::RateLimited),
        (Reply::Json(500, json!({})), "x2text_failed", ErrorClass::Server),
        (Reply::Json(200, json!({ "elements": [] })), "x2text_answer_unreadable", ErrorClass::Permanent),
        (Reply::Text("[{\"text\": \"a\""), "x2text_answer_unreadable", ErrorClass::Permanent),
        (Reply::Truncated("[{\"text\""), "x2text_unreachable", ErrorClass::Transient),
        (Reply::Flood, "x2text_answer_too_large", ErrorClass::Permanent),
        (
            Reply::With(302, "location", "https://elsewhere.example/".to_owned(), json!({})),
            "x2text_redirected",
            ErrorClass::Permanent,
        ),
    ] {
        let said = reply.clone();
        let server = Server::start(move |_| said.clone()).await;
        let settings = json!({ "url": server.url, "api_key": KEY });
        let error = Visit::new(ENTERPRISE, &settings).failure().await;
        assert_eq!((error.code(), error.class()), (code, class), "{reply:?}: {error}");
        assert!(!error.to_string().contains(KEY), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_at_its_timeout() {
    let server = Server::start(|_| Reply::Silence).await;
    let settings = json!({ "url": server.url, "timeout": 1 });
    let error = Visit::new(COMMUNITY, &settings).failure().await;
    assert_eq!((error.code(), error.class()), ("x2text_unreachable", ErrorClass::Transient));
    assert!(error.to_string().contains("within 1 s"), "{error}");
}
