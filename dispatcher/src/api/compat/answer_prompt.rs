//! `/answer-prompt` and `/single-pass-extraction`: the document workflow, waited for.

use axum::extract::Request;
use axum::response::Response;
use serde_json::json;

use super::Refusal;
use super::described::{Answered, PromptPayload};
use super::envelope::Failure;
use super::intake::Call;
use super::order::{Order, Route};

/// Answers to prompts about a document. A prompt that fails costs its own answer alone.
#[utoipa::path(post, path = "/answer-prompt", tag = "compatibility", operation_id = "answer_prompts",
    request_body = PromptPayload,
    responses((status = 200, body = Answered), (status = 422, body = Refusal), (status = 504, body = Refusal)))]
pub(in super::super) async fn answer_prompt(call: Call, request: Request) -> Result<Response, Failure> {
    let order = Order::about_document(Route::AnswerPrompt, call.receive(request).await?)?;
    call.answer(order).await
}

/// The same, where all prompts are to be asked in one call.
#[utoipa::path(post, path = "/single-pass-extraction", tag = "compatibility", operation_id = "answer_prompts_in_one_pass",
    request_body = PromptPayload,
    responses((status = 200, body = Answered), (status = 422, body = Refusal), (status = 504, body = Refusal)))]
pub(in super::super) async fn single_pass(call: Call, request: Request) -> Result<Response, Failure> {
    let mut received = call.receive(request).await?;
    const SETTING: &str = "single_pass_extraction_mode";
    received.payload.take(SETTING);
    received.payload.put(SETTING, json!(true));
    received.payload.nest("tool_settings", &[(SETTING, SETTING)]);
    let order = Order::about_document(Route::SinglePassExtraction, received)?;
    call.answer(order).await
}
