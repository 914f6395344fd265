//! The extraction request: a document and a list of questions about it.
//!
//! Field names are those of the system Flotilla replaces. Hyphens and underscores are interchangeable on
//! input; output uses the spelling of the original specification. [`ExtractionRequest::parse_text`] checks a
//! whole request and reports every problem at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod parse;
mod unsupported;

pub use parse::{InvalidRequest, Problem, UnreadableRequest};

/// A document and a list of questions about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtractionRequest {
    /// The caller's id for this run; informative, the fleet's own id is [`crate::RunId`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run_id: String,
    /// The caller's id for the execution that this run belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub execution_id: String,
    /// The caller's id for the prompt project.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool_id: String,
    /// Name of the document as shown to people.
    pub file_name: String,
    /// SHA-256 of the document, lower-case hex; checked when given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file_hash: String,
    /// Key of the document in the object store.
    pub file_path: String,
    /// Where to store the result, if anywhere besides the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_file_path: Option<String>,
    /// Settings that hold for every question unless it says otherwise.
    pub tool_settings: ToolSettings,
    /// How the document is read.
    pub extraction_settings: ExtractionSettings,
    /// The questions; when there are none, a default set for the document's kind is asked.
    pub outputs: Vec<OutputSpec>,
    /// Fields of the replaced system that this version does not interpret, kept as they came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Settings that hold for every question unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolSettings {
    /// LLM adapter instance id; empty: the deployment's default.
    pub llm: String,
    /// Embedding adapter instance id; empty: no embeddings.
    pub embedding: String,
    /// Vector database adapter instance id.
    #[serde(rename = "vector-db", alias = "vector_db")]
    pub vector_db: String,
    /// Text extraction adapter instance id; empty: the built-in one.
    #[serde(alias = "x2text-adapter")]
    pub x2text_adapter: String,
    /// Whether answers are challenged by a second reading.
    pub enable_challenge: bool,
    /// LLM adapter instance id of the challenger.
    pub challenge_llm: String,
    /// Whether evidence carries page and box.
    pub enable_highlight: bool,
    /// Whether all questions are asked in one call.
    pub single_pass_extraction_mode: bool,
    /// Whether a summary is read instead of the document.
    pub summarize_as_source: bool,
    /// How to summarize.
    pub summarize_prompt: String,
    /// Put before every question.
    pub preamble: String,
    /// Put after every question.
    pub postamble: String,
    /// Words of the trade and their synonyms.
    pub grammar: Vec<GrammarEntry>,
    /// Whether chunk sizes follow from the model's context window.
    pub enable_smart_chunking: bool,
    /// Default chunk size in tokens; 0: smart.
    #[serde(rename = "chunk-size", alias = "chunk_size")]
    pub chunk_size: u32,
    /// Default chunk overlap in tokens.
    #[serde(rename = "chunk-overlap", alias = "chunk_overlap")]
    pub chunk_overlap: u32,
    /// Retrieval strategy of questions that name none; [`ExtractionRequest::parse`] writes it into them.
    #[serde(rename = "retrieval-strategy", alias = "retrieval_strategy", skip_serializing_if = "Option::is_none")]
    pub retrieval_strategy: Option<RetrievalStrategy>,
    /// Number of passages of questions that name none; [`ExtractionRequest::parse`] writes it into them.
    #[serde(rename = "similarity-top-k", alias = "similarity_top_k", skip_serializing_if = "Option::is_none")]
    pub similarity_top_k: Option<u32>,
    /// Settings that this version does not interpret, kept as they came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A word of the trade and what else it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrammarEntry {
    /// The word.
    pub word: String,
    /// What else it is called.
    pub synonyms: Vec<String>,
}

