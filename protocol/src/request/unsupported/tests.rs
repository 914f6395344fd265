//! What is said about which setting.

use serde_json::{Value, json};

use crate::request::ExtractionRequest;

fn told(request: Value) -> Vec<String> {
    ExtractionRequest::parse(&request).unwrap().unsupported()
}

/// The paths of what is told.
fn paths(request: Value) -> Vec<String> {
    told(request).iter().map(|sentence| sentence.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn each_setting_without_effect_is_told_with_its_path() {
    let tool = |setting: &str, value: Value| json!({ "tool_settings": { setting: value } });
    let extraction = |setting: &str, value: Value| json!({ "extraction_settings": { setting: value } });
    let output = |setting: &str, value: Value| {
        let mut output = json!({ "name": "a", "prompt": "A?" });
        output[setting] = value;
        json!({ "outputs": [output] })
    };
    let cases = [
        (json!({ "output_file_path": "out/a.json" }), "$.output_file_path"),
        (tool("embedding", json!("x")), "$.tool_settings.embedding"),
        (tool("vector_db", json!("x")), "$.tool_settings.vector-db"),
        (tool("enable_challenge", json!(true)), "$.tool_settings.enable_challenge"),
        (tool("challenge_llm", json!("x")), "$.tool_settings.challenge_llm"),
        (tool("enable_highlight", json!(true)), "$.tool_settings.enable_highlight"),
        (tool("enable_single_pass_extraction", json!(true)), "$.tool_settings.single_pass_extraction_mode"),
        (tool("summarize_as_source", json!(true)), "$.tool_settings.summarize_as_source"),
        (tool("summarize_prompt", json!("x")), "$.tool_settings.summarize_prompt"),
        (tool("retrieval-strategy", json!("fusion")), "$.tool_settings.retrieval-strategy"),
        (extraction("enable_highlight", json!(true)), "$.extraction_settings.enable_highlight"),
        (output("chunk-size", json!(512)), "$.outputs[0].chunk-size"),
        (output("chunk-overlap", json!(64)), "$.outputs[0].chunk-overlap"),
        (output("retrieval-strategy", json!("router")), "$.outputs[0].retrieval-strategy"),
        (output("llm", json!("x")), "$.outputs[0].llm"),
        (output("eval_settings", json!({ "monitor_llm": "x" })), "$.outputs[0].eval_settings.monitor_llm"),
        (output("table_settings", json!({ "document_type": "x" })), "$.outputs[0].table_settings.document_type"),
        (output("table_settings", json!({ "input_file": "x" })), "$.outputs[0].table_settings.input_file"),
        (
            output("table_settings", json!({ "is_directory_mode": true })),
            "$.outputs[0].table_settings.is_directory_mode",
        ),
    ];
    assert_eq!(cases.len(), super::REQUEST.len() + super::OUTPUT.len());
    for (request, path) in cases {
        assert_eq!(paths(request), [path]);
    }
}

#[test]
fn what_has_an_effect_or_is_not_given_is_not_mentioned() {
    let request = json!({
        "file_name": "a.pdf",
        "tool_settings": {
            "llm": "ours", "embedding": "", "enable_challenge": false, "preamble": "Be exact.", "grammar": { "total": ["sum"] },
            "chunk-size": 512, "chunk-overlap": 64, "enable_smart_chunking": true,
            "retrieval-strategy": "keyword_table", "similarity-top-k": 3,
        },
        "outputs": [
            { "name": "a", "prompt": "A?", "type": "table", "retrieval-strategy": "simple", "table_settings": {},
              "eval_settings": { "evaluate": true, "eval_quality_faithfulness": true, "monitor_llm": [] } },
            { "name": "b", "active": false, "llm": "not asked" },
        ],
    });
    assert_eq!(told(request), [""; 0]);
}

#[test]
fn many_questions_make_one_sentence() {
    let outputs: Vec<Value> = (0..1000).map(|n| json!({ "name": n.to_string(), "prompt": "?", "llm": "x" })).collect();
    assert_eq!(
        told(json!({ "outputs": outputs })),
        ["$.outputs[0].llm (and 999 more) has no effect in this version: the model of the whole request answers"]
    );
}

#[test]
fn an_inherited_strategy_is_told_where_it_was_given() {
    let request = json!({
        "tool_settings": { "retrieval-strategy": "fusion" },
        "outputs": [{ "name": "a", "prompt": "A?" }, { "name": "b", "prompt": "B?", "retrieval-strategy": "router" }],
    });
    assert_eq!(paths(request), ["$.tool_settings.retrieval-strategy", "$.outputs[1].retrieval-strategy"]);
}
