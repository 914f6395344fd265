//! What a collector of traces learns about runs, and what a bad collector costs them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{RunId, RunState};
use tokio::net::TcpListener;

use crate::collector::{Collector, Told, flags};
use crate::fleet::{Document, Fleet, ROLES};
use crate::process::Process;

/// How far times of one machine may lie apart that different processes noted, in nanoseconds: the ledger keeps
/// microseconds.
const TOLERANCE: u64 = 1_000_000;

/// The stages, each with the queue that it goes through.
const STAGES: [(&str, &str); 6] = [
    ("extract-text", "file_processing"),
    ("chunk-embed", "file_processing"),
    ("generate-digraph", "default"),
    ("agentic-extract", "api_processing"),
    ("evaluate", "api_processing"),
    ("collate", "default"),
];

async fn start_all(fleet: &Fleet, flags: &[String]) -> Vec<Process> {
    let mut processes = Vec::new();
    for role in ROLES {
        processes.push(fleet.start(role, flags).await);
    }
    processes
}

/// The spans of one trace, by id; no id may come twice.
fn trace(told: &[Told], run: RunId) -> BTreeMap<String, Told> {
    let trace = run.as_uuid().simple().to_string();
    let of_run: Vec<&Told> = told.iter().filter(|span| span.trace == trace).collect();
    let by_id: BTreeMap<String, Told> = of_run.iter().map(|span| (span.id.clone(), (*span).clone())).collect();
    assert_eq!(by_id.len(), of_run.len(), "an id was told twice: {of_run:#?}");
    by_id
}

/// The only span of that name.
fn named<'a>(trace: &'a BTreeMap<String, Told>, name: &str) -> &'a Told {
    let mut spans = trace.values().filter(|span| span.name == name);
    let (span, another) = (spans.next(), spans.next());
    assert!(another.is_none(), "several spans {name:?}");
    span.unwrap_or_else(|| panic!("no span {name:?} in {trace:#?}"))
}

/// Every parent is there, there is one root, and nothing lies outside of what it is part of.
fn assert_that_it_is_a_tree(trace: &BTreeMap<String, Told>) {
    let roots: Vec<&str> = trace.values().filter(|span| span.parent.is_none()).map(|span| span.name.as_str()).collect();
    assert_eq!(roots, ["run prompt-studio-pipeline"]);
    for span in trace.values() {
        assert!(span.start <= span.end, "{span:#?}");
        let Some(parent) = &span.parent else { continue };
        let parent = trace.get(parent).unwrap_or_else(|| panic!("the parent is missing of {span:#?}"));
        let within = parent.start <= span.start + TOLERANCE && span.end <= parent.end + TOLERANCE;
        assert!(within, "{span:#?} lies outside of {parent:#?}");
    }
}

