//! `flotilla inspect` and `flotilla dead-letters` against a running system.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Ran, flotilla};
use crate::model_server::{ModelServer, Reply};
use crate::serving::Server;

fn ask(url: &str, arguments: &[&str]) -> Ran {
    Ran::from(flotilla().args(arguments).args(["--url", url]).output().unwrap())
}

fn ask_json(url: &str, arguments: &[&str]) -> Value {
    let ran = ask(url, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

#[tokio::test]
async fn operators_see_the_process_its_queues_and_the_task_in_hand() {
    let model = ModelServer::start(Arc::new(|_, _| Reply::Silence));
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &["--workers", "3", "--model-url", &model.url(), "--model", "m"]);
    let accepted = server.submit_example().await;
    let run = accepted["run_id"].as_str().unwrap();
    let seen = async {
        loop {
            let active = ask_json(&server.base, &["inspect", "active"]);
            if let Some(task) = active["tasks"].as_array().unwrap().iter().find(|task| task["state"] == "running")
                && task["task"] == "agentic-extract"
            {
                return task.clone();
            }
        }
    };
    let task = tokio::time::timeout(Duration::from_secs(60), seen).await.expect("a task is in hand");
    assert_eq!((&task["run_id"], &task["queue"], &task["attempt"]), (&run.into(), &"api_processing".into(), &1.into()));

    let workers = ask_json(&server.base, &["inspect", "workers"]);
    let [worker] = &workers["workers"].as_array().unwrap()[..] else { panic!("{workers}") };
    assert_eq!((&worker["role"], &worker["concurrency"]), (&"embedded".into(), &3.into()));
    assert_eq!((&worker["pid"], &worker["draining"]), (&server.child.id().into(), &false.into()));
    let queues = ask_json(&server.base, &["inspect", "queues"]);
    let queue = |name: &str| queues["queues"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    let busy = queue("api_processing");
    assert_eq!((&busy["running"], &busy["unacked"], &busy["consumers"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(queue("dead_letter")["ready"], 0);
    assert_eq!(ask_json(&server.base, &["inspect", "scheduled"]), json!({ "tasks": [] }));

    for (what, word) in
        [("workers", "at work"), ("queues", "api_processing"), ("active", run), ("scheduled", "nothing")]
    {
        let ran = ask(&server.base, &["inspect", what]);
        assert!(ran.code == 0 && ran.stdout.contains(word), "{what}: {}{}", ran.stdout, ran.stderr);
    }
}

#[tokio::test]
async fn what_there_is_nothing_of_is_said_and_a_named_letter_that_is_missing_is_a_failure() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    for arguments in [&["inspect", "dead-letters"][..], &["dead-letters", "show"]] {
        let ran = ask(&server.base, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "there are no dead letters\n"), "{}", ran.stderr);
    }
    assert_eq!(ask_json(&server.base, &["dead-letters", "replay", "--all"]), json!({ "replayed": 0, "kept": 0 }));
    assert_eq!(ask_json(&server.base, &["dead-letters", "drop", "--all", "--yes"]), json!({ "dropped": 0 }));
    for arguments in [&["dead-letters", "show", "1:1"][..], &["dead-letters", "drop", "1:1"]] {
        let ran = ask(&server.base, arguments);
        assert!(ran.code == 1 && ran.stderr.contains("there is no dead letter"), "{} {}", ran.code, ran.stderr);
    }
}

#[tokio::test]
async fn a_selection_that_is_none_or_two_is_refused_before_anything_happens() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    for arguments in [
        &["dead-letters", "drop", "--all"][..],
        &["dead-letters", "drop", "--queue", "default"],
        &["dead-letters", "drop"],
        &["dead-letters", "replay", "--all", "1:1"],
        &["inspect", "active", "--limit", "0"],
    ] {
        assert_eq!(ask(&server.base, arguments).code, 2, "{arguments:?}");
    }
    for body in [json!({}), json!({ "all": false }), json!({ "all": true, "ids": [] }), json!({ "all": true, "if": 1 })]
    {
        for path in ["/api/v1/dead-letters/drop", "/api/v1/dead-letters/replay"] {
            let headers = [("content-type", "application/json")];
            let (status, problem) = server.call(Method::POST, path, body.to_string().into_bytes(), &headers).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
        }
    }
    let (status, problem) = server.get("/api/v1/tasks?state=lost").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &"query_invalid".into()));
}

#[test]
fn a_fleet_that_is_not_there_is_named_with_what_to_start() {
    for arguments in [&["inspect", "queues"][..], &["dead-letters", "replay", "--all"]] {
        let ran = ask("http://127.0.0.1:9", arguments);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        for part in ["http://127.0.0.1:9", "flotilla serve", "--url"] {
            assert!(ran.stderr.contains(part), "{}", ran.stderr);
        }
    }
}
