//! Calls that cannot work, and files that results go to.

use crate::harness::{Ran, flotilla, repository, run_json};

fn call(arguments: &[&str]) -> Ran {
    Ran::from(flotilla().args(arguments).output().unwrap())
}

#[test]
fn a_bad_call_ends_with_exit_code_2_and_says_what_to_do() {
    let missing = call(&["run", "no-such-file.pdf"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("no-such-file.pdf"), "{}", missing.stderr);

    let unknown = call(&["run", "--jsno", "a.pdf"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("--json"), "{}", unknown.stderr);

    let model = call(&["run", "a.pdf", "--model-url", "http://localhost/v1"]);
    assert_eq!(model.code, 2);
    assert!(model.stderr.contains("--model"), "{}", model.stderr);
}

#[test]
fn a_bad_request_names_every_field_at_fault() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    let text =
        r#"{"outputs": [{"name": "a", "prompt": "?", "type": "nummer"}, {"name": "a", "prompt": ""}], "colour": 1}"#;
    std::fs::write(&request, text).unwrap();

    let ran = run_json(&repository("examples/invoice.pdf"), &["--request", request.to_str().unwrap()]);

    assert_eq!(ran.code, 2);
    assert_eq!(ran.stdout, "");
    for path in ["$.outputs[0].type", "$.outputs[1].name", "$.outputs[1].prompt", "$.colour"] {
        assert!(ran.stderr.contains(path), "{path} is not in\n{}", ran.stderr);
    }
}

#[test]
fn a_request_that_is_not_json_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    std::fs::write(&request, "{\"outputs\": [,]}").unwrap();

    let ran = run_json(&repository("examples/invoice.pdf"), &["--request", request.to_str().unwrap()]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("line 1"), "{}", ran.stderr);
}

#[test]
fn the_result_file_holds_the_same_object() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("result.json");

    let ran = run_json(&repository("examples/contract.md"), &["--out", out.to_str().unwrap()]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert_eq!(written, ran.json());
}

#[test]
fn a_state_folder_serves_one_process_at_a_time() {
    let state = tempfile::tempdir().unwrap();
    let held = std::fs::File::create(state.path().join("lock")).unwrap();
    held.try_lock().unwrap();

    let ran = run_json(&repository("examples/contract.md"), &["--state", state.path().to_str().unwrap()]);

    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("in use by another"), "{}", ran.stderr);
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let help = call(&["run", "--help"]);
    assert_eq!(help.code, 0);
    for expected in ["Examples:", "Exit codes:", "--request", "FLOTILLA_STATE"] {
        assert!(help.stdout.contains(expected), "{expected:?} is not in\n{}", help.stdout);
    }
}
