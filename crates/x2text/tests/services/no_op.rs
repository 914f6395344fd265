//! The reader that reads nothing.

use std::time::Duration;

use serde_json::json;

use crate::visit::Visit;

#[tokio::test]
async fn the_no_op_adapter_waits_once_without_being_asked_and_gives_a_blank_page() {
    let mut visit = Visit::new("noOpX2text|mp66d1op-7100-d340-9101-846fc7115676", &json!({ "wait_time": "2.5" }));
    let reading = visit.end().await.unwrap();
    assert_eq!(visit.waits, [(Duration::from_millis(2500), None)]);
    assert!(reading.extracted.document.is_blank() && !reading.is_whole);
    assert!(reading.extracted.warnings[0].contains("no-op"));
}
