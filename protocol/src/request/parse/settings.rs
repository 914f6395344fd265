//! Reads what holds for every question: `tool_settings` and `extraction_settings`.

use serde_json::Value;

use super::super::{ExtractionSettings, GrammarEntry, RetrievalStrategy, ToolSettings};
use super::fields::{Fields, describe, text_at, texts_at};
use super::limits;
use super::path::{Path, shown};
use super::problems::Problems;

/// Fields of the replaced system's `extraction_settings` that this version passes on.
const KEPT: &[&str] =
    &["enable_word_confidence", "execution_data_dir", "execution_source", "include_metadata", "usage_kwargs"];

pub(super) fn tool(mut fields: Fields<'_>) -> ToolSettings {
    let (chunk_size, chunk_overlap) = chunk(&mut fields);
    ToolSettings {
        llm: fields.text("llm", limits::SHORT),
        embedding: fields.text("embedding", limits::SHORT),
        vector_db: fields.text("vector-db", limits::SHORT),
        x2text_adapter: fields.text("x2text_adapter", limits::SHORT),
        enable_challenge: fields.flag("enable_challenge", false),
        challenge_llm: fields.text("challenge_llm", limits::SHORT),
        enable_highlight: fields.flag("enable_highlight", false),
        // Callers know it under two names; either asks for it.
        single_pass_extraction_mode: fields.flag("single_pass_extraction_mode", false)
            | fields.flag("enable_single_pass_extraction", false),
        summarize_as_source: fields.flag("summarize_as_source", false),
        summarize_prompt: fields.text("summarize_prompt", limits::PROMPT),
        preamble: fields.text("preamble", limits::PROMPT),
        postamble: fields.text("postamble", limits::PROMPT),
        grammar: grammar(&mut fields),
        enable_smart_chunking: fields.flag("enable_smart_chunking", false),
        chunk_size,
        chunk_overlap,
        retrieval_strategy: retrieval_strategy(&mut fields),
        similarity_top_k: similarity_top_k(&mut fields),
        other: fields.keep_rest(),
    }
}

pub(super) fn extraction(mut fields: Fields<'_>) -> ExtractionSettings {
    ExtractionSettings {
        x2text_instance_id: fields.text("x2text_instance_id", limits::SHORT),
        enable_highlight: fields.flag("enable_highlight", false),
        tags: fields.texts("tags"),
        tool_execution_metadata: fields.object("tool_execution_metadata"),
        other: fields.refuse_rest_but(KEPT),
    }
}

/// `chunk-size` and `chunk-overlap`, which have to fit each other.
pub(super) fn chunk(fields: &mut Fields<'_>) -> (u32, u32) {
    let size = fields.size("chunk-size", 0..=limits::CHUNK).unwrap_or_default();
    let overlap = fields.size("chunk-overlap", 0..=limits::CHUNK).unwrap_or_default();
    if size > 0 && overlap >= size {
        let message = format!("{overlap} is not smaller than the chunk size of {size}");
        fields.report("chunk-overlap", message, format!("write at most {}; a tenth of the size is usual", size - 1));
    }
    (size, overlap)
}

pub(super) fn retrieval_strategy(fields: &mut Fields<'_>) -> Option<RetrievalStrategy> {
    fields.choice("retrieval-strategy", &RetrievalStrategy::ALL, RetrievalStrategy::as_str)
}

pub(super) fn similarity_top_k(fields: &mut Fields<'_>) -> Option<u32> {
    fields.size("similarity-top-k", 1..=limits::TOP_K)
}

/// The grammar: `{"word": ["synonym"]}` or `[{"word": "…", "synonyms": ["…"]}]`.
fn grammar(fields: &mut Fields<'_>) -> Vec<GrammarEntry> {
    let Some((key, value)) = fields.take("grammar") else { return Vec::new() };
    let problems = fields.problems();
    let path = fields.path().key(key);
    let entries: Vec<GrammarEntry> = match value {
        Value::Object(words) => words
            .iter()
            .take(limits::GRAMMAR)
            .map(|(word, synonyms)| grammar_word(word, synonyms, &path, problems))
            .collect(),
        Value::Array(entries) => entries
            .iter()
            .take(limits::GRAMMAR)
            .enumerate()
            .map(|(index, entry)| grammar_entry(entry, &path.index(index), problems))
            .collect(),
        other => {
            let message = format!("must be an object or a list, not {}", describe(other));
            problems.report(&path, message, "write {\"word\": [\"synonym\"]}");
            Vec::new()
        }
    };
    let given = value.as_array().map_or_else(|| value.as_object().map_or(0, serde_json::Map::len), Vec::len);
    if given > limits::GRAMMAR {
        problems.report(&path, format!("has {given} words"), format!("shorten it to {} words", limits::GRAMMAR));
    }
    entries
}

fn grammar_word(word: &str, synonyms: &Value, path: &Path<'_>, problems: &Problems) -> GrammarEntry {
    let path = path.key(word);
    if word.is_empty() || word.len() > limits::SHORT {
        let message = format!("{} is no usable word", shown(word));
        problems.report(&path, message, format!("write 1 to {} bytes", limits::SHORT));
    }
    let synonyms = if synonyms.is_null() { Vec::new() } else { texts_at(synonyms, &path, problems) };
    GrammarEntry { word: word.to_owned(), synonyms }
}

fn grammar_entry(entry: &Value, path: &Path<'_>, problems: &Problems) -> GrammarEntry {
    let mut fields = Fields::open(entry, *path, problems);
    let word = fields.take("word").map(|(key, word)| text_at(word, &path.key(key), limits::SHORT, problems));
    if word.as_deref().unwrap_or_default().is_empty() {
        fields.report("word", "is missing", "name the word that the synonyms stand for");
    }
    let synonyms = fields.texts("synonyms");
    fields.refuse_rest_but(&[]);
    GrammarEntry { word: word.unwrap_or_default(), synonyms }
}
