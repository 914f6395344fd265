//! What is accepted, what is refused, and that nothing panics.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::limits;
use crate::request::{ExtractionRequest, OutputType, RetrievalStrategy, UnreadableRequest};

fn problems_of(request: &Value) -> Vec<(String, String)> {
    match ExtractionRequest::parse(request) {
        Ok(_) => Vec::new(),
        Err(invalid) => {
            invalid.problems.into_iter().map(|problem| (problem.path, problem.message + "; " + &problem.fix)).collect()
        }
    }
}

/// Asserts that a request has exactly these problems: path and a part of the message or the fix.
fn refuses(request: &Value, expected: &[(&str, &str)]) {
    let found = problems_of(request);
    let matches = found.len() == expected.len()
        && found.iter().zip(expected).all(|((path, text), (at, part))| path == at && text.contains(part));
    assert!(matches, "for {request:#}\nexpected {expected:#?}\nfound {found:#?}");
}

#[test]
fn a_tolerant_reader_leaves_unknown_fields_out_names_them_and_still_finds_every_other_problem() {
    let request = json!({ "colour": 1, "outputs": [{ "name": "a", "prompt": "?", "shade": 2 }], "tags": ["kept"] });
    let (parsed, left_out) = ExtractionRequest::parse_tolerant(&request).unwrap();
    assert_eq!(left_out, ["$.outputs[0].shade", "$.colour"]);
    assert_eq!(parsed.other.keys().collect::<Vec<_>>(), ["tags"]);
    assert!(parsed.outputs[0].other.is_empty());

    let wrong = json!({ "colour": 1, "file_path": "/etc/passwd", "outputs": 7 });
    let problems = ExtractionRequest::parse_tolerant(&wrong).unwrap_err().problems;
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["$.file_path", "$.outputs"]);
}

#[test]
fn a_key_that_stands_twice_is_refused_with_its_path() {
    let text = br#"{"outputs": [{"name": "a", "prompt": "?", "name": "b"}], "run_id": "1", "run_id": "1"}"#;
    let Err(UnreadableRequest::Invalid(invalid)) = ExtractionRequest::parse_text(text) else { panic!("accepted") };
    let paths: Vec<_> = invalid.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["$.outputs[0].name", "$.run_id"]);
}

#[test]
fn a_text_gives_the_same_request_as_its_value_with_or_without_a_byte_order_mark() {
    let expected = ExtractionRequest::parse(&complete()).unwrap();
    let text = complete().to_string();
    assert_eq!(ExtractionRequest::parse_text(text.as_bytes()).unwrap(), expected);
    assert_eq!(ExtractionRequest::parse_text(format!("\u{feff}{text}").as_bytes()).unwrap(), expected);
    let trailing = format!("{text} x");
    assert!(matches!(ExtractionRequest::parse_text(trailing.as_bytes()), Err(UnreadableRequest::NotJson(_))));
}

fn asking(output: Value) -> Value {
    json!({ "outputs": [output] })
}

/// A request that uses every field of the specification.
fn complete() -> Value {
    json!({
        "run_id": "r-1", "execution_id": "e-1", "tool_id": "t-1",
        "file_name": "invoice.pdf", "file_hash": "AB".repeat(32), "file_path": "inbox/invoice.pdf",
        "output_file_path": "out/invoice.json",
        "tool_settings": {
            "llm": "llm-1", "embedding": "emb-1", "vector-db": "vdb-1", "x2text_adapter": "x2t-1",
            "enable_challenge": true, "challenge_llm": "llm-2", "enable_highlight": true,
            "single_pass_extraction_mode": false, "summarize_as_source": false, "summarize_prompt": "Summarize.",
            "preamble": "You read invoices.", "postamble": "Answer briefly.",
            "grammar": { "invoice": ["bill", "facture"] }, "enable_smart_chunking": true,
            "chunk-size": 1024, "chunk-overlap": 128, "retrieval-strategy": "fusion", "similarity-top-k": 7,
            "platform_postamble": "passed on",
        },
        "extraction_settings": {
            "x2text_instance_id": "x2t-2", "enable_highlight": true, "tags": ["march"],
            "tool_execution_metadata": { "any": ["thing"] },
        },
        "outputs": [{
            "name": "invoice_number", "active": true, "sequence_number": 3, "prompt": "Which number?",
            "promptx": "Which invoice number?", "chunk-size": 512, "chunk-overlap": 64,
            "retrieval-strategy": "automerging", "similarity-top-k": 4, "type": "text", "enforce_type": false,
            "llm": "llm-3", "required": "all", "lookup_config": { "table": 1 },
            "eval_settings": {
                "evaluate": true, "monitor_llm": ["llm-4"], "eval_quality_faithfulness": true,
                "eval_quality_correctness": true, "eval_quality_relevance": true, "eval_security_pii": true,
                "eval_guidance_toxicity": true, "eval_guidance_completeness": true, "exclude_failed": true,
            },
            "table_settings": { "document_type": "rent_rolls", "input_file": "in.csv", "is_directory_mode": false },
        }],
        "log_events_id": "log-1", "custom_data": { "kept": true },
    })
}

