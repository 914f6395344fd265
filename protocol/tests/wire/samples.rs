//! One value per message, filled as a real one would be; the golden files are written from these.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use protocol::answer::{Answer, Check, Evaluation, EvaluationStatus, Evidence, PromptOutcome, Usage};
use protocol::document::{BBox, Document, Line, Page, Word};
use protocol::message::{Callback, Job, Lifecycle, LifecycleEvent, Outcome, WIRE_VERSION};
use protocol::request::ExtractionRequest;
use protocol::resolved::{AdapterInstance, WebhookEndpoint};
use protocol::result::{Collated, DocumentSummary, ExtractionResult, ResultError, StageSummary};
use protocol::stages::agentic_extract::Answers;
use protocol::stages::chunk_embed::Chunked;
use protocol::stages::evaluate::Evaluations;
use protocol::stages::extract_text::ExtractedText;
use protocol::stages::generate_digraph::{PromptEdge, PromptGraph, PromptNode};
use protocol::webhooks::{Delivered, Delivery, EventType};
use protocol::wire::Batch;
use protocol::workflow::queues;
use protocol::{
    ArtifactRef, ErrorClass, Payload, Presence, RunId, RunState, TaskError, TaskOutput, TaskRunId, TaskState, TenantId,
    Timeouts, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A message as it is written, and how its type reads and writes it again.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) written: Value,
    pub(crate) reread: fn(&str) -> serde_json::Result<Value>,
}

/// One sample per message; the name is the golden file's.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples = vec![
        sample("job", &job()),
        sample("job-child", &child_job()),
        sample("workflow-pipeline", &protocol::stages::pipeline()),
        sample("extraction-request", &request()),
        sample("extraction-result", &result()),
        sample("document", &document()),
        sample("stage-extract-text", &extracted_text()),
        sample("stage-chunk-embed", &chunked()),
        sample("stage-generate-digraph", &graph()),
        sample("stage-agentic-extract", &answers()),
        sample("stage-evaluate", &Evaluations { prompts: evaluations(), usage: usage() }),
        sample("stage-collate", &collated()),
        sample("presence", &presence()),
        sample("workflow-webhook-delivery", &protocol::webhooks::workflow()),
        sample("webhook-delivery", &delivery()),
        sample("webhook-delivered", &Delivered { status: 204, ms: 87 }),
        sample("resolved-webhook", &endpoint()),
        sample("resolved-adapter", &adapter()),
    ];
    let batch = outcomes().into_iter().take(2).map(|(_, outcome)| callback(outcome)).collect();
    samples.push(sample("callback-batch", &Batch { v: WIRE_VERSION, batch }));
    samples.extend(outcomes().into_iter().map(|(name, outcome)| sample(name, &callback(outcome))));
    samples.extend(events().into_iter().map(|(name, event)| sample(name, &lifecycle(event))));
    samples
}

fn sample<T: Serialize + DeserializeOwned>(name: &'static str, value: &T) -> Sample {
    // Through text, as on the wire: `to_value` would widen single-precision numbers.
    fn written<T: Serialize>(value: &T) -> serde_json::Result<Value> {
        serde_json::from_str(&serde_json::to_string(value)?)
    }
    let reread = |text: &str| written(&serde_json::from_str::<T>(text)?);
    Sample { name, written: written(value).unwrap(), reread }
}

fn run_id() -> RunId {
    "0197c0de-0000-7000-8000-000000000001".parse().unwrap()
}

fn task_run_id() -> TaskRunId {
    "0197c0de-0000-7000-8000-0000000000a1".parse().unwrap()
}

fn at(second: u8) -> Timestamp {
    format!("2026-03-14T09:26:{second:02}.5Z").parse().unwrap()
}

fn artifact(key: &str) -> ArtifactRef {
    ArtifactRef {
        key: key.to_owned(),
        sha256: "ab".repeat(32),
        size: 48_213,
        media_type: "application/json".to_owned(),
    }
}

fn usage() -> Usage {
    Usage { calls: 2, input_tokens: 1_830, output_tokens: 96, embedding_tokens: 0, pages: 1, ..Usage::default() }
}

