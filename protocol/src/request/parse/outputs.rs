//! Reads the questions: `outputs` with their evaluation and table settings.

use std::collections::HashMap;

use serde_json::Value;

use super::super::{EvalSettings, OutputSpec, OutputType, TableSettings, ToolSettings};
use super::fields::{Fields, describe};
use super::{limits, settings};

/// Fields of the replaced system's questions that this version passes on without interpreting them.
const KEPT: &[&str] = &[
    "agentic_table_settings",
    "combined_prompt",
    "embedding",
    "embedding_suffix",
    "enable_highlight",
    "enable_postprocessing_webhook",
    "enable_word_confidence",
    "lookup_config",
    "output_format",
    "postprocessing_webhook_url",
    "reindex",
    "required",
    "section",
    "variable_map",
    "vector-db",
    "x2text_adapter",
];

pub(super) fn read(request: &mut Fields<'_>, defaults: &ToolSettings) -> Vec<OutputSpec> {
    let Some((key, value)) = request.take("outputs") else { return Vec::new() };
    let Value::Array(items) = value else {
        let fix = "write [{\"name\": \"…\", \"prompt\": \"…\"}]";
        request.report(key, format!("must be a list, not {}", describe(value)), fix);
        return Vec::new();
    };
    if items.len() > limits::OUTPUTS {
        let fix = format!("split the request; one may ask {} questions", limits::OUTPUTS);
        request.report(key, format!("has {} questions", items.len()), fix);
    }
    let list = request.path().key(key);
    let mut outputs = Vec::new();
    let mut first_use = HashMap::new();
    for (index, item) in items.iter().take(limits::OUTPUTS).enumerate() {
        let path = list.index(index);
        let output = output(Fields::open(item, path, request.problems()), index, defaults);
        if let Some(first) = first_use.insert(output.name.clone(), index)
            && !output.name.is_empty()
        {
            let message = format!("{:?} is already the name of outputs[{first}]", output.name);
            request.problems().report(&path.key("name"), message, "give each question a name of its own");
        }
        outputs.push(output);
    }
    outputs
}

fn output(mut fields: Fields<'_>, index: usize, defaults: &ToolSettings) -> OutputSpec {
    let name = name(&mut fields);
    let active = fields.flag("active", true);
    let position = u32::try_from(index + 1).unwrap_or(u32::MAX);
    let prompt = fields.text("prompt", limits::PROMPT);
    let promptx = fields.text("promptx", limits::PROMPT);
    if active && prompt.trim().is_empty() && promptx.trim().is_empty() {
        fields.report("prompt", "is missing", "write what you want to know, or set \"active\" to false");
    }
    let (chunk_size, chunk_overlap) = settings::chunk(&mut fields);
    OutputSpec {
        name,
        active,
        sequence_number: fields.size("sequence_number", 0..=u32::MAX).unwrap_or(position),
        prompt,
        promptx,
        chunk_size,
        chunk_overlap,
        retrieval_strategy: settings::retrieval_strategy(&mut fields)
            .or(defaults.retrieval_strategy)
            .unwrap_or_default(),
        similarity_top_k: settings::similarity_top_k(&mut fields)
            .or(defaults.similarity_top_k)
            .unwrap_or(OutputSpec::default().similarity_top_k),
        kind: fields.choice("type", &OutputType::ALL, OutputType::as_str).unwrap_or_default(),
        enforce_type: fields.flag("enforce_type", true),
        llm: fields.text("llm", limits::SHORT),
        eval_settings: fields.nested("eval_settings", eval_settings).unwrap_or_default(),
        table_settings: fields.nested("table_settings", table_settings),
        other: fields.refuse_rest_but(KEPT),
    }
}

/// A name that can be the key of an answer and stand in `{{name}}`.
fn name(fields: &mut Fields<'_>) -> String {
    let given = fields.take("name");
    let Some((key, value)) = given.filter(|(_, value)| value.as_str() != Some("")) else {
        fields.report("name", "is missing", "name the answer, for instance \"invoice_number\"");
        return String::new();
    };
    let Value::String(name) = value else {
        fields.report(key, format!("must be a string, not {}", describe(value)), "write it in quotes");
        return String::new();
    };
    if name.chars().count() > limits::SHORT {
        fields.report(key, "is too long", format!("shorten it to {} characters", limits::SHORT));
    }
    if name.contains(['{', '}']) || name.chars().any(char::is_control) || name.trim() != name {
        let message = "holds braces, control characters or spaces at its ends, so that {{name}} could not refer to it";
        fields.report(key, message, "write letters, digits, '_', '-' or spaces between words");
    }
    name.clone()
}

fn eval_settings(mut fields: Fields<'_>) -> EvalSettings {
    EvalSettings {
        evaluate: fields.flag("evaluate", false),
        monitor_llm: fields.texts("monitor_llm"),
        eval_quality_faithfulness: fields.flag("eval_quality_faithfulness", false),
        eval_quality_correctness: fields.flag("eval_quality_correctness", false),
        eval_quality_relevance: fields.flag("eval_quality_relevance", false),
        eval_security_pii: fields.flag("eval_security_pii", false),
        eval_guidance_toxicity: fields.flag("eval_guidance_toxicity", false),
        eval_guidance_completeness: fields.flag("eval_guidance_completeness", false),
        other: fields.refuse_rest_but(&["exclude_failed"]),
    }
}

fn table_settings(mut fields: Fields<'_>) -> TableSettings {
    let settings = TableSettings {
        document_type: fields.text("document_type", limits::SHORT),
        input_file: fields.relative_path("input_file"),
        is_directory_mode: fields.flag("is_directory_mode", false),
    };
    fields.refuse_rest_but(&[]);
    settings
}
