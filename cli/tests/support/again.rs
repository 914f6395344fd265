//! `flotilla serve`: runs that are done again, found, cancelled together, and what they consumed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Ran, flotilla};
use crate::serving::Server;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn post(server: &Server, path: &str, body: &Value) -> (StatusCode, Value) {
    server.call(Method::POST, path, body.to_string().into_bytes(), &JSON).await
}

/// Reads a document that is stored already, and then asks for a task that nobody serves.
async fn breaking(server: &Server) -> Value {
    let tasks = json!([
        { "name": "extract-text", "queue": "file_processing" },
        { "name": "no-such-task", "queue": "default", "parents": ["extract-text"], "retry": { "max_attempts": 1 } },
    ]);
    let (status, created) = post(server, "/api/v1/workflows", &json!({ "name": "breaking", "tasks": tasks })).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let stored = server.submit_example().await;
    let hash = server.result(&stored).await["document"]["sha256"].as_str().unwrap().to_owned();
    json!({ "file_path": format!("documents/default/{hash}"), "file_name": "contract.md", "outputs": [] })
}

/// A run of it that has failed; its id.
async fn failed(server: &Server, input: &Value) -> String {
    let (_, accepted) = post(server, "/api/v1/runs", &json!({ "workflow": "breaking", "input": input })).await;
    assert_eq!(server.result(&accepted).await["status"], "failed");
    accepted["run_id"].as_str().unwrap().to_owned()
}

fn attempts(run: &Value) -> Vec<(&str, u64)> {
    let stages = run["stages"].as_array().unwrap().iter();
    stages.map(|stage| (stage["state"].as_str().unwrap(), stage["attempts"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_failed_run_is_done_again_without_what_succeeded() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let input = breaking(&server).await;
    let run = failed(&server, &input).await;

    let (status, retry) = server.call(Method::POST, &format!("/api/v1/runs/{run}/retry"), Vec::new(), &[]).await;
    assert_eq!((status, &retry["retry_of"]), (StatusCode::ACCEPTED, &json!(run)), "{retry}");
    server.result(&retry).await;
    let (_, shown) = server.get(retry["status_url"].as_str().unwrap()).await;
    assert_eq!((attempts(&shown), &shown["retry_of"]), (vec![("succeeded", 0), ("failed", 1)], &json!(run)));

    let key = [JSON[0], ("idempotency-key", "k")];
    let from = |task: &str| json!({ "from": task }).to_string().into_bytes();
    let again = format!("/api/v1/runs/{run}/retry");
    let (_, whole) = server.call(Method::POST, &again, from("extract-text"), &key).await;
    let (_, same) = server.call(Method::POST, &again, from("extract-text"), &key).await;
    assert_eq!((&same["run_id"], &same["created"]), (&whole["run_id"], &json!(false)));
    let (status, problem) = server.call(Method::POST, &again, Vec::new(), &key).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("idempotency_conflict")), "{problem}");
    server.result(&whole).await;
    let (_, shown) = server.get(whole["status_url"].as_str().unwrap()).await;
    assert_eq!(attempts(&shown), [("succeeded", 1), ("failed", 1)]);

    let cli =
        |arguments: &[&str]| Ran::from(flotilla().args(arguments).env("FLOTILLA_URL", &server.base).output().unwrap());
    let ran = cli(&["retry", &run, "--from", "extract-text", "--json"]);
    assert_eq!((ran.code, &ran.json()["retry_of"]), (0, &json!(run)), "{}", ran.stderr);
    let listed = cli(&["runs", "--state", "succeeded", "--workflow", "prompt-studio-pipeline", "--json"]);
    assert_eq!(listed.json()["runs"].as_array().unwrap().len(), 1, "{}", listed.stdout);
}

#[tokio::test]
async fn a_retry_that_makes_no_sense_is_refused_with_its_reason() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let input = breaking(&server).await;
    let (_, list) = server.get("/api/v1/runs").await;
    let succeeded = list["runs"][0]["run_id"].as_str().unwrap().to_owned();
    let broken = failed(&server, &input).await;
    let nobody = "0190aaaa-0000-7000-8000-000000000000".to_owned();
    for (run, body, status, code) in [
        (&succeeded, json!({}), 409, "nothing_to_retry"),
        (&broken, json!({ "from": "nothing" }), 422, "no_such_task"),
        (&broken, json!({ "form": "extract-text" }), 422, "selection_invalid"),
        (&broken, json!({ "from": 7 }), 422, "selection_invalid"),
        (&broken, json!([]), 422, "selection_invalid"),
        (&nobody, json!({}), 404, "no_such_run"),
    ] {
        let (found, problem) = post(&server, &format!("/api/v1/runs/{run}/retry"), &body).await;
        assert_eq!((found.as_u16(), &problem["code"]), (status, &json!(code)), "{body}: {problem}");
    }
}

