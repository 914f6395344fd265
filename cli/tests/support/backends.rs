//! `flotilla backends`, `compare` and `signal` against a running system.

use serde_json::json;

use crate::harness::{Ran, flotilla};
use crate::serving::Server;

fn ask(server: &Server, arguments: &[&str]) -> Ran {
    Ran::from(flotilla().args(arguments).args(["--url", &server.base]).output().unwrap())
}

#[tokio::test]
async fn backends_are_shown_with_what_they_lack_and_how_others_are_connected() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);

    let shown = ask(&server, &["backends"]);

    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for part in ["embedded", "well", "signals: its tasks", "--temporal-url", "new runs go to embedded\n"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let json = ask(&server, &["backends", "--json"]).json();
    assert_eq!((&json["own"], &json["choice"], &json["said"]), (&json!("embedded"), &json!({}), &json!({})));
    let by_environment = flotilla().arg("backends").env("FLOTILLA_URL", &server.base).output().unwrap();
    assert_eq!(Ran::from(by_environment).stdout, shown.stdout);
}

#[tokio::test]
async fn a_choice_is_made_bit_by_bit_and_taken_back() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let workflow = "text-extraction";

    let used = ask(&server, &["backends", "use", "embedded", "--workflow", workflow]);
    assert!(used.stdout.contains("those of text-extraction to embedded"), "{}{}", used.stdout, used.stderr);
    assert_eq!(ask(&server, &["backends", "use", "embedded:9"]).code, 0);
    let mut chosen = flotilla();
    chosen.args(["backends", "shadow", workflow, "embedded:5", "--json"]).env("FLOTILLA_URL", &server.base);
    let chosen = Ran::from(chosen.output().unwrap()).json();
    let expected = json!({
        "default": "embedded", "workflows": { workflow: "embedded" }, "shadows": { workflow: "embedded:5" }
    });
    assert_eq!((&chosen["said"], &chosen["choice"]), (&expected, &expected));
    let shown = ask(&server, &["backends"]).stdout;
    assert!(shown.contains("5 % of text-extraction are repeated on embedded"), "{shown}");

    for (arguments, reason) in [
        (
            &["backends", "use", "embedded:90,temporal:10"][..],
            "$.default: this process is not connected to backend temporal",
        ),
        (&["backends", "use", "sidekiq"], "\"sidekiq\" is no backend"),
        (&["backends", "shadow", "ghost", "embedded"], "there is no workflow \"ghost\""),
    ] {
        let refused = ask(&server, arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.stdout);
        assert!(refused.stderr.contains(reason), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(ask(&server, &["backends", "--json"]).json()["said"], expected, "refused ones changed nothing");
    let reset = ask(&server, &["backends", "reset"]);
    assert!(reset.stdout.ends_with("new runs go to embedded\n"), "{}{}", reset.stdout, reset.stderr);
}

#[tokio::test]
async fn a_comparison_is_shown_as_table_bars_json_and_picture() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let accepted = server.submit_example().await;
    server.result(&accepted).await;
    let picture = state.path().join("backends.svg");

    let shown = ask(&server, &["compare", "--since", "1h", "--svg", picture.to_str().unwrap()]);

    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for part in ["1 run from", "embedded", "time to the result", "p95", "failures", "0.0 %"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains(">embedded<"), "{svg}");
    let json = ask(&server, &["compare", "--json", "--workflow", "prompt-studio-pipeline"]).json();
    assert_eq!((&json["backends"][0]["succeeded"], &json["pairs"]), (&json!(1), &json!([])));
    let other = ask(&server, &["compare", "--workflow", "indexing & more"]);
    assert!(other.stdout.starts_with("0 runs of indexing & more from"), "{}{}", other.stdout, other.stderr);
    let never = ask(&server, &["compare", "--since", "soon"]);
    assert_eq!((never.code, never.stderr.contains("30m, 24h or 7d")), (2, true), "{}", never.stderr);
    let nowhere = ask(&server, &["compare", "--svg", "/nowhere/at/all.svg"]);
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (1, ""), "{}", nowhere.stderr);
    let runs = ask(&server, &["runs", "--backend", "embedded", "--shadows"]);
    assert!(runs.stdout.contains(accepted["run_id"].as_str().unwrap()), "{}{}", runs.stdout, runs.stderr);
    assert_eq!(ask(&server, &["runs", "--backend", "celery"]).stdout, "no runs; `flotilla submit DOC` starts one\n");
}

#[tokio::test]
async fn a_signal_that_nobody_takes_is_told_so() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let accepted = server.submit_example().await;
    let run = accepted["run_id"].as_str().unwrap();
    server.result(&accepted).await;

    for (arguments, code, reason) in [
        (&["signal", run, "go"][..], 1, "run_ended"),
        (&["signal", "0190aaaa-0000-7000-8000-000000000000", "go"], 2, "no_such_run"),
        (&["signal", run, "go/on"], 2, "cannot be the name of a signal"),
        (&["signal", run, "go", "--payload", "text"], 2, "--payload is not JSON"),
    ] {
        let refused = ask(&server, arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(reason), "{arguments:?}: {}", refused.stderr);
    }
}
