//! docs/request.md and the example requests, held to what the code accepts and says.

use protocol::request::ExtractionRequest;
use serde_json::Value;

const MANUAL: &str = include_str!("../../docs/request.md");

#[test]
fn the_manual_shows_a_request_that_is_accepted_and_the_errors_that_another_gets() {
    let blocks: Vec<&str> = MANUAL.split("```").skip(1).step_by(2).collect();
    let [good, bad, errors] = blocks.as_slice() else { panic!("the manual has {} examples", blocks.len()) };
    let read = |block: &str| serde_json::from_str::<Value>(block.trim_start_matches("json")).unwrap();
    assert_eq!(ExtractionRequest::parse(&read(good)).unwrap().outputs.len(), 4);
    let refusal = ExtractionRequest::parse(&read(bad)).unwrap_err().to_string();
    assert_eq!(refusal, errors.trim_start_matches("text").trim());
}

#[test]
fn the_manual_names_every_field() {
    let golden: Value = serde_json::from_str(include_str!("../fixtures/v1/extraction-request.json")).unwrap();
    let of = |pointer: &str| golden.pointer(pointer).unwrap().as_object().unwrap().keys();
    let objects = [
        "",
        "/tool_settings",
        "/extraction_settings",
        "/outputs/1",
        "/outputs/1/eval_settings",
        "/outputs/1/table_settings",
    ];
    // The fixture carries one setting that nobody knows, to show that it is kept.
    for field in objects.into_iter().flat_map(of).filter(|field| *field != "platform_postamble") {
        assert!(MANUAL.contains(&format!("`{field}`")), "docs/request.md says nothing about {field}");
    }
}

#[test]
fn every_example_request_is_accepted() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".request.json") {
            let request = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            ExtractionRequest::parse(&request).unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
            seen += 1;
        }
    }
    assert!(seen > 0, "examples/ holds no *.request.json");
}
