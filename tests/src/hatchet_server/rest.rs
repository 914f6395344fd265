//! The part of the REST API that runs are found by.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::HatchetServer;

#[derive(Deserialize)]
struct Wanted {
    additional_metadata: Option<String>,
}

pub(super) async fn serve(server: HatchetServer, listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new()
        .route("/api/v1/stable/tenants/{tenant}/workflow-runs", get(workflow_runs))
        // The SDK pauses its worker before it stops.
        .route("/api/v1/workers/{worker}", patch(pause))
        .with_state(server);
    axum::serve(listener, router).await
}

async fn workflow_runs(
    State(server): State<HatchetServer>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok());
    if shown.and_then(|shown| shown.strip_prefix("Bearer ")) != Some(server.token()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let book = server.lock();
    let found = wanted.additional_metadata.map(|wanted| book.with_metadata(&wanted)).unwrap_or_default();
    let rows: Vec<Value> = found
        .iter()
        .map(|id| json!({"metadata": {"id": id}, "status": book.runs[id].status().as_str_name()}))
        .collect();
    Json(json!({"rows": rows, "pagination": {}})).into_response()
}

async fn pause() -> Json<Value> {
    Json(json!({}))
}