#[tokio::test]
async fn many_runs_are_found_done_again_and_cancelled_by_what_they_have_in_common() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let input = breaking(&server).await;
    let runs = [failed(&server, &input).await, failed(&server, &input).await, failed(&server, &input).await];

    let (_, page) = server.get("/api/v1/runs?state=failed&workflow=breaking&limit=2").await;
    assert_eq!((&page["runs"][0]["run_id"], &page["next"]), (&json!(runs[2]), &json!(runs[1])), "{page}");
    for (query, found) in [
        ("state=failed,cancelled&cursor=".to_owned() + &runs[1], 1),
        ("state=failed&before=".to_owned() + &runs[1], 1),
        ("created_after=2026-01-01T00:00:00Z".to_owned(), 4),
        ("created_before=2026-01-01T00:00:00Z".to_owned(), 0),
        ("workflow=nothing".to_owned(), 0),
    ] {
        let (_, page) = server.get(&format!("/api/v1/runs?{query}")).await;
        assert_eq!(page["runs"].as_array().map(Vec::len), Some(found), "{query}: {page}");
    }
    for query in ["state=failing", "workflow=nothing%00", "stat=failed", "created_after=yesterday", "cursor=x"] {
        let (status, problem) = server.get(&format!("/api/v1/runs?{query}")).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("query_invalid")), "{query}: {problem}");
    }

    let filter = json!({ "states": ["failed"], "workflow": "breaking" });
    let (_, dry) = post(&server, "/api/v1/runs/retry", &json!({ "filter": filter, "dry_run": true })).await;
    assert_eq!((&dry["matched"], &dry["retried"], &dry["dry_run"]), (&json!(3), &json!(0), &json!(true)), "{dry}");
    let (status, page) = post(&server, "/api/v1/runs/retry", &json!({ "filter": filter, "limit": 2 })).await;
    assert_eq!((status, &page["retried"], &page["next"]), (StatusCode::ACCEPTED, &json!(2), &json!(runs[1])), "{page}");
    let rest = json!({ "filter": filter, "cursor": page["next"] });
    let (_, rest) = post(&server, "/api/v1/runs/retry", &rest).await;
    assert_eq!((&rest["runs"][0]["retry_of"], &rest["next"]), (&json!(runs[0]), &Value::Null), "{rest}");
    for accepted in page["runs"].as_array().unwrap().iter().chain(rest["runs"].as_array().unwrap()) {
        assert_eq!(server.result(accepted).await["status"], "failed");
    }

    let (_, none) = post(&server, "/api/v1/runs/cancel", &json!({ "all": true })).await;
    assert_eq!((&none["matched"], &none["cancelled"]), (&json!(0), &json!(0)), "{none}");
    let idle = json!({ "name": "idle", "tasks": [{ "name": "x", "queue": "nobody-serves-this" }] });
    post(&server, "/api/v1/workflows", &idle).await;
    let orders: Vec<Value> = (0..3).map(|input| json!({ "workflow": "idle", "input": input })).collect();
    post(&server, "/api/v1/runs", &json!({ "runs": orders })).await;
    let (_, dry) = post(&server, "/api/v1/runs/cancel", &json!({ "all": true, "dry_run": true })).await;
    assert_eq!((&dry["matched"], &dry["cancelled"]), (&json!(3), &json!(0)), "{dry}");
    let reason = json!({ "filter": { "workflow": "idle" }, "reason": "not needed", "limit": 2 });
    let (_, done) = post(&server, "/api/v1/runs/cancel", &reason).await;
    assert_eq!((&done["matched"], &done["cancelled"]), (&json!(2), &json!(2)), "{done}");
    let (_, rest) = post(&server, "/api/v1/runs/cancel", &json!({ "filter": { "workflow": "idle" } })).await;
    assert_eq!((&rest["cancelled"], &rest["next"]), (&json!(1), &Value::Null), "{rest}");
    let (status, problem) = post(&server, "/api/v1/runs/cancel", &json!({})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("selection_invalid")), "{problem}");
}

