//! Checks a request as it came from outside and names every problem with its path and the fix.
//!
//! Every object is read through [`fields::Fields`], which accepts both spellings of a key, writes down what is
//! wrong and goes on with the default, so that one pass finds everything. What the replaced system sends and this
//! version does not interpret is kept in the `other` maps; what nobody knows is a problem, because a misspelt
//! setting that is silently ignored costs more than an error.

use std::fmt;

use serde_json::{Map, Value};

use super::ExtractionRequest;

mod fields;
mod json;
mod outputs;
mod path;
mod problems;
mod settings;
mod survey;
#[cfg(test)]
mod tests;

use fields::Fields;
use path::Path;
use problems::Problems;

/// Bounds of a request, large enough for every real one and small enough to protect the fleet.
mod limits {
    /// Questions in one request.
    pub(super) const OUTPUTS: usize = 1_000;
    /// Bytes of a prompt, preamble or postamble.
    pub(super) const PROMPT: usize = 100_000;
    /// Bytes of an id, a name, a label or a word of the grammar.
    pub(super) const SHORT: usize = 128;
    /// Bytes of a file name.
    pub(super) const FILE_NAME: usize = 255;
    /// Bytes of a path or a key in the object store; what S3 allows.
    pub(super) const PATH: usize = 1_024;
    /// Entries of a list of labels, judges or synonyms.
    pub(super) const LABELS: usize = 100;
    /// Words of the grammar.
    pub(super) const GRAMMAR: usize = 1_000;
    /// Tokens in a chunk.
    pub(super) const CHUNK: u32 = 1_000_000;
    /// Passages for one question.
    pub(super) const TOP_K: u32 = 100;
    /// Objects and lists within each other.
    pub(super) const DEPTH: usize = 64;
    /// Problems reported; beyond this only their number is.
    pub(super) const PROBLEMS: usize = 100;
}

/// Fields of the replaced system's payload that this version passes on without interpreting them.
const KEPT: &[&str] = &[
    "custom_data",
    "enable_word_confidence",
    "execution_data_dir",
    "execution_source",
    "include_metadata",
    "llm_profile_id",
    "log_events_id",
    "organization_id",
    "output_format",
    "request_id",
    "tags",
    "usage_kwargs",
    "workflow_id",
];

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// JSON path of the field: `$.outputs[2].type`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

/// Everything wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidRequest {
    /// At least one problem, in the order of the fields.
    pub problems: Vec<Problem>,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(f, "the request has a problem:")?,
            several => write!(f, "the request has {several} problems:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {}: {}; {}", problem.path, problem.message, problem.fix)?;
        }
        Ok(())
    }
}

/// A text that is not a request.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRequest {
    /// It is not JSON.
    #[error("the request is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON and has problems.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
}

impl ExtractionRequest {
    /// Reads a request from text: the one way in for everything that comes from outside. A byte order mark is fine.
    ///
    /// # Errors
    /// [`UnreadableRequest`] with every problem found, keys that stand twice in an object among them.
    pub fn parse_text(text: &[u8]) -> Result<Self, UnreadableRequest> {
        let problems = Problems::default();
        let request = json::read(text, &problems).map_err(UnreadableRequest::NotJson)?;
        Ok(Self::check(&request, problems)?)
    }

    /// Reads a request from JSON that is read already.
    ///
    /// # Errors
    /// [`InvalidRequest`] with every problem found.
    pub fn parse(request: &Value) -> Result<Self, InvalidRequest> {
        Self::check(request, Problems::default())
    }

    /// Reads a request of somebody who also sends what this version never heard of: unknown fields are left out, and their
    /// paths returned, instead of being problems.
    ///
    /// # Errors
    /// [`InvalidRequest`] with every other problem found.
    pub fn parse_tolerant(request: &Value) -> Result<(Self, Vec<String>), InvalidRequest> {
        Self::read(request, Problems::tolerant())
    }

    fn check(request: &Value, problems: Problems) -> Result<Self, InvalidRequest> {
        Self::read(request, problems).map(|(parsed, _)| parsed)
    }

    fn read(request: &Value, problems: Problems) -> Result<(Self, Vec<String>), InvalidRequest> {
        // Deeper than any real request; nothing that walks the value may be trusted with it.
        if survey::walk(request, &problems).is_too_deep() {
            return Err(InvalidRequest { problems: problems.into_list() });
        }
        let parsed = read_request(request, &problems);
        let left_out = problems.left_out();
        match problems.into_list() {
            problems if problems.is_empty() => Ok((parsed, left_out)),
            problems => Err(InvalidRequest { problems }),
        }
    }
}

fn read_request(request: &Value, problems: &Problems) -> ExtractionRequest {
    let root = Path::root();
    if request.is_null() {
        problems.report(&root, "must be an object, not null", "write {} for a request without settings");
    }
    let mut fields = Fields::open(request, root, problems);
    let run_id = fields.text("run_id", limits::SHORT);
    let execution_id = fields.text("execution_id", limits::SHORT);
    let tool_id = fields.text("tool_id", limits::SHORT);
    let file_name = fields.text("file_name", limits::FILE_NAME);
    let file_hash = fields.sha256("file_hash");
    let file_path = fields.relative_path("file_path");
    let output_file_path = Some(fields.relative_path("output_file_path")).filter(|path| !path.is_empty());
    let tool_settings = fields.nested("tool_settings", settings::tool).unwrap_or_default();
    let extraction_settings = fields.nested("extraction_settings", settings::extraction).unwrap_or_default();
    let outputs = outputs::read(&mut fields, &tool_settings);
    // A secret authenticates the call and ends there: it must not reach the ledger with the request.
    fields.ignore("platform_key");
    let other: Map<String, Value> = fields.refuse_rest_but(KEPT);
    ExtractionRequest {
        run_id,
        execution_id,
        tool_id,
        file_name,
        file_hash,
        file_path,
        output_file_path,
        tool_settings,
        extraction_settings,
        outputs,
        other,
    }
}