fn job() -> Job {
    Job {
        v: WIRE_VERSION,
        run_id: run_id(),
        task_run_id: task_run_id(),
        tenant: TenantId::default_tenant(),
        workflow: protocol::stages::PIPELINE.to_owned(),
        task: "chunk-embed".to_owned(),
        backend: protocol::Backend::default(),
        celery: None,
        parents: Vec::new(),
        queue: queues::FILE_PROCESSING.to_owned(),
        preferred: None,
        index: None,
        map_over: None,
        attempt: 1,
        retries_left: 2,
        input: Payload::Inline(json!({ "file_path": "inbox/invoice.pdf" })),
        outputs: BTreeMap::from([(
            "extract-text".to_owned(),
            TaskOutput::One(Payload::Artifact(artifact("runs/1/extract-text.json"))),
        )]),
        errors: BTreeMap::new(),
        state: Value::Null,
        timeouts: Timeouts { soft: None, hard: Duration::from_secs(900), queue_wait: None },
        deadline_at: None,
        queued_at: at(1),
    }
}

/// A child of a mapped task on its second attempt, with everything an ordinary job leaves out.
fn child_job() -> Job {
    Job {
        task: "read-attachment".to_owned(),
        workflow: "mail".to_owned(),
        queue: queues::DEFAULT.to_owned(),
        preferred: Some("worker-default-17".to_owned()),
        index: Some(3),
        map_over: Some("list-attachments".to_owned()),
        attempt: 2,
        retries_left: 0,
        input: Payload::Artifact(artifact("runs/1/input.json")),
        outputs: BTreeMap::from([(
            "list-attachments".to_owned(),
            TaskOutput::Many(vec![Payload::Inline(json!(["a.pdf"])), Payload::default()]),
        )]),
        errors: BTreeMap::from([(
            "scan".to_owned(),
            TaskError::permanent("file_encrypted", "The file needs a password."),
        )]),
        state: json!({ "remote_job": "j-17" }),
        timeouts: Timeouts {
            soft: Some(Duration::from_millis(1_500)),
            hard: Duration::from_secs(60),
            queue_wait: Some(Duration::from_secs(3_600)),
        },
        deadline_at: Some(at(59)),
        ..job()
    }
}

