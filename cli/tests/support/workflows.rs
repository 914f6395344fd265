//! `flotilla serve`: workflows of somebody's own, and runs of them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::serving::Server;

impl Server {
    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let headers = [("content-type", "application/json")];
        self.call(Method::POST, path, body.to_string().into_bytes(), &headers).await
    }
}

/// Reads a document that is stored already: one stage as a workflow.
fn reading() -> Value {
    json!({ "name": "reading", "tasks": [{ "name": "extract-text", "queue": "file_processing" }] })
}

fn paths(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_workflow_is_registered_once_and_shown_as_it_is() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);

    let (status, created) = server.post("/api/v1/workflows", &reading()).await;
    assert_eq!((status, &created["version"]), (StatusCode::CREATED, &json!(1)), "{created}");
    let (status, again) = server.post("/api/v1/workflows", &reading()).await;
    assert_eq!((status, &again), (StatusCode::OK, &created));

    let mut changed = reading();
    changed["tasks"][0]["queue"] = json!("default");
    let (status, problem) = server.post("/api/v1/workflows", &changed).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("workflow_changed")), "{problem}");
    changed["version"] = json!(2);
    let (status, newer) = server.post("/api/v1/workflows", &changed).await;
    assert_eq!(status, StatusCode::CREATED, "{newer}");

    assert_eq!(server.get("/api/v1/workflows/reading").await, (StatusCode::OK, newer));
    let (_, list) = server.get("/api/v1/workflows").await;
    let names: Vec<&str> =
        list["workflows"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["indexing", "prompt-studio-pipeline", "reading", "text-extraction", "webhook-delivery"]);
    let (status, problem) = server.get("/api/v1/workflows/nothing%00").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("path_invalid")));
}

#[tokio::test]
async fn a_workflow_with_problems_is_told_all_of_them() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let bad =
        json!({ "name": "a/b", "colour": 1, "tasks": [{ "name": "x", "parents": ["y"], "retry": { "tries": 2 } }] });

    let (status, problem) = server.post("/api/v1/workflows", &bad).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("workflow_invalid")));
    assert_eq!(paths(&problem), ["$.colour", "$.tasks[0].retry.tries", "$.tasks", "$.tasks"], "{problem}");

    let large = json!({ "name": "x".repeat(2 * 1024 * 1024) });
    let (status, problem) = server.post("/api/v1/workflows", &large).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));

    let reserved = json!({ "name": "prompt-studio-pipeline", "version": 9, "tasks": [{ "name": "x" }] });
    let (status, problem) = server.post("/api/v1/workflows", &reserved).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("workflow_reserved")));
}

#[tokio::test]
async fn a_run_of_a_workflow_leaves_what_its_last_tasks_left() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    server.post("/api/v1/workflows", &reading()).await;
    let stored = server.submit_example().await;
    let hash = server.result(&stored).await["document"]["sha256"].as_str().unwrap().to_owned();
    let input = json!({ "file_path": format!("documents/default/{hash}"), "file_name": "contract.md", "outputs": [] });

    let order = json!({ "workflow": "reading", "input": input, "idempotency_key": "k" });
    let (status, accepted) = server.post("/api/v1/runs", &order).await;
    assert_eq!((status, &accepted["created"]), (StatusCode::ACCEPTED, &json!(true)), "{accepted}");
    let (_, again) = server.post("/api/v1/runs", &order).await;
    assert_eq!((&again["run_id"], &again["created"]), (&accepted["run_id"], &json!(false)));

    let result = server.result(&accepted).await;
    assert_eq!((&result["workflow"], &result["status"]), (&json!("reading"), &json!("succeeded")), "{result}");
    assert_eq!(result["outputs"]["extract-text"]["file_name"], "contract.md");
    assert!(result["outputs"]["extract-text"]["words"].as_u64().unwrap() > 0);
    let (_, run) = server.get(accepted["status_url"].as_str().unwrap()).await;
    assert_eq!(run["workflow"], "reading");
}

#[tokio::test]
async fn a_run_cannot_read_what_belongs_to_another_tenant() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    server.post("/api/v1/workflows", &reading()).await;

    let input = json!({ "file_path": "documents/somebody-else/0000", "file_name": "a.md", "outputs": [] });
    let (_, accepted) = server.post("/api/v1/runs", &json!({ "workflow": "reading", "input": input })).await;
    let result = server.result(&accepted).await;

    assert_eq!(result["status"], "failed", "{result}");
    assert_eq!(result["errors"]["extract-text"]["code"], "document_foreign", "{result}");
    assert_eq!(result["outputs"], json!({}));
}

#[tokio::test]
async fn many_runs_are_started_together_or_not_at_all() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    server.post("/api/v1/workflows", &reading()).await;
    let order = |number: usize| json!({ "workflow": "reading", "input": { "number": number }, "idempotency_key": format!("key-{number}") });

    let mut bad = json!({ "runs": [order(0), order(1), order(2), {}] });
    bad["runs"][1]["priority"] = json!("high");
    bad["runs"][2]["workflow"] = json!("nothing");
    let (status, problem) = server.post("/api/v1/runs", &bad).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("request_invalid")));
    assert_eq!(paths(&problem), ["$.runs[1].priority", "$.runs[3].workflow", "$.runs[2].workflow"], "{problem}");
    let (_, list) = server.get("/api/v1/runs").await;
    assert_eq!(list["runs"], json!([]), "nothing was started");

    let thousand: Vec<Value> = (0..1000).map(order).collect();
    let (status, accepted) = server.post("/api/v1/runs", &json!({ "runs": thousand })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    assert_eq!(accepted["runs"].as_array().unwrap().len(), 1000);
    let mut conflict = json!({ "runs": [order(2000), order(7)] });
    conflict["runs"][1]["input"] = json!("something else");
    let (status, problem) = server.post("/api/v1/runs", &conflict).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("idempotency_conflict")));
    assert_eq!(paths(&problem), ["$.runs[1].idempotency_key"]);
    let too_many: Vec<Value> = (0..1001).map(order).collect();
    let (status, problem) = server.post("/api/v1/runs", &json!({ "runs": too_many })).await;
    assert_eq!((status.as_u16(), paths(&problem)), (422, vec!["$.runs"]));
}

#[tokio::test]
async fn the_document_workflow_takes_documents_only() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);

    let (status, problem) = server.post("/api/v1/runs", &json!({ "workflow": "prompt-studio-pipeline" })).await;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["errors"][0]["fix"].as_str().unwrap().contains("form"), "{problem}");
}
