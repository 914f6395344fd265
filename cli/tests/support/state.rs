//! What is kept, what is shown again, and what is left behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::harness::{Ran, flotilla, repository};
use crate::model_server::{ModelServer, Reply};

/// `flotilla run` on the contract, for a person to read.
fn run(state: &Path, more: &[&str]) -> Ran {
    let mut command = flotilla();
    command.arg("run").arg(repository("examples/contract.md")).arg("--state").arg(state).args(more);
    Ran::from(command.output().unwrap())
}

#[test]
fn a_result_of_an_earlier_run_says_so() {
    let state = tempfile::tempdir().unwrap();
    let notice = "shown from an earlier run; --fresh starts over";
    for (more, expected) in [(&[][..], false), (&[], true), (&["--json"], false), (&["--fresh"], false)] {
        let ran = run(state.path(), more);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains(notice), expected, "{more:?}: {}", ran.stderr);
    }
}

#[test]
fn an_interrupted_fresh_run_does_not_promise_to_go_on() {
    let state = tempfile::tempdir().unwrap();
    let model = ModelServer::start(Arc::new(|_, _| Reply::Silence));
    let mut command = flotilla();
    command.arg("run").arg(repository("examples/contract.md")).arg("--state").arg(state.path());
    command.args(["--fresh", "--model-url", &model.url(), "--model", "test"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while model.calls() == 0 {
        std::thread::yield_now();
    }

    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();

    assert!(interrupted.success());
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("takes it up"), "{stderr}");
}

#[test]
fn a_stored_document_that_was_damaged_is_stored_again() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(run(state.path(), &[]).code, 0);
    let documents = state.path().join("objects/documents/default");
    for document in std::fs::read_dir(documents).unwrap() {
        std::fs::write(document.unwrap().path(), "damaged").unwrap();
    }

    let ran = run(state.path(), &["--fresh"]);

    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_ledger_that_cannot_be_opened_is_named() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("ledger.sqlite"), "no database at all, but longer than a header").unwrap();

    let ran = run(state.path(), &[]);

    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("ledger.sqlite"), "{}", ran.stderr);
}

#[test]
fn what_a_killed_run_left_in_the_temporary_folder_is_removed_by_the_next() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = temporary.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let lock = std::fs::File::create(folder.join("lock")).unwrap();
        lock.set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();
        (folder, lock)
    };
    let (dead, _) = folder("flotilla-dead");
    let (alive, lock) = folder("flotilla-alive");
    lock.try_lock().unwrap();
    let (foreign, _) = folder("something-else");

    let mut command = flotilla();
    command.arg("run").arg(repository("examples/contract.md")).env("TMPDIR", temporary.path());
    let ran = Ran::from(command.output().unwrap());

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!dead.exists());
    assert!(alive.exists() && foreign.exists());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 2, "it leaves nothing of its own");
}