/// How the document is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtractionSettings {
    /// Text extraction adapter instance id; wins over [`ToolSettings::x2text_adapter`].
    pub x2text_instance_id: String,
    /// Whether evidence carries page and box.
    pub enable_highlight: bool,
    /// Labels for accounting.
    pub tags: Vec<String>,
    /// The caller's metadata, kept as it came.
    pub tool_execution_metadata: Map<String, Value>,
    /// Fields of the replaced system that this version does not interpret, kept as they came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputSpec {
    /// Key of the answer; unique within the request.
    pub name: String,
    /// Whether it is asked at all.
    pub active: bool,
    /// Position among the questions; decides the order where prompts wait for each other.
    pub sequence_number: u32,
    /// The question; may refer to other answers as `{{name}}`.
    pub prompt: String,
    /// The question after the caller's own processing; wins over `prompt` when not empty.
    pub promptx: String,
    /// Chunk size in tokens; 0: the request's default.
    #[serde(rename = "chunk-size", alias = "chunk_size")]
    pub chunk_size: u32,
    /// Chunk overlap in tokens.
    #[serde(rename = "chunk-overlap", alias = "chunk_overlap")]
    pub chunk_overlap: u32,
    /// How passages are chosen when the document does not fit the context.
    #[serde(rename = "retrieval-strategy", alias = "retrieval_strategy")]
    pub retrieval_strategy: RetrievalStrategy,
    /// How many passages are chosen.
    #[serde(rename = "similarity-top-k", alias = "similarity_top_k")]
    pub similarity_top_k: u32,
    /// Type of the answer.
    #[serde(rename = "type")]
    pub kind: OutputType,
    /// Whether an answer that is not of the type becomes null instead of text.
    pub enforce_type: bool,
    /// LLM adapter instance id for this question; empty: the request's.
    pub llm: String,
    /// Which checks to run on the answer.
    pub eval_settings: EvalSettings,
    /// Settings for answers of type `table` and `line-item`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_settings: Option<TableSettings>,
    /// Fields of the replaced system that this version does not interpret, kept as they came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for OutputSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            active: true,
            sequence_number: 0,
            prompt: String::new(),
            promptx: String::new(),
            chunk_size: 0,
            chunk_overlap: 0,
            retrieval_strategy: RetrievalStrategy::default(),
            similarity_top_k: 5,
            kind: OutputType::default(),
            enforce_type: true,
            llm: String::new(),
            eval_settings: EvalSettings::default(),
            table_settings: None,
            other: Map::new(),
        }
    }
}

impl OutputSpec {
    /// The text that is asked: `promptx` when given, else `prompt`.
    #[must_use]
    pub fn question(&self) -> &str {
        if self.promptx.trim().is_empty() { &self.prompt } else { &self.promptx }
    }
}

/// Type of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputType {
    /// Any text.
    #[default]
    Text,
    /// A number; JSON number, or text where a double would lose digits.
    Number,
    /// An e-mail address.
    Email,
    /// A calendar date, ISO 8601 `YYYY-MM-DD`.
    Date,
    /// True or false.
    Boolean,
    /// Any JSON value.
    Json,
    /// A list of objects, one per row.
    Table,
    /// A list of objects, one per invoice line.
    LineItem,
}

impl OutputType {
    /// Every type, in the order of the specification.
    pub const ALL: [Self; 8] =
        [Self::Text, Self::Number, Self::Email, Self::Date, Self::Boolean, Self::Json, Self::Table, Self::LineItem];

    /// The word used in requests and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Email => "email",
            Self::Date => "date",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Table => "table",
            Self::LineItem => "line-item",
        }
    }
}

/// How passages are chosen when the document does not fit the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrievalStrategy {
    /// The passages that match the question best.
    #[default]
    Simple,
    /// Split the question into sub-questions first.
    Subquestion,
    /// Several wordings of the question, results fused by rank.
    Fusion,
    /// Sections first, then passages within them.
    Recursive,
    /// Choose the index by the question.
    Router,
    /// Keywords only.
    KeywordTable,
    /// Neighbouring passages are merged into their section.
    Automerging,
}

impl RetrievalStrategy {
    /// Every strategy, in the order of the specification.
    pub const ALL: [Self; 7] = [
        Self::Simple,
        Self::Subquestion,
        Self::Fusion,
        Self::Recursive,
        Self::Router,
        Self::KeywordTable,
        Self::Automerging,
    ];

    /// The word used in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Subquestion => "subquestion",
            Self::Fusion => "fusion",
            Self::Recursive => "recursive",
            Self::Router => "router",
            Self::KeywordTable => "keyword_table",
            Self::Automerging => "automerging",
        }
    }
}

/// Which checks to run on an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvalSettings {
    /// Whether the checks below run at all; the free deterministic ones always do.
    pub evaluate: bool,
    /// LLM adapter instance ids of the judges.
    #[serde(deserialize_with = "one_or_many")]
    pub monitor_llm: Vec<String>,
    /// Is the value supported by the document?
    pub eval_quality_faithfulness: bool,
    /// Is it the right value?
    pub eval_quality_correctness: bool,
    /// Does it answer the question?
    pub eval_quality_relevance: bool,
    /// Does it hold personal data?
    pub eval_security_pii: bool,
    /// Is it offensive?
    pub eval_guidance_toxicity: bool,
    /// Is it all that was asked for?
    pub eval_guidance_completeness: bool,
    /// Fields of the replaced system that this version does not interpret, kept as they came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Settings for answers of type `table` and `line-item`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSettings {
    /// Kind of document: `rent_rolls`, `bank_statement`, …
    pub document_type: String,
    /// Another file to read the table from.
    pub input_file: String,
    /// Whether that is a folder.
    pub is_directory_mode: bool,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<OneOrMany>::deserialize(from)? {
        None => Vec::new(),
        Some(OneOrMany::One(one)) if one.is_empty() => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    })
}
