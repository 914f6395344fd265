//! Calls that cannot work.

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
fn an_unusable_model_url_is_a_bad_call_before_anything_starts() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().join("state");
    let document = repository("examples/contract.md");
    for command in [["run", document.to_str().unwrap()].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
        let mut arguments = command.to_vec();
        arguments.extend(["--model-url", "no url", "--model", "m", "--state", state.to_str().unwrap()]);
        let refused = call(&arguments);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("--model-url"), "{}", refused.stderr);
    }
    assert!(!state.exists());
}

#[test]
fn a_model_without_a_server_in_the_environment_breaks_nothing() {
    for variable in ["FLOTILLA_MODEL", "FLOTILLA_MODEL_KEY"] {
        let mut command = flotilla();
        command.arg("run").arg(repository("examples/contract.md")).arg("--json").env(variable, "left over");
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "{variable}: {}", ran.stderr);
        assert_eq!(ran.json()["model"], "builtin");
    }
}

#[test]
fn a_document_that_cannot_be_read_is_a_bad_call() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("secret.pdf");
    std::fs::write(&document, "%PDF").unwrap();
    std::fs::set_permissions(&document, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(&document).is_ok() {
        return; // Nothing is unreadable for root.
    }

    let ran = run_json(&document, &[]);

    assert_eq!(ran.code, 2);
    assert_eq!(ran.stderr.matches("ermission denied").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_request_for_another_document_is_a_bad_call() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    let hash = "ab".repeat(32);
    // With a byte order mark, as some editors write it.
    std::fs::write(&request, format!("\u{feff}{{\"file_hash\": \"{hash}\"}}")).unwrap();

    let ran = run_json(&repository("examples/contract.md"), &["--request", request.to_str().unwrap()]);

    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains(&hash), "{}", ran.stderr);
}

#[test]
fn a_bad_request_names_every_field_at_fault() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.json");
    let text = r#"{"outputs": [{"name": "a", "prompt": "?", "type": "nummer"}, {"name": "a", "prompt": ""}], "colour": 1, "tool_id": "1", "tool_id": "2"}"#;
    std::fs::write(&request, text).unwrap();

    let ran = run_json(&repository("examples/invoice.pdf"), &["--request", request.to_str().unwrap()]);

    assert_eq!(ran.code, 2);
    assert_eq!(ran.stdout, "");
    for path in ["$.outputs[0].type", "$.outputs[1].name", "$.outputs[1].prompt", "$.colour", "$.tool_id"] {
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
