//! `/summarize`: a text and one prompt, for a language model.

use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Problem;
use super::Refusal;
use super::described::{SummarizePayload, Summarized};
use super::document::TEXT;
use super::envelope::Failure;
use super::intake::{Call, Payload, Received, at_fault};
use super::order::{Order, Route};

/// Name of the one prompt.
pub(super) const SUMMARY: &str = "summary";

/// A summary of a text.
#[utoipa::path(post, path = "/summarize", tag = "compatibility", operation_id = "summarize_text",
    request_body = SummarizePayload,
    responses((status = 200, body = Summarized), (status = 422, body = Refusal), (status = 504, body = Refusal)))]
pub(in super::super) async fn summarize(call: Call, request: Request) -> Result<Response, Failure> {
    let Received { payload, .. } = call.receive(request).await?;
    call.answer(read(payload)?).await
}

fn read(mut payload: Payload) -> Result<Order, Problem> {
    let text = payload.text("context")?;
    if text.trim().is_empty() {
        return Err(at_fault("$.context", "is missing", "send the text that is to be summarized"));
    }
    let wanted = payload.text("summarize_prompt")?;
    let mut prompt = if wanted.trim().is_empty() { "Summarize the document.".to_owned() } else { wanted };
    let keys = match payload.take("prompt_keys") {
        None => Vec::new(),
        Some(Value::Array(keys)) if keys.iter().all(Value::is_string) => keys,
        Some(_) => return Err(at_fault("$.prompt_keys", "must be a list of strings", "write [\"…\"]")),
    };
    if !keys.is_empty() {
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        prompt.push_str("\nThe summary keeps everything that is needed to tell: ");
        prompt.push_str(&keys.join(", "));
        prompt.push('.');
    }
    let output = json!([{ "name": SUMMARY, "prompt": prompt, "type": "text", "enforce_type": false }]);
    payload.take("outputs");
    payload.put("outputs", output);
    payload.nest("tool_settings", &[("llm_adapter_instance_id", "llm")]);
    Order::about_text(Route::Summarize, payload, text, &format!("context.{TEXT}"))
}