fn with_other_spelling(value: &Value) -> Value {
    let swap = |key: &str| key.replace(['-', '_'], if key.contains('-') { "_" } else { "-" });
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (swap(key), with_other_spelling(value))).collect(),
        Value::Array(items) => items.iter().map(with_other_spelling).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_field_is_read_and_what_is_not_understood_is_kept() {
    let request = ExtractionRequest::parse(&complete()).unwrap();
    assert_eq!(request.file_hash, "ab".repeat(32));
    assert_eq!(request.tool_settings.grammar[0].synonyms, ["bill", "facture"]);
    assert_eq!(request.tool_settings.other["platform_postamble"], "passed on");
    assert_eq!(request.other["custom_data"]["kept"], true);
    let output = &request.outputs[0];
    assert_eq!(output.retrieval_strategy, RetrievalStrategy::Automerging);
    assert_eq!((output.chunk_size, output.chunk_overlap, output.sequence_number), (512, 64, 3));
    assert_eq!(output.eval_settings.monitor_llm, ["llm-4"]);
    assert_eq!(output.eval_settings.other["exclude_failed"], true);
    assert_eq!(output.other["required"], "all");
}

#[test]
fn hyphens_and_underscores_are_the_same_in_every_field() {
    let mut settings_only = complete();
    // What is kept uninterpreted is kept with its spelling, so it cannot compare equal.
    for kept in ["/outputs/0/lookup_config", "/custom_data", "/tool_settings/grammar"] {
        *settings_only.pointer_mut(kept).unwrap() = Value::Null;
    }
    let read = |request: &Value| {
        let mut request = ExtractionRequest::parse(request).unwrap();
        request.other.clear();
        request.tool_settings.other.clear();
        request.outputs[0].other.clear();
        request.outputs[0].eval_settings.other.clear();
        request
    };
    assert_eq!(read(&settings_only), read(&with_other_spelling(&settings_only)));
}

#[test]
fn absent_fields_have_their_defaults() {
    let request = ExtractionRequest::parse(&json!({ "outputs": [
        { "name": "a", "prompt": "A?" },
        { "name": "b", "prompt": "B?", "type": null, "table_settings": null },
    ]}))
    .unwrap();
    let output = &request.outputs[1];
    assert!(output.active && output.enforce_type && output.table_settings.is_none());
    assert_eq!((output.sequence_number, output.similarity_top_k, output.kind), (2, 5, OutputType::Text));
    assert_eq!(ExtractionRequest::parse(&json!({})).unwrap(), ExtractionRequest::default());
}

#[test]
fn questions_inherit_how_passages_are_chosen() {
    let request = ExtractionRequest::parse(&json!({
        "tool_settings": { "retrieval-strategy": "router", "similarity_top_k": "9" },
        "outputs": [{ "name": "a", "prompt": "A?" }, { "name": "b", "prompt": "B?", "similarity-top-k": 2 }],
    }))
    .unwrap();
    let chosen: Vec<_> =
        request.outputs.iter().map(|output| (output.retrieval_strategy, output.similarity_top_k)).collect();
    assert_eq!(chosen, [(RetrievalStrategy::Router, 9), (RetrievalStrategy::Router, 2)]);
}

