//! `/index`: a text, or the document that it is of, made searchable.

use axum::extract::Request;
use axum::response::Response;

use super::super::Problem;
use super::Refusal;
use super::described::{IndexPayload, Indexed};
use super::doc_id::CHUNK;
use super::document::{TEXT, last_segment};
use super::envelope::Failure;
use super::extract::settings;
use super::intake::{Call, Received};
use super::order::{Order, Route};

/// Fields that stand at the top of this payload and in `tool_settings` of a request.
const TOOL: [(&str, &str); 4] = [
    ("embedding_instance_id", "embedding"),
    ("vector_db_instance_id", "vector-db"),
    ("chunk_size", "chunk-size"),
    ("chunk_overlap", "chunk-overlap"),
];

/// Makes a text searchable and answers with the id of its index.
#[utoipa::path(post, path = "/index", tag = "compatibility", operation_id = "index_text",
    request_body = IndexPayload,
    responses((status = 200, body = Indexed), (status = 422, body = Refusal), (status = 504, body = Refusal)))]
pub(in super::super) async fn index(call: Call, request: Request) -> Result<Response, Failure> {
    let order = read(call.receive(request).await?)?;
    call.answer(order).await
}

fn read(received: Received) -> Result<Order, Problem> {
    let Received { mut payload, file } = received;
    settings(&mut payload);
    let size = payload.take("chunk_size").unwrap_or_else(|| CHUNK.0.into());
    let overlap = payload.take("chunk_overlap");
    let tokens = size.as_u64().or_else(|| size.as_str()?.parse().ok());
    // The usual overlap would be most of a small chunk.
    let usual = if tokens.is_some_and(|tokens| tokens >= u64::from(2 * CHUNK.1)) { CHUNK.1 } else { 0 };
    payload.put("chunk_size", size);
    payload.put("chunk_overlap", overlap.unwrap_or_else(|| usual.into()));
    payload.nest("tool_settings", &TOOL);
    // Whether an index is there already is for the fleet to know.
    payload.take("reindex");
    let text = payload.text("extracted_text")?;
    if text.is_empty() {
        return Order::about_document(Route::Index, Received { payload, file });
    }
    // The text is what is indexed; the path says where it came from, and nothing is read there.
    let place = payload.text("file_path")?;
    let name = format!("{}.{TEXT}", last_segment(if place.is_empty() { "extracted" } else { &place }));
    Order::about_text(Route::Index, payload, text, &name)
}
