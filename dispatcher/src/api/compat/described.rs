//! Payloads and answers as the OpenAPI document shows them. Handlers read payloads themselves, tolerantly, and make answers as
//! values, because much of both is the caller's.

#![expect(dead_code, reason = "descriptions; nothing is ever made of them")]

use serde_json::Value;
use utoipa::ToSchema;

/// Of a document in the object store.
#[derive(ToSchema)]
pub(super) struct ExtractPayload {
    /// Key of the document: below an import prefix, `documents/TENANT/SHA256`, or `doc_SHA256`.
    #[schema(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}){0,8}$")]
    file_path: String,
    /// What it is called.
    #[schema(max_length = 255)]
    file_name: Option<String>,
    /// SHA-256 of it; checked.
    #[schema(pattern = r"^([0-9a-fA-F]{64})?$")]
    file_hash: Option<String>,
    /// The caller's id: the same id with the same payload is the same run.
    #[schema(max_length = 128)]
    run_id: Option<String>,
    #[schema(max_length = 128)]
    execution_id: Option<String>,
    #[schema(max_length = 128)]
    x2text_instance_id: Option<String>,
    enable_highlight: Option<bool>,
}

/// Of prompts about a document in the object store.
#[derive(ToSchema)]
pub(super) struct PromptPayload {
    /// Key of the document: below an import prefix, `documents/TENANT/SHA256`, or `doc_SHA256`.
    #[schema(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}){0,8}$")]
    file_path: String,
    /// What it is called.
    #[schema(max_length = 255)]
    file_name: Option<String>,
    #[schema(pattern = r"^([0-9a-fA-F]{64})?$")]
    file_hash: Option<String>,
    /// The caller's id: the same id with the same payload is the same run.
    #[schema(max_length = 128)]
    run_id: Option<String>,
    #[schema(max_length = 128)]
    execution_id: Option<String>,
    #[schema(max_length = 128)]
    tool_id: Option<String>,
    /// Settings for all prompts; docs/request.md.
    #[schema(value_type = Option<Object>)]
    tool_settings: Option<Value>,
    /// The prompts; docs/request.md. Without any, the usual ones for the kind of document are asked.
    #[schema(max_items = 1000)]
    outputs: Option<Vec<Prompt>>,
}

/// A prompt.
#[derive(ToSchema)]
pub(super) struct Prompt {
    /// Key of the answer; unique.
    #[schema(pattern = r"^[A-Za-z0-9_-]{1,128}$")]
    name: String,
    #[schema(pattern = r"^[!-z]{1,1000}$")]
    prompt: String,
    /// `text`, `number`, `email`, `date`, `boolean`, `json`, `table` or `line-item`.
    #[schema(pattern = r"^(text|number|email|date|boolean|json|table|line-item)$")]
    r#type: Option<String>,
    active: Option<bool>,
}

/// Of a text that is to be made searchable.
#[derive(ToSchema)]
pub(super) struct IndexPayload {
    /// The text; without it, the document at `file_path` is read.
    extracted_text: Option<String>,
    file_path: Option<String>,
    /// SHA-256 of the document that the text is of; goes into `doc_id`.
    #[schema(pattern = r"^([0-9a-fA-F]{64})?$")]
    file_hash: Option<String>,
    #[schema(max_length = 128)]
    run_id: Option<String>,
    #[schema(max_length = 128)]
    tool_id: Option<String>,
    #[schema(max_length = 128)]
    embedding_instance_id: Option<String>,
    #[schema(max_length = 128)]
    vector_db_instance_id: Option<String>,
    #[schema(max_length = 128)]
    x2text_instance_id: Option<String>,
    /// In tokens, also as a decimal string; 0: as much as the model reads at once. Without it 512.
    chunk_size: Option<Value>,
    /// In tokens, also as a decimal string. Without it 128, or 0 for small chunks.
    chunk_overlap: Option<Value>,
}

/// Of a text that is to be summarized.
#[derive(ToSchema)]
pub(super) struct SummarizePayload {
    /// The text.
    #[schema(min_length = 1)]
    context: String,
    summarize_prompt: Option<String>,
    /// What the summary has to keep.
    prompt_keys: Option<Vec<String>>,
    #[schema(max_length = 128)]
    llm_adapter_instance_id: Option<String>,
}

/// Of a document in the object store, for the document workflow.
#[derive(ToSchema)]
pub(super) struct ExecutePayload {
    /// Key of the document: below an import prefix, `documents/TENANT/SHA256`, or `doc_SHA256`.
    #[schema(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}){0,8}$")]
    document_path: String,
    /// Decides nothing: where runs go is chosen for all of them.
    use_abstraction: Option<bool>,
}

/// The text of a document.
#[derive(ToSchema)]
pub(super) struct Extracted {
    /// With the layout of the page; a page ends with a form feed.
    extracted_text: String,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// The index of a text.
#[derive(ToSchema)]
pub(super) struct Indexed {
    /// The same for the same text and settings.
    doc_id: String,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Answers to prompts.
#[derive(ToSchema)]
pub(super) struct Answered {
    /// By prompt: the value, or null.
    #[schema(value_type = Object)]
    output: Value,
    #[schema(value_type = Object)]
    metadata: Value,
    #[schema(value_type = Object)]
    metrics: Value,
}

/// A summary.
#[derive(ToSchema)]
pub(super) struct Summarized {
    /// Null where the model says nothing.
    #[schema(value_type = Option<String>)]
    data: Value,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// How a run gets on.
#[derive(ToSchema)]
pub(super) struct Progress {
    task_id: String,
    /// `pending`, `processing`, `completed` or `failed`.
    status: String,
    message: Option<String>,
    /// Stages that have ended.
    current: Option<u32>,
    /// Stages there are.
    total: Option<u32>,
    /// What the address that started the run answers.
    result: Option<Value>,
    /// Why it failed.
    error: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}