#[test]
fn older_callers_may_send_numbers_and_flags_as_strings_and_one_judge_without_a_list() {
    let request = ExtractionRequest::parse(&asking(json!({
        "name": "a", "prompt": "A?", "active": "true", "enforce_type": "false", "chunk-size": "512",
        "chunk-overlap": 64.0, "eval_settings": { "monitor_llm": "judge" },
    })))
    .unwrap();
    let output = &request.outputs[0];
    assert!(output.active && !output.enforce_type);
    assert_eq!((output.chunk_size, output.chunk_overlap), (512, 64));
    assert_eq!(output.eval_settings.monitor_llm, ["judge"]);
}

#[test]
fn a_grammar_may_be_an_object_or_a_list() {
    let read = |grammar: Value| {
        ExtractionRequest::parse(&json!({ "tool_settings": { "grammar": grammar } })).unwrap().tool_settings.grammar
    };
    let object = read(json!({ "invoice": ["bill"] }));
    assert_eq!(object, read(json!([{ "word": "invoice", "synonyms": ["bill"] }])));
    assert_eq!(object[0].word, "invoice");
}

#[test]
fn the_platform_key_is_accepted_and_forgotten() {
    let request = ExtractionRequest::parse(&json!({ "platform_key": "secret" })).unwrap();
    assert!(!serde_json::to_string(&request).unwrap().contains("secret"));
}

