//! The examples of docs/compatibility.md, executed as they stand there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::repository;
use crate::serving::Server;

const MANUAL: &str = include_str!("../../../docs/compatibility.md");

/// An example: what is typed, and what comes back.
struct Example {
    typed: String,
    expected: Option<Value>,
}

/// The blocks of the manual: `sh`, each followed by `json` if an answer is shown.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (number, block) in MANUAL.split("```").enumerate() {
        let Some((language, text)) = block.split_once('\n').filter(|_| number % 2 == 1) else { continue };
        match (language, examples.last_mut()) {
            ("sh", _) => examples.push(Example { typed: text.to_owned(), expected: None }),
            ("json", Some(last)) if last.expected.is_none() => {
                last.expected = Some(serde_json::from_str(text).unwrap())
            }
            _ => {}
        }
    }
    examples
}

/// Whether an answer is as shown, where `…` stands for what differs and fields may be left out.
fn matches(found: &Value, shown: &Value) -> bool {
    match (found, shown) {
        (_, Value::String(text)) if text == "…" => true,
        (Value::String(found), Value::String(shown)) => match shown.split_once('…') {
            Some((begin, end)) => found.starts_with(begin) && found.ends_with(end),
            None => found == shown,
        },
        (Value::Object(found), Value::Object(shown)) => {
            shown.iter().all(|(key, shown)| found.get(key).is_some_and(|found| matches(found, shown)))
        }
        (Value::Array(found), Value::Array(shown)) => {
            found.len() == shown.len() && found.iter().zip(shown).all(|(found, shown)| matches(found, shown))
        }
        _ => found == shown,
    }
}

fn run(folder: &Path, typed: &str) -> Value {
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", typed]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{typed}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[tokio::test]
async fn every_example_of_the_manual_works_as_it_stands_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(repository("examples/invoice.pdf"), folder.path().join("invoice.pdf")).unwrap();
    let server = Server::start(&folder.path().join(".flotilla"), &[]);
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    let mut task = String::new();
    for Example { typed, expected } in examples {
        let typed = typed.replace("http://localhost:8080", &server.base).replace("TASK_ID", &task);
        let mut answer = run(folder.path(), &typed);
        while answer["status"] == "pending" || answer["status"] == "processing" {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = run(folder.path(), &typed);
        }
        if let Some(id) = answer["task_id"].as_str() {
            id.clone_into(&mut task);
        }
        if let Some(expected) = expected {
            assert!(matches(&answer, &expected), "{typed}\nexpected {expected:#}\nfound {answer:#}");
        }
    }
}
