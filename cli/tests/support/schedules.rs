//! `flotilla serve`: runs that start by the clock.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Ran, flotilla};
use crate::serving::Server;

impl Server {
    async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let headers = [("content-type", "application/json")];
        self.call(Method::PUT, path, body.to_string().into_bytes(), &headers).await
    }
}

/// A server that knows a workflow called `nightly`.
async fn server(state: &tempfile::TempDir) -> Server {
    let server = Server::start(state.path(), &[]);
    let workflow = json!({ "name": "nightly", "tasks": [{ "name": "extract-text", "queue": "file_processing" }] });
    let headers = [("content-type", "application/json")];
    let (status, answer) =
        server.call(Method::POST, "/api/v1/workflows", workflow.to_string().into_bytes(), &headers).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    server
}

#[tokio::test]
async fn a_schedule_is_kept_shown_with_its_next_times_and_removed() {
    let state = tempfile::tempdir().unwrap();
    let mut running = server(&state).await;
    let wanted =
        json!({ "workflow": "nightly", "input": { "a": 1 }, "cron": "30 6 29 2 *", "time_zone": "Europe/Berlin" });

    let (status, created) = running.put("/api/v1/schedules/leap", &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    assert_eq!((&created["misfire"], &created["enabled"]), (&json!("once"), &json!(true)));
    let upcoming: Vec<&str> = created["upcoming"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert_eq!(upcoming.len(), 5);
    assert!(upcoming.iter().all(|at| at.ends_with("-02-29T06:30:00+01:00")), "{upcoming:?}");

    drop(running);
    running = Server::start(state.path(), &[]);
    assert_eq!(running.get("/api/v1/schedules/leap").await, (StatusCode::OK, created.clone()), "after a restart");
    let (_, list) = running.get("/api/v1/schedules").await;
    assert_eq!(list["schedules"], json!([created]));

    let mut off = wanted;
    off["enabled"] = json!(false);
    let (status, off) = running.put("/api/v1/schedules/leap", &off).await;
    assert_eq!((status, &off["next_at"], &off["upcoming"]), (StatusCode::OK, &Value::Null, &json!([])));
    let (status, _) = running.call(Method::DELETE, "/api/v1/schedules/leap", Vec::new(), &[]).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, problem) = running.get("/api/v1/schedules/leap").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("no_such_schedule")));
}

#[tokio::test]
async fn a_schedule_with_problems_is_told_all_of_them() {
    let state = tempfile::tempdir().unwrap();
    let server = server(&state).await;
    let bad =
        json!({ "workflow": "ghost", "cron": "61 * * * *", "time_zone": "Moon/Crater", "misfire": "often", "at": 1 });

    let (status, problem) = server.put("/api/v1/schedules/a.b", &bad).await;

    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("schedule_invalid")));
    let paths: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["name", "$.misfire", "$.at", "$.workflow", "$.time_zone", "$.cron"], "{problem}");
    let never = json!({ "workflow": "nightly", "cron": "0 0 30 2 *" });
    let (_, problem) = server.put("/api/v1/schedules/never", &never).await;
    assert_eq!(problem["errors"][0]["message"], "never comes true", "{problem}");
}

/// `flotilla schedules …` against that server.
fn schedules(server: &Server, arguments: &[&str]) -> Ran {
    let output = flotilla().arg("schedules").args(arguments).args(["--url", &server.base]).output().unwrap();
    Ran::from(output)
}

#[tokio::test]
async fn the_command_line_sets_lists_shows_and_removes_schedules() {
    let state = tempfile::tempdir().unwrap();
    let server = server(&state).await;
    let input = state.path().join("input.json");
    std::fs::write(&input, r#"{ "day": 1 }"#).unwrap();
    let input = input.to_str().unwrap();
    assert_eq!(schedules(&server, &["list"]).stdout, "no schedules; `flotilla schedules set` makes one\n");

    let set = ["set", "leap", "--workflow", "nightly", "--cron", "30 6 29 2 *", "--time-zone", "Europe/Berlin"];
    let made = schedules(&server, &[&set[..], &["--input", input, "--priority", "-2", "--misfire", "skip"]].concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.starts_with("leap: nightly at \"30 6 29 2 *\" in Europe/Berlin\n"), "{}", made.stdout);
    assert_eq!(made.stdout.matches("-02-29T06:30:00+01:00").count(), 5, "{}", made.stdout);
    let shown = schedules(&server, &["show", "leap", "--json"]).json();
    assert_eq!(
        (&shown["input"], &shown["priority"], &shown["misfire"]),
        (&json!({ "day": 1 }), &json!(-2), &json!("skip"))
    );
    let listed = schedules(&server, &["list"]);
    assert!(listed.stdout.contains("leap") && listed.stdout.contains("nightly"), "{}", listed.stdout);

    assert_eq!(schedules(&server, &["remove", "leap"]).stdout, "removed leap\n");
    let gone = schedules(&server, &["show", "leap"]);
    assert_eq!(gone.code, 2);
    assert!(gone.stderr.contains("no_such_schedule"), "{}", gone.stderr);
}

#[tokio::test]
async fn the_command_line_says_what_is_wrong_with_a_schedule() {
    let state = tempfile::tempdir().unwrap();
    let server = server(&state).await;

    let refused = schedules(&server, &["set", "bad", "--workflow", "ghost", "--cron", "* * *"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("\"ghost\"") && refused.stderr.contains("five fields"), "{}", refused.stderr);
    let slash = schedules(&server, &["show", "a/b"]);
    assert_eq!((slash.code, slash.stderr.contains("cannot be the name")), (2, true), "{}", slash.stderr);
    let no_file =
        schedules(&server, &["set", "x", "--workflow", "nightly", "--cron", "@daily", "--input", "nowhere.json"]);
    assert_eq!((no_file.code, no_file.stderr.contains("nowhere.json")), (2, true), "{}", no_file.stderr);
    let url = server.base.clone();
    drop(server);
    let nobody = Ran::from(flotilla().args(["schedules", "list", "--url", &url]).output().unwrap());
    assert_eq!((nobody.code, nobody.stderr.contains("flotilla serve")), (1, true), "{}", nobody.stderr);
}