#[test]
fn each_mistake_is_named_with_its_place_and_its_fix() {
    let good = json!({ "name": "a", "prompt": "A?" });
    let output = |field: &str, value: Value| {
        let mut output = good.clone();
        output[field] = value;
        asking(output)
    };
    let tool = |settings: Value| json!({ "tool_settings": settings });
    let cases: &[(Value, &[(&str, &str)])] = &[
        (json!([]), &[("$", "must be an object, not a list")]),
        (Value::Null, &[("$", "must be an object, not null")]),
        (json!({ "run_id": 7 }), &[("$.run_id", "must be a string, not 7")]),
        (json!({ "run_id": "x".repeat(129) }), &[("$.run_id", "is 129 bytes long; shorten it to 128")]),
        (json!({ "file-hash": "abc" }), &[("$.file-hash", "is not a SHA-256")]),
        (json!({ "filename": "a.pdf" }), &[("$.filename", "did you mean \"file_name\"?")]),
        (json!({ "zzz": 1 }), &[("$.zzz", "is an unknown field; remove it")]),
        (json!({ "run_id": "1", "run-id": "2" }), &[("$.run-id", "also given as \"run_id\" with another value")]),
        (json!({ "file_path": "/etc/passwd" }), &[("$.file_path", "is an absolute path")]),
        (json!({ "file_path": "C:\\boot.ini" }), &[("$.file_path", "is an absolute path")]),
        (json!({ "output_file_path": "a/../../b" }), &[("$.output_file_path", "\"..\" segment")]),
        (json!({ "output_file_path": "a\\..\\b" }), &[("$.output_file_path", "\"..\" segment")]),
        (json!({ "file_name": "a\u{0}b" }), &[("$.file_name", "NUL")]),
        (json!({ "custom_data": { "deep": ["\u{0}"] } }), &[("$.custom_data.deep[0]", "NUL")]),
        (json!({ "outputs": {} }), &[("$.outputs", "must be a list, not an object")]),
        (
            json!({ "outputs": [1] }),
            &[
                ("$.outputs[0]", "must be an object, not 1"),
                ("$.outputs[0].name", "is missing"),
                ("$.outputs[0].prompt", "is missing"),
            ],
        ),
        (asking(json!({ "prompt": "A?" })), &[("$.outputs[0].name", "is missing")]),
        (asking(json!({ "name": "a", "prompt": " " })), &[("$.outputs[0].prompt", "is missing")]),
        (output("name", json!(1)), &[("$.outputs[0].name", "must be a string, not 1")]),
        (output("name", json!("a}b")), &[("$.outputs[0].name", "{{name}}")]),
        (output("name", json!(" a")), &[("$.outputs[0].name", "{{name}}")]),
        (output("name", json!("ä".repeat(129))), &[("$.outputs[0].name", "is too long")]),
        (output("prompt", json!("x".repeat(limits::PROMPT + 1))), &[("$.outputs[0].prompt", "is 100001 bytes long")]),
        (output("type", json!("nubmer")), &[("$.outputs[0].type", "not \"nubmer\"; did you mean \"number\"?")]),
        (output("type", json!("line_item")), &[("$.outputs[0].type", "did you mean \"line-item\"?")]),
        (
            output("type", json!("colour")),
            &[("$.outputs[0].type", "must be one of text, number, email, date, boolean")],
        ),
        (output("type", json!(3)), &[("$.outputs[0].type", "write one of these words")]),
        (output("retrieval_strategy", json!("Simple")), &[("$.outputs[0].retrieval_strategy", "mean \"simple\"?")]),
        (output("similarity-top-k", json!(0)), &[("$.outputs[0].similarity-top-k", "from 1 to 100, not 0")]),
        (output("similarity-top-k", json!(2.5)), &[("$.outputs[0].similarity-top-k", "not 2.5")]),
        (output("chunk-size", json!(-1)), &[("$.outputs[0].chunk-size", "from 0 to 1000000, not -1")]),
        (output("chunk-size", json!("many")), &[("$.outputs[0].chunk-size", "not \"many\"")]),
        (output("active", json!(1)), &[("$.outputs[0].active", "must be true or false, not 1")]),
        (output("active", json!("yes")), &[("$.outputs[0].active", "must be true or false, not \"yes\"")]),
        (output("promt", json!("A?")), &[("$.outputs[0].promt", "did you mean \"prompt\"?")]),
        (output("eval_settings", json!(true)), &[("$.outputs[0].eval_settings", "must be an object, not true")]),
        (
            output("eval_settings", json!({ "evalute": true })),
            &[("$.outputs[0].eval_settings.evalute", "\"evaluate\"?")],
        ),
        (
            output("table_settings", json!({ "input_file": "../x" })),
            &[("$.outputs[0].table_settings.input_file", "..")],
        ),
        (tool(json!({ "chunk-size": 100, "chunk-overlap": 100 })), &[("$.tool_settings.chunk-overlap", "at most 99")]),
        (tool(json!({ "grammar": 1 })), &[("$.tool_settings.grammar", "must be an object or a list, not 1")]),
        (tool(json!({ "grammar": [{ "synonyms": [] }] })), &[("$.tool_settings.grammar[0].word", "is missing")]),
        (tool(json!({ "grammar": { "total": 1 } })), &[("$.tool_settings.grammar.total", "must be a list of strings")]),
        (json!({ "extraction_settings": { "tags": ["a", 1] } }), &[("$.extraction_settings.tags[1]", "not 1")]),
    ];
    for (request, expected) in cases {
        refuses(request, expected);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    refuses(
        &json!({
            "tool_settings": { "enable_challenge": "maybe" },
            "outputs": [
                { "name": "total", "prompt": "Total?", "type": "money" },
                { "name": "total", "similarity-top-k": 101 },
            ],
            "colour": "blue",
        }),
        &[
            ("$.tool_settings.enable_challenge", "true or false"),
            ("$.outputs[0].type", "must be one of"),
            ("$.outputs[1].prompt", "is missing"),
            ("$.outputs[1].similarity-top-k", "not 101"),
            ("$.outputs[1].name", "already the name of outputs[0]"),
            ("$.colour", "unknown field"),
        ],
    );
}

#[test]
fn a_switched_off_question_needs_no_prompt() {
    assert_eq!(problems_of(&asking(json!({ "name": "later", "active": false }))), []);
}

#[test]
fn the_number_of_questions_and_of_listed_problems_is_bounded() {
    let outputs: Vec<Value> = (0..=limits::OUTPUTS).map(|n| json!({ "name": n.to_string() })).collect();
    let problems = problems_of(&json!({ "outputs": outputs }));
    assert_eq!(problems[0].0, "$.outputs");
    assert_eq!(problems.len(), limits::PROBLEMS + 1);
    assert!(problems[limits::PROBLEMS].1.contains("901 further problems"), "{:?}", problems[limits::PROBLEMS]);
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    // The request and `custom_data` are a level each.
    let data = |levels| json!({ "custom_data": { "x": nested(levels) } });
    assert_eq!(problems_of(&data(limits::DEPTH - 2)), []);
    refuses(&data(limits::DEPTH - 1), &[("$", "nested more than 64 levels")]);
}

#[test]
fn the_error_reads_like_a_list_of_repairs() {
    let invalid = ExtractionRequest::parse(&asking(json!({ "name": "a", "prompt": "A?", "type": "int" }))).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "the request has a problem:\n  $.outputs[0].type: must be one of text, number, email, date, boolean, json, \
         table, line-item, not \"int\"; write one of these words"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,8}|\\PC{0,8}|\u{0}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 64, 6, |inner| {
        let key = prop_oneof![known_key(), "\\PC{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Names from the specification, so that arbitrary values meet the code that reads them.
fn known_key() -> impl Strategy<Value = String> {
    let mut names = Vec::new();
    collect_names(&complete(), &mut names);
    prop::sample::select(names)
}

fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            names.push(name.clone());
            collect_names(value, names);
        }),
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        _ => {}
    }
}

