//! What a run that has ended is in the words of the replaced system. Only what is really known is told: nothing is made up,
//! and what is absent is left out or null.

use axum::http::StatusCode;
use indexmap::IndexMap;
use ledger::RunRecord;
use objects::Objects;
use protocol::document::Document;
use protocol::request::ExtractionRequest;
use protocol::result::{Collated, ExtractionResult, StageSummary};
use protocol::stages::chunk_embed::Chunked;
use protocol::stages::extract_text::ExtractedText;
use protocol::stages::{ChunkEmbed, ExtractText, is_builtin};
use protocol::{ErrorClass, RunState, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::Problem;
use super::super::codes::Code;
use super::envelope::Refusal;
use super::highlight;
use super::order::{Note, Route};
use super::summarize::SUMMARY;
use crate::results::{self, load, output};

/// The reader that is no language model.
const BUILTIN: &str = "builtin";

/// What callers get of a run that has ended.
pub(super) enum Answer {
    /// What they asked for.
    Given(Value),
    /// Why there is nothing.
    Refused(Refusal),
}

/// The answer of a run in a final state.
pub(super) async fn of(record: &RunRecord, objects: &dyn Objects) -> Result<Answer, Problem> {
    if record.run.state != RunState::Succeeded {
        return Ok(Answer::Refused(refusal(record)));
    }
    if !is_builtin(&record.run.workflow.name) {
        let result = results::outputs(record, objects).await?;
        return Ok(Answer::Given(json!({ "output": result.outputs, "metadata": { "run_id": result.run_id } })));
    }
    let request: ExtractionRequest = load(&record.input, objects).await?;
    let note = Note::of(&request);
    let head = head(record, &request, note.as_ref());
    match note.as_ref().map(|note| note.route) {
        Some(Route::Extract) => extracted(record, objects, &request, note.as_ref(), head).await,
        Some(Route::Index) => indexed(record, objects, &request, note.as_ref(), head).await,
        Some(Route::Summarize) => summarized(record, objects, note.as_ref(), head).await,
        _ => answered(record, objects, &request, note.as_ref(), head).await,
    }
}

/// What the metadata of every answer begin with.
fn head(record: &RunRecord, request: &ExtractionRequest, note: Option<&Note>) -> Map<String, Value> {
    let task_id = record.run.id.to_string();
    let file_name = note.and_then(|note| note.file_name.as_ref()).unwrap_or(&request.file_name);
    let mut head = Map::new();
    let run_id = if request.run_id.is_empty() { &task_id } else { &request.run_id };
    head.insert("run_id".to_owned(), json!(run_id));
    if !request.execution_id.is_empty() {
        head.insert("execution_id".to_owned(), json!(request.execution_id));
    }
    head.insert("task_id".to_owned(), json!(task_id));
    head.insert("file_name".to_owned(), json!(file_name));
    head
}

fn warn(metadata: &mut Map<String, Value>, note: Option<&Note>, more: impl IntoIterator<Item = String>) {
    let warnings: Vec<String> = note.into_iter().flat_map(Note::warnings).chain(more).collect();
    if !warnings.is_empty() {
        metadata.insert("warnings".to_owned(), json!(warnings));
    }
}

/// `/extract`: the text.
async fn extracted(
    record: &RunRecord,
    objects: &dyn Objects,
    request: &ExtractionRequest,
    note: Option<&Note>,
    mut metadata: Map<String, Value>,
) -> Result<Answer, Problem> {
    let Some(text) = left::<ExtractText, ExtractedText>(record, objects).await? else { return Ok(nothing(record)) };
    let document: Document = stored(&text, objects).await?;
    metadata.insert("pages".to_owned(), json!(text.pages));
    warn(&mut metadata, note, text.warnings.into_iter().chain(request.unsupported()));
    Ok(Answer::Given(json!({ "extracted_text": document.text(), "metadata": metadata })))
}

/// `/index`: the id of the index.
async fn indexed(
    record: &RunRecord,
    objects: &dyn Objects,
    request: &ExtractionRequest,
    note: Option<&Note>,
    mut metadata: Map<String, Value>,
) -> Result<Answer, Problem> {
    let Some(chunked) = left::<ChunkEmbed, Chunked>(record, objects).await? else { return Ok(nothing(record)) };
    let doc_id = note.and_then(|note| note.doc_id.clone()).unwrap_or(chunked.doc_id);
    metadata.insert("chunk_count".to_owned(), json!(chunked.chunk_count));
    warn(&mut metadata, note, request.unsupported());
    Ok(Answer::Given(json!({ "doc_id": doc_id, "metadata": metadata })))
}

/// `/summarize`: the summary, which only a language model can write.
async fn summarized(
    record: &RunRecord,
    objects: &dyn Objects,
    note: Option<&Note>,
    mut metadata: Map<String, Value>,
) -> Result<Answer, Problem> {
    let ExtractionResult { mut collated, .. } = results::assemble(record, objects).await?;
    if collated.model == BUILTIN {
        let error = "a summary needs a language model, and this deployment has the built-in reader alone; \
                     start the workers with --model-url and --model";
        let refusal = Refusal::new(Code::SummaryNeedsModel, error);
        return Ok(Answer::Refused(refusal.with("task_id", record.run.id.to_string())));
    }
    if let Some(error) = collated.errors.get(SUMMARY) {
        let refusal = Refusal::of_run(StatusCode::UNPROCESSABLE_ENTITY, &error.code, error.message.clone());
        return Ok(Answer::Refused(refusal.with("task_id", record.run.id.to_string())));
    }
    let summary = collated.output.shift_remove(SUMMARY).unwrap_or_default();
    let chunked = left::<ChunkEmbed, Chunked>(record, objects).await?;
    let in_parts = chunked.is_some_and(|chunked| !chunked.fits_context).then(|| {
        "the text is longer than the model reads at once; the summary was made of the passages that suit the prompt best"
            .to_owned()
    });
    warn(&mut metadata, note, collated.warnings.iter().cloned().chain(in_parts));
    usage(&collated, "summarize_llm", &mut metadata);
    Ok(Answer::Given(json!({ "data": summary, "metadata": metadata })))
}

/// The document workflow: the answers and where they stand.
async fn answered(
    record: &RunRecord,
    objects: &dyn Objects,
    request: &ExtractionRequest,
    note: Option<&Note>,
    mut metadata: Map<String, Value>,
) -> Result<Answer, Problem> {
    let ExtractionResult { collated, stages, .. } = results::assemble(record, objects).await?;
    let context: IndexMap<&String, Vec<&str>> = collated
        .evidence
        .iter()
        .map(|(name, places)| (name, places.iter().map(|place| place.quote.as_str()).collect()))
        .collect();
    let mut tell = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
    tell("context", json!(context));
    let required = request.outputs.iter().filter(|output| output.active);
    let required: IndexMap<&String, &Value> =
        required.filter_map(|output| Some((&output.name, output.other.get("required")?))).collect();
    tell("required_fields", json!(required));
    let sure: IndexMap<&String, f32> =
        collated.confidence.iter().filter_map(|(name, sure)| Some((name, (*sure)?))).collect();
    tell("confidence_data", exact(&sure)?);
    tell("evidence", exact(&collated.evidence)?);
    tell("evaluation", exact(&collated.evaluation)?);
    tell("errors", json!(collated.errors));
    if (request.tool_settings.enable_highlight || request.extraction_settings.enable_highlight)
        && let Some(text) = left::<ExtractText, ExtractedText>(record, objects).await?
    {
        let document: Document = stored(&text, objects).await?;
        metadata.insert("highlight_data".to_owned(), exact(&highlight::of(&collated.evidence, &document))?);
    }
    usage(&collated, "extraction_llm", &mut metadata);
    // At these addresses it has one: without it there is no `highlight_data`.
    let warnings = collated.warnings.iter().filter(|warning| !warning.contains("_settings.enable_highlight "));
    warn(&mut metadata, note, warnings.cloned());
    let metrics = metrics(&collated, &stages);
    Ok(Answer::Given(json!({ "output": collated.output, "metadata": metadata, "metrics": metrics })))
}

/// A value whose short numbers stay short: a `Value` made directly holds 0.95 of 32 bits as 0.949999988….
fn exact<T: Serialize>(value: &T) -> Result<Value, results::Error> {
    Ok(serde_json::from_str(&serde_json::to_string(value)?)?)
}

/// What a group of calls consumed, where it made any. Prices are not known here, and then a cost is null, not 0.
fn usage(collated: &Collated, group: &str, metadata: &mut Map<String, Value>) {
    let used = &collated.usage;
    if collated.model == BUILTIN || used.calls == 0 {
        return;
    }
    let entry = json!({
        "model_name": collated.model,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "cost_in_dollars": null,
        "pricing_unknown": true,
    });
    metadata.insert(group.to_owned(), json!([entry]));
}

/// Times by prompt. The document is cut once, which is the same time for every prompt.
fn metrics(collated: &Collated, stages: &[StageSummary]) -> Map<String, Value> {
    let Some(cutting) = stages.iter().find(|stage| stage.name == ChunkEmbed::NAME) else { return Map::new() };
    let indexing = json!({ "indexing": { "time_taken(s)": cutting.ms as f64 / 1000.0 } });
    collated.output.keys().map(|name| (name.clone(), indexing.clone())).collect()
}

/// What a stage left behind, if it did.
async fn left<T: Task<Output = O>, O: DeserializeOwned>(
    record: &RunRecord,
    objects: &dyn Objects,
) -> Result<Option<O>, Problem> {
    match output::<T>(record) {
        Some(payload) => Ok(Some(load(payload, objects).await?)),
        None => Ok(None),
    }
}

/// The document that was read.
async fn stored(text: &ExtractedText, objects: &dyn Objects) -> Result<Document, Problem> {
    let bytes = objects.get_checked(&text.document).await.map_err(results::Error::from)?;
    Ok(serde_json::from_slice(&bytes).map_err(results::Error::from)?)
}

fn nothing(record: &RunRecord) -> Answer {
    let refusal = Refusal::new(Code::Internal, "the run left no result");
    Answer::Refused(refusal.with("task_id", record.run.id.to_string()))
}

/// Why a run that did not succeed has no answer.
fn refusal(record: &RunRecord) -> Refusal {
    let run = &record.run;
    let failed = run.tasks.iter().filter(|task_run| task_run.state == protocol::TaskState::Failed);
    let errors: Vec<_> =
        failed.filter_map(|task_run| Some((task_run.task.as_str(), task_run.error.as_ref()?))).collect();
    let first = errors.first().map(|(_, error)| *error).or(run.error.as_ref());
    let status = match (run.state, first.map(|error| error.class)) {
        (RunState::Cancelled, _) => StatusCode::CONFLICT,
        (_, Some(ErrorClass::Permanent)) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, Some(ErrorClass::RateLimited)) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_GATEWAY,
    };
    let (code, message) = match (run.state, first) {
        (RunState::Cancelled, _) => ("cancelled", "the run was cancelled".to_owned()),
        (_, Some(error)) => (error.code.as_str(), error.message.clone()),
        (state, None) => ("run_failed", format!("the run has {state}")),
    };
    let errors: Map<String, Value> = errors
        .into_iter()
        .map(|(task, error)| (task.to_owned(), json!({ "code": error.code, "message": error.message })))
        .collect();
    Refusal::of_run(status, code, message).with("task_id", run.id.to_string()).with("errors", errors)
}