#[tokio::test]
async fn a_run_through_six_processes_is_one_trace_with_all_stages() {
    let collector = Collector::start().await;
    let fleet = Fleet::without_processes().await;
    let processes = start_all(&fleet, &collector.flags()).await;
    let run = fleet.submit(&processes[0], &Document::example("invoice.pdf")).await;
    fleet.result(&processes[0], run).await;
    let record = fleet.record(run).await;
    fleet.stop(processes).await;

    let told = collector.told();
    let trace = trace(&told, run);
    assert_that_it_is_a_tree(&trace);
    assert_eq!(trace.len(), 2 + 2 * STAGES.len(), "{trace:#?}");
    let root = named(&trace, "run prompt-studio-pipeline");
    assert_eq!((root.attributes["run.state"].as_str(), &root.error), ("succeeded", &None));
    assert_eq!((root.service.as_str(), named(&trace, "admission wait").start), ("worker-callbacks", root.start));
    let mut ends = Vec::new();
    for (stage, queue) in STAGES {
        let span = named(&trace, &format!("task {stage}"));
        let task = record.run.tasks.iter().find(|task| task.task == stage).unwrap();
        let worker = &record.attempts[&task.id][0].worker;
        let expected = [
            ("run.id", run.to_string()),
            ("tenant", "default".to_owned()),
            ("workflow", "prompt-studio-pipeline".to_owned()),
            ("task.name", stage.to_owned()),
            ("task_run.id", task.id.to_string()),
            ("queue", queue.to_owned()),
            ("attempt", "1".to_owned()),
            ("outcome", "succeeded".to_owned()),
            ("worker", worker.clone()),
        ];
        let expected: BTreeMap<String, String> = expected.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!((&span.attributes, &span.error), (&expected, &None));
        assert!(worker.starts_with(&format!("{}-", span.service)), "{} tells of {worker}", span.service);
        let waited = trace.values().find(|one| {
            one.name == format!("queue {queue}") && one.attributes["task.name"] == stage && one.end == span.start
        });
        assert!(waited.is_some(), "nothing tells how {stage} waited: {trace:#?}");
        ends.push(span.end);
    }
    assert_eq!(ends.iter().max(), Some(&named(&trace, "task collate").end));
    let content = told.iter().flat_map(|span| span.attributes.values()).find(|value| value.contains("NI-2026-00417"));
    assert_eq!(content, None, "the number of the invoice is nobody's business");
}

#[tokio::test]
async fn a_failed_task_and_its_run_are_marked_with_the_code_of_the_error() {
    let collector = Collector::start().await;
    let fleet = Fleet::without_processes().await;
    let processes = start_all(&fleet, &collector.flags()).await;
    let document = Document::one_question(fleet.folder());
    let broken = Document { path: fleet.folder().join("broken.pdf"), ..document };
    std::fs::write(&broken.path, "%PDF-1.7\nand nothing else").unwrap();
    let run = fleet.submit(&processes[0], &broken).await;
    fleet.until("the run has ended", async || fleet.under_way().await == 0).await;
    let record = fleet.record(run).await;
    fleet.stop(processes).await;

    assert_eq!(record.run.state, RunState::Failed);
    let told = collector.told();
    let trace = trace(&told, run);
    assert_that_it_is_a_tree(&trace);
    let task = named(&trace, "task extract-text");
    let code = &record.attempts[&record.run.tasks[0].id][0].error.as_ref().unwrap().code;
    assert_eq!((task.error.as_ref(), task.attributes.get("error.code")), (Some(code), Some(code)));
    assert_eq!(task.attributes["outcome"], "failed");
    let root = named(&trace, "run prompt-studio-pipeline");
    assert_eq!(root.error, record.run.error.map(|error| error.code));
    assert_eq!(root.attributes["run.state"], "failed");
}

#[tokio::test]
async fn a_collector_that_is_away_or_does_not_answer_changes_nothing_about_runs() {
    // One address where nobody listens, one where nobody ever answers.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fleet = Fleet::without_processes().await;
    let mut processes = Vec::new();
    for (index, role) in ROLES.into_iter().enumerate() {
        let address = if index % 2 == 0 { away } else { silent.local_addr().unwrap() };
        processes.push(fleet.start(role, &flags(address)).await);
    }
    let runs = fleet.submit_many(&[&processes[0]], &Document::one_question(fleet.folder()), 20).await;
    let records = fleet.all_succeed_and_are_recorded_once(&runs).await;

    let workers: BTreeSet<&String> =
        records.iter().flat_map(|record| record.attempts.values().flatten()).map(|attempt| &attempt.worker).collect();
    assert_eq!(workers.len(), 3, "{workers:?}");
    let (worker, callbacks) = (&processes[2], &processes[4]);
    for process in [worker, callbacks] {
        let dropped = async || process.metric(&fleet.client, "flotilla_spans_dropped_total").await > 0.0;
        fleet.until("spans are counted that nobody took", dropped).await;
    }
    fleet.stop(processes).await;
}