#[tokio::test]
async fn of_many_runs_those_are_started_that_can_be_when_this_is_asked_for() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let idle = json!({ "name": "idle", "tasks": [{ "name": "x", "queue": "nobody-serves-this" }] });
    post(&server, "/api/v1/workflows", &idle).await;
    let order = |input: u32, key: &str| json!({ "workflow": "idle", "input": input, "idempotency_key": key });
    let (_, first) = post(&server, "/api/v1/runs", &order(1, "k")).await;

    let entries =
        json!([order(2, "k"), order(3, "l"), { "workflow": "nothing" }, { "priority": "high" }, order(1, "k"), 7]);
    let (status, answer) = post(&server, "/api/v1/runs", &json!({ "runs": entries, "partial": true })).await;
    assert_eq!(
        (status, &answer["started"], &answer["refused"]),
        (StatusCode::ACCEPTED, &json!(2), &json!(4)),
        "{answer}"
    );
    let runs = answer["runs"].as_array().unwrap();
    let code = |place: usize| runs[place]["problem"]["code"].as_str();
    assert_eq!((code(0), runs[0]["problem"]["status"].as_u64()), (Some("idempotency_conflict"), Some(409)));
    assert_eq!((runs[1]["created"].as_bool(), code(1)), (Some(true), None));
    assert_eq!(
        (code(2), code(3), code(5)),
        (Some("request_invalid"), Some("request_invalid"), Some("request_invalid"))
    );
    assert_eq!(runs[2]["problem"]["errors"][0]["path"], "$.runs[2].workflow");
    assert_eq!((&runs[4]["run_id"], &runs[4]["created"]), (&first["run_id"], &json!(false)));

    let none = json!({ "runs": [{ "workflow": "nothing" }, {}], "partial": true });
    let (status, answer) = post(&server, "/api/v1/runs", &none).await;
    assert_eq!((status.as_u16(), &answer["started"], &answer["refused"]), (422, &json!(0), &json!(2)), "{answer}");
}

#[tokio::test]
async fn what_was_consumed_is_told_by_day_by_model_and_by_run() {
    let state = tempfile::tempdir().unwrap();
    let prices = state.path().join("prices.json");
    std::fs::write(&prices, r#"{"currency": "EUR", "page": 0.25, "models": {"builtin": {}}}"#).unwrap();
    let server = Server::start(state.path(), &["--prices", prices.to_str().unwrap()]);
    let accepted = server.submit_example().await;
    let result = server.result(&accepted).await;
    let (calls, run) = (result["usage"]["calls"].as_u64().unwrap(), accepted["run_id"].as_str().unwrap());
    assert!(calls > 0, "{result}");

    let (_, by_day) = server.get("/api/v1/usage").await;
    let (_, by_model) = server.get("/api/v1/usage?group=model").await;
    let (_, by_run) = server.get("/api/v1/usage?group=run").await;
    let (_, of_run) = server.get(&format!("/api/v1/runs/{run}/usage")).await;

    assert_eq!((&by_day["total"]["calls"], &by_day["lines"][0]["calls"]), (&json!(calls), &json!(calls)), "{by_day}");
    assert_eq!((&by_day["total"]["pages"], &by_day["total"]["attempts"]), (&json!(1), &json!(2)), "{by_day}");
    assert_eq!((&by_day["currency"], &by_day["total"]["cost"]), (&json!("EUR"), &json!(0.25)), "{by_day}");
    assert_eq!((&by_run["lines"][0]["cost"], &of_run["total"]["cost"]), (&json!(0.25), &json!(0.25)), "{by_run}");
    let models: Vec<(&Value, &Value, &Value)> = by_model["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (&line["model"], &line["calls"], &line["pages"]))
        .collect();
    assert_eq!(models, [(&Value::Null, &json!(0), &json!(1)), (&json!("builtin"), &json!(calls), &json!(0))]);
    assert_eq!((&by_run["lines"][0]["run_id"], &by_run["lines"][0]["calls"]), (&json!(run), &json!(calls)), "{by_run}");
    assert_eq!(
        (&of_run["total"]["calls"], &of_run["models"][1]["model"]),
        (&json!(calls), &json!("builtin")),
        "{of_run}"
    );
    let tasks: Vec<&str> =
        of_run["tasks"].as_array().unwrap().iter().map(|task| task["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["extract-text", "agentic-extract"]);

    for query in ["group=week", "from=2026-01-02&to=2026-01-01", "from=2020-01-01&to=2026-01-01", "from=x", "limit=3"] {
        let (status, problem) = server.get(&format!("/api/v1/usage?{query}")).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("query_invalid")), "{query}: {problem}");
    }
    let ran =
        Ran::from(flotilla().args(["usage", "--by", "model"]).env("FLOTILLA_URL", &server.base).output().unwrap());
    assert!(ran.code == 0 && ran.stdout.contains("builtin") && ran.stdout.contains("no model"), "{}", ran.stdout);
}
