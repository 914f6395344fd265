//! Settings that are accepted and that no code acts on yet: whoever gives one is told so.
//!
//! docs/request.md marks the same settings; a test holds the two together. What is only kept, because it belongs to the
//! replaced system (the `other` maps), is no setting of this one and not listed here.

use super::{ExtractionRequest, OutputSpec, RetrievalStrategy};

#[cfg(test)]
mod tests;

/// A setting of the whole request: its path, whether it was given, and what happens instead.
type RequestSetting = (&'static str, fn(&ExtractionRequest) -> bool, &'static str);

/// A setting of one question: its path from there, whether it was given, and what happens instead.
type OutputSetting = (&'static str, fn(&OutputSpec, &ExtractionRequest) -> bool, &'static str);

const MODEL: &str = "the model of the whole request answers";
const KEYWORDS: &str = "passages are found by keywords";
const NO_CHALLENGE: &str = "answers are not challenged";
const WHOLE: &str = "the document itself is read";
const BOXES: &str = "evidence always carries page and box";
const ONE_CUT: &str = "the document is cut once, by `tool_settings`";
const NO_TABLE_SETTINGS: &str = "tables are read from the document itself, whatever its kind";

const REQUEST: &[RequestSetting] = &[
    (".output_file_path", |request| request.output_file_path.is_some(), "the result is kept with the run only"),
    (".tool_settings.embedding", |request| !request.tool_settings.embedding.is_empty(), KEYWORDS),
    (".tool_settings.vector-db", |request| !request.tool_settings.vector_db.is_empty(), KEYWORDS),
    (".tool_settings.enable_challenge", |request| request.tool_settings.enable_challenge, NO_CHALLENGE),
    (".tool_settings.challenge_llm", |request| !request.tool_settings.challenge_llm.is_empty(), NO_CHALLENGE),
    (".tool_settings.enable_highlight", |request| request.tool_settings.enable_highlight, BOXES),
    (
        ".tool_settings.single_pass_extraction_mode",
        |request| request.tool_settings.single_pass_extraction_mode,
        "every question is asked in a call of its own",
    ),
    (".tool_settings.summarize_as_source", |request| request.tool_settings.summarize_as_source, WHOLE),
    (".tool_settings.summarize_prompt", |request| !request.tool_settings.summarize_prompt.is_empty(), WHOLE),
    (
        ".tool_settings.retrieval-strategy",
        |request| request.tool_settings.retrieval_strategy.is_some_and(needs_more_than_keywords),
        KEYWORDS,
    ),
    (".extraction_settings.enable_highlight", |request| request.extraction_settings.enable_highlight, BOXES),
];

const OUTPUT: &[OutputSetting] = &[
    (".chunk-size", |output, _| output.chunk_size > 0, ONE_CUT),
    (".chunk-overlap", |output, _| output.chunk_overlap > 0, ONE_CUT),
    (
        ".retrieval-strategy",
        // Parsing writes the request's strategy into questions that name none; it is told there.
        |output, request| {
            needs_more_than_keywords(output.retrieval_strategy)
                && request.tool_settings.retrieval_strategy != Some(output.retrieval_strategy)
        },
        KEYWORDS,
    ),
    (".llm", |output, _| !output.llm.is_empty(), MODEL),
    (
        ".eval_settings.monitor_llm",
        |output, _| !output.eval_settings.monitor_llm.is_empty(),
        "no model judges the answers",
    ),
    (
        ".table_settings.document_type",
        |output, _| output.table_settings.as_ref().is_some_and(|table| !table.document_type.is_empty()),
        NO_TABLE_SETTINGS,
    ),
    (
        ".table_settings.input_file",
        |output, _| output.table_settings.as_ref().is_some_and(|table| !table.input_file.is_empty()),
        NO_TABLE_SETTINGS,
    ),
    (
        ".table_settings.is_directory_mode",
        |output, _| output.table_settings.as_ref().is_some_and(|table| table.is_directory_mode),
        NO_TABLE_SETTINGS,
    ),
];

impl ExtractionRequest {
    /// A sentence for each setting that was given and has no effect in this version: its JSON path, and what happens
    /// instead. Settings of several questions make one sentence, questions that are not asked make none.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let of_request = REQUEST.iter().filter(|(_, is_given, _)| is_given(self));
        let of_request = of_request.map(|(path, _, instead)| sentence(&format!("${path}"), 0, instead));
        let of_outputs = OUTPUT.iter().filter_map(|(path, is_given, instead)| {
            let asked = self.outputs.iter().enumerate().filter(|(_, output)| output.active);
            let mut given = asked.filter(|(_, output)| is_given(output, self));
            let (first, _) = given.next()?;
            Some(sentence(&format!("$.outputs[{first}]{path}"), given.count(), instead))
        });
        of_request.chain(of_outputs).collect()
    }
}

const fn needs_more_than_keywords(strategy: RetrievalStrategy) -> bool {
    !matches!(strategy, RetrievalStrategy::Simple | RetrievalStrategy::KeywordTable)
}

fn sentence(path: &str, more: usize, instead: &str) -> String {
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    format!("{path}{more} has no effect in this version: {instead}")
}