/// Replaces, removes or misspells the `nth` field, counted depth first.
fn mutate(value: &mut Value, nth: &mut usize, replacement: &Value, kind: u8) {
    match value {
        Value::Object(fields) => {
            for (name, mut field) in std::mem::take(fields) {
                let hit = *nth == 0;
                *nth = nth.wrapping_sub(1);
                match (hit, kind) {
                    (true, 0) => drop(fields.insert(name, replacement.clone())),
                    (true, 1) => {}
                    (true, _) => drop(fields.insert(name + "x", field)),
                    (false, _) => {
                        mutate(&mut field, nth, replacement, kind);
                        fields.insert(name, field);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mutate(item, nth, replacement, kind)),
        _ => {}
    }
}

/// What a caller may rely on, whatever was sent.
fn holds_the_contract(request: &Value) {
    match ExtractionRequest::parse(request) {
        Err(invalid) => {
            assert!(!invalid.problems.is_empty());
            assert!(invalid.problems.iter().all(|problem| problem.path.starts_with('$') && !problem.fix.is_empty()));
        }
        Ok(parsed) => {
            let written = serde_json::to_value(&parsed).unwrap();
            assert_eq!(ExtractionRequest::parse(&written).as_ref(), Ok(&parsed), "{written:#}");
            assert_eq!(serde_json::from_value::<ExtractionRequest>(written).unwrap(), parsed);
        }
    }
}

proptest! {
    #[test]
    fn no_json_whatsoever_makes_it_panic(request in any_json()) {
        holds_the_contract(&request);
    }

    #[test]
    fn no_mutation_of_a_valid_request_makes_it_panic(nth in 0_usize..70, replacement in any_json(), kind in 0_u8..3) {
        let mut request = complete();
        mutate(&mut request, &mut { nth }, &replacement, kind);
        holds_the_contract(&request);
    }

    #[test]
    fn a_valid_request_reads_back_as_it_was_written(
        name in "[a-z_][a-z0-9_ ]{0,20}[a-z]",
        kind in prop::sample::select(OutputType::ALL.as_slice()),
        strategy in prop::sample::select(RetrievalStrategy::ALL.as_slice()),
        top_k in 1_u32..=100,
        other in any_json(),
    ) {
        let mut custom = Map::new();
        custom.insert("x".to_owned(), other);
        let request = json!({ "custom_data": custom, "outputs": [{
            "name": name, "prompt": "?", "type": kind, "retrieval-strategy": strategy, "similarity-top-k": top_k,
        }]});
        holds_the_contract(&request);
        prop_assume!(!request.to_string().contains("\\u0000"));
        prop_assert!(ExtractionRequest::parse(&request).is_ok());
    }
}
