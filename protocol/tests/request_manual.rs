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
fn the_manual_marks_what_the_code_calls_without_effect_and_nothing_else() {
    let every_setting = serde_json::json!({
        "output_file_path": "x",
        "tool_settings": {
            "llm": "x", "embedding": "x", "vector-db": "x", "x2text_adapter": "x", "enable_challenge": true,
            "challenge_llm": "x", "enable_highlight": true, "single_pass_extraction_mode": true,
            "summarize_as_source": true, "summarize_prompt": "x", "preamble": "x", "postamble": "x",
            "grammar": { "x": ["y"] }, "enable_smart_chunking": true, "chunk-size": 2, "chunk-overlap": 1,
            "retrieval-strategy": "fusion", "similarity-top-k": 1,
        },
        "extraction_settings": { "x2text_instance_id": "x", "enable_highlight": true, "tags": ["x"] },
        "outputs": [{
            "name": "x", "prompt": "x", "promptx": "x", "chunk-size": 2, "chunk-overlap": 1,
            "retrieval-strategy": "router", "similarity-top-k": 1, "llm": "x",
            "eval_settings": {
                "evaluate": true, "monitor_llm": ["x"], "eval_quality_faithfulness": true,
                "eval_quality_correctness": true, "eval_quality_relevance": true, "eval_security_pii": true,
                "eval_guidance_toxicity": true, "eval_guidance_completeness": true,
            },
            "table_settings": { "document_type": "x", "input_file": "x", "is_directory_mode": true },
        }],
    });
    let sentences = ExtractionRequest::parse(&every_setting).unwrap().unsupported();
    let mut told: Vec<&str> = sentences.iter().filter_map(|sentence| sentence.split(' ').next()).collect();
    let mut marked = marked_without_effect();
    told.sort_unstable();
    marked.sort_unstable();
    assert_eq!(marked, told);
}

/// The JSON paths of the settings whose row in the manual says that they have no effect yet.
fn marked_without_effect() -> Vec<String> {
    let mut object = "";
    let mut marked = Vec::new();
    for line in MANUAL.lines() {
        object = match line.trim_start_matches('#').trim() {
            _ if !line.starts_with('#') => object,
            "Request" => "$",
            "`tool_settings`" => "$.tool_settings",
            "`extraction_settings`" => "$.extraction_settings",
            "One of `outputs`" => "$.outputs[0]",
            "`eval_settings`" => "$.outputs[0].eval_settings",
            "`table_settings`" => "$.outputs[0].table_settings",
            _ => "",
        };
        let field = line.strip_prefix("| `").and_then(|row| row.split('`').next());
        marked.extend(
            field.filter(|_| line.contains("*accepted, no effect yet*")).map(|field| format!("{object}.{field}")),
        );
    }
    marked
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