fn outcomes() -> [(&'static str, Outcome); 4] {
    let limited = TaskError::new(ErrorClass::RateLimited, "rate_limited", "The provider asked to slow down.");
    [
        ("callback-done", Outcome::Done { output: Payload::Artifact(artifact("runs/1/out.json")), fan_out: Some(4) }),
        ("callback-retry", Outcome::Retry { error: limited, after_ms: Some(30_000) }),
        (
            "callback-fail",
            Outcome::Fail { error: TaskError::permanent("file_truncated", "The file ends in the middle of a page.") },
        ),
        ("callback-snooze", Outcome::Snooze { after_ms: 5_000, state: json!({ "whisper_hash": "w-1" }) }),
    ]
}

fn callback(outcome: Outcome) -> Callback {
    Callback {
        v: WIRE_VERSION,
        run_id: run_id(),
        task_run_id: task_run_id(),
        attempt: 1,
        worker: "file-processing-1".to_owned(),
        usage: if matches!(outcome, Outcome::Done { .. }) { usage() } else { Usage::default() },
        outcome,
        started_at: at(2),
        ended_at: at(4),
    }
}

fn events() -> [(&'static str, LifecycleEvent); 5] {
    [
        ("lifecycle-started", LifecycleEvent::Started),
        ("lifecycle-progress", LifecycleEvent::Progress { done: 3, total: 12, message: "page 3 of 12".to_owned() }),
        ("lifecycle-log", LifecycleEvent::Log { level: "warn".to_owned(), message: "page 2 has no text".to_owned() }),
        ("lifecycle-ended", LifecycleEvent::Ended { state: "succeeded".to_owned(), ms: 1_730 }),
        ("lifecycle-run-ended", LifecycleEvent::RunEnded { state: RunState::Cancelled }),
    ]
}

fn presence() -> Presence {
    Presence {
        v: WIRE_VERSION,
        name: "worker-default-77-0198f3c2".to_owned(),
        role: "worker-default".to_owned(),
        host: "node-7".to_owned(),
        pid: 77,
        queues: vec![queues::DEFAULT.to_owned()],
        concurrency: 8,
        in_flight: 3,
        started_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        version: "0.1.0".to_owned(),
        draining: false,
    }
}

fn lifecycle(event: LifecycleEvent) -> Lifecycle {
    let of_task = !matches!(event, LifecycleEvent::RunEnded { .. });
    Lifecycle {
        v: WIRE_VERSION,
        run_id: run_id(),
        tenant: TenantId::default_tenant(),
        task_run_id: of_task.then(task_run_id),
        task: of_task.then(|| "extract-text".to_owned()),
        attempt: of_task.then_some(1),
        worker: "file-processing-1".to_owned(),
        at: at(3),
        event,
    }
}

/// Every field of a request set to something else than its default.
fn request() -> ExtractionRequest {
    ExtractionRequest::parse(&json!({
        "run_id": "r-1", "execution_id": "e-1", "tool_id": "t-1",
        "file_name": "invoice.pdf", "file_hash": "cd".repeat(32), "file_path": "inbox/invoice.pdf",
        "output_file_path": "out/invoice.json",
        "tool_settings": {
            "llm": "llm-1", "embedding": "embedding-1", "vector-db": "vectors-1", "x2text_adapter": "x2text-1",
            "enable_challenge": true, "challenge_llm": "llm-2", "enable_highlight": true,
            "single_pass_extraction_mode": true, "summarize_as_source": true, "summarize_prompt": "Summarize.",
            "preamble": "You read invoices.", "postamble": "Answer briefly.",
            "grammar": [{ "word": "invoice", "synonyms": ["bill"] }], "enable_smart_chunking": true,
            "chunk-size": 1024, "chunk-overlap": 102, "retrieval-strategy": "fusion", "similarity-top-k": 7,
            "platform_postamble": "Kept as it came."
        },
        "extraction_settings": {
            "x2text_instance_id": "x2text-2", "enable_highlight": true, "tags": ["march"],
            "tool_execution_metadata": { "project": "p-1" }
        },
        "outputs": [
            { "name": "total", "prompt": "What is the total?", "type": "number" },
            {
                "name": "lines", "active": false, "sequence_number": 9, "prompt": "Which lines add up to {{total}}?",
                "promptx": "Which lines?", "chunk-size": 512, "chunk-overlap": 64,
                "retrieval-strategy": "keyword_table", "similarity-top-k": 3, "type": "line-item",
                "enforce_type": false, "llm": "llm-3", "required": "all",
                "eval_settings": {
                    "evaluate": true, "monitor_llm": ["llm-4"], "eval_quality_faithfulness": true,
                    "eval_quality_correctness": true, "eval_quality_relevance": true, "eval_security_pii": true,
                    "eval_guidance_toxicity": true, "eval_guidance_completeness": true
                },
                "table_settings": { "document_type": "invoice", "input_file": "in.csv", "is_directory_mode": true }
            }
        ],
        "custom_data": { "kept": true }
    }))
    .unwrap()
}

fn evidence() -> Evidence {
    Evidence { page: 1, bbox: BBox::new(412.5, 610.25, 460.0, 622.0), quote: "1,230.00".to_owned() }
}

fn document() -> Document {
    let words = vec![
        Word::new("Total".to_owned(), BBox::new(360.0, 610.25, 390.0, 622.0)),
        Word::new(evidence().quote, evidence().bbox),
    ];
    let bbox = BBox::around(words.iter().map(|word| word.bbox)).unwrap();
    let line = Line { text: "Total    1,230.00".to_owned(), bbox, words };
    let pages = vec![Page { number: 1, width: 595.0, height: 842.0, lines: vec![line], ..Page::default() }];
    Document { media_type: "application/pdf".to_owned(), pages, ..Document::default() }
}

fn extracted_text() -> ExtractedText {
    ExtractedText {
        document: artifact("runs/1/document.json"),
        file_name: "invoice.pdf".to_owned(),
        file_hash: "cd".repeat(32),
        pages: 1,
        words: 2,
        extractor: "pdfium".to_owned(),
        warnings: vec!["Page 2 has no text.".to_owned()],
    }
}

fn chunked() -> Chunked {
    Chunked {
        index: artifact("runs/1/index.json"),
        doc_id: "cdcd-512-64".to_owned(),
        chunk_count: 1,
        tokens: 6,
        fits_context: true,
        embedding_dimensions: None,
    }
}

fn graph() -> PromptGraph {
    let node = |name: &str, level, needs: &[&str]| PromptNode {
        name: name.to_owned(),
        level,
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
    };
    PromptGraph {
        version: 1,
        questions: request().outputs,
        document_kind: Some("invoice".to_owned()),
        nodes: vec![node("total", 0, &[]), node("lines", 1, &["total"])],
        edges: vec![PromptEdge { from: "total".to_owned(), to: "lines".to_owned() }],
        cycles: vec![vec!["a".to_owned(), "b".to_owned()]],
        unknown_references: vec!["lines: currency".to_owned()],
    }
}

fn answers() -> Answers {
    let answer = Answer {
        value: json!(1230.0),
        evidence: vec![evidence()],
        confidence: Some(0.97),
        reader: "builtin".to_owned(),
        note: Some("The thousands separator was removed.".to_owned()),
        usage: usage(),
    };
    let refused = TaskError::permanent("unauthorized", "The provider refused the key.");
    Answers {
        prompts: BTreeMap::from([
            ("total".to_owned(), PromptOutcome::Answered(answer)),
            ("lines".to_owned(), PromptOutcome::Failed(refused)),
        ]),
        model: "builtin".to_owned(),
        usage: usage(),
    }
}

fn evaluations() -> BTreeMap<String, Evaluation> {
    let check = Check {
        score: Some(0.5),
        passed: false,
        method: "deterministic".to_owned(),
        reasons: vec!["The lines add up to 1,200.00.".to_owned()],
    };
    let flagged =
        Evaluation { status: EvaluationStatus::Flagged, checks: BTreeMap::from([("arithmetic".to_owned(), check)]) };
    BTreeMap::from([
        ("total".to_owned(), flagged),
        ("lines".to_owned(), Evaluation { status: EvaluationStatus::Empty, checks: BTreeMap::new() }),
    ])
}

fn collated() -> Collated {
    let by_name = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    Collated {
        document: DocumentSummary { name: "invoice.pdf".to_owned(), sha256: "cd".repeat(32), pages: 1 },
        output: IndexMap::from([("total".to_owned(), json!(1230.0)), ("lines".to_owned(), Value::Null)]),
        evidence: IndexMap::from([("total".to_owned(), vec![evidence()]), ("lines".to_owned(), vec![])]),
        confidence: IndexMap::from([("total".to_owned(), Some(0.97)), ("lines".to_owned(), None)]),
        types: by_name("total", "number").into_iter().collect(),
        evaluation: evaluations().into_iter().collect(),
        errors: BTreeMap::from([(
            "lines".to_owned(),
            ResultError { code: "unauthorized".to_owned(), message: "The provider refused the key.".to_owned() },
        )]),
        notes: by_name("total", "The thousands separator was removed."),
        warnings: vec!["Page 2 has no text.".to_owned()],
        usage: usage(),
        model: "builtin".to_owned(),
    }
}

fn result() -> ExtractionResult {
    let stage = StageSummary { name: "extract-text".to_owned(), state: TaskState::Succeeded, attempts: 1, ms: 212 };
    ExtractionResult { run_id: run_id(), status: RunState::Succeeded, collated: collated(), stages: vec![stage] }
}

fn delivery() -> Delivery {
    Delivery {
        endpoint: "orders".to_owned(),
        event_id: "evt_0197c0de000070008000000000000001".to_owned(),
        event_type: EventType::RunSucceeded,
        timestamp: at(53),
        data: json!({ "run_id": run_id(), "status": "succeeded" }),
    }
}

fn endpoint() -> WebhookEndpoint {
    WebhookEndpoint {
        url: "https://hooks.example.com/flotilla".to_owned(),
        secrets: vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()],
        enabled: true,
    }
}

fn adapter() -> AdapterInstance {
    AdapterInstance {
        id: "0197c0de-0000-7000-8000-0000000000b1".to_owned(),
        adapter_id: "openai|502ecf49-e47c-445c-9907-6d4b90c5cd17".to_owned(),
        adapter_type: "LLM".to_owned(),
        settings: json!({ "model": "gpt-4o", "api_key": "secret" }),
    }
}
