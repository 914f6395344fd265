//! A call becomes a run.

use ledger::Submitted;
use protocol::request::ExtractionRequest;
use protocol::stages::{INDEXING, PIPELINE, TEXT_EXTRACTION};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::Problem;
use super::super::codes::Code;
use super::doc_id;
use super::document::{Given, is_text, last_segment, reading_name};
use super::intake::{Call, Payload, Received, at_fault};
use crate::submission::{self, Submission};

/// Under this name a [`Note`] travels with a request; no payload can have it, because it would be unknown.
const NOTE: &str = "compat";

/// Which address started a run; what it answers depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Route {
    Process,
    Extract,
    Index,
    AnswerPrompt,
    SinglePassExtraction,
    Summarize,
    Execute,
}

impl Route {
    /// The workflow that does it.
    const fn workflow(self) -> &'static str {
        match self {
            Self::Extract => TEXT_EXTRACTION,
            Self::Index => INDEXING,
            Self::Process | Self::AnswerPrompt | Self::SinglePassExtraction | Self::Summarize | Self::Execute => {
                PIPELINE
            }
        }
    }

    /// Whether `file_hash` is that of the document named by `file_path`. Where the replaced system was called with the text
    /// of a document, it is the document's all the same.
    const fn has_hash_of_document(self) -> bool {
        matches!(self, Self::Process | Self::Extract | Self::Execute)
    }
}

/// What an answer needs to know besides the run. It is kept with the run, so that an answer can be read again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// Where the call came in.
    pub(super) route: Route,
    /// What the caller calls the document, where it is read under another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file_name: Option<String>,
    /// The id of the index, for [`Route::Index`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) doc_id: Option<String>,
    /// Paths of fields that nobody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

impl Note {
    /// The note that came with a request, if it came in by one of these addresses.
    pub(super) fn of(request: &ExtractionRequest) -> Option<Self> {
        Self::deserialize(request.other.get(NOTE)?).ok()
    }

    /// What callers should know about their payload, a sentence each.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|path| format!("{path} is an unknown field and was left out"))
    }
}

/// A run that somebody wants.
pub(super) struct Order {
    request: ExtractionRequest,
    note: Note,
    given: Given,
}

impl Order {
    /// A run about the document that came along or that the payload names.
    pub(super) fn about_document(route: Route, received: Received) -> Result<Self, Problem> {
        let Received { payload, file } = received;
        let (request, note) = read(route, payload)?;
        let given = match file {
            Some((file, name)) => Given::Uploaded(file, name),
            None if request.file_path.is_empty() => {
                let fix = "name the document's key in the object store, or send it as `file` of a form";
                return Err(at_fault("$.file_path", "is missing", fix));
            }
            None => Given::Named(request.file_path.clone()),
        };
        Ok(Self { request, note, given })
    }

    /// A run about a text.
    pub(super) fn about_text(route: Route, payload: Payload, text: String, name: &str) -> Result<Self, Problem> {
        let (request, note) = read(route, payload)?;
        Ok(Self { request, note, given: Given::Text(text, name.to_owned()) })
    }
}

fn read(route: Route, payload: Payload) -> Result<(ExtractionRequest, Note), Problem> {
    let (request, left_out) = ExtractionRequest::parse_tolerant(&payload.into_value())?;
    if !left_out.is_empty() {
        tracing::debug!(?route, fields = ?left_out, "unknown fields of a payload were left out");
    }
    Ok((request, Note { route, file_name: None, doc_id: None, left_out }))
}

impl Call {
    /// Takes the document in and records the run. The same ids with the same payload are the same run.
    pub(super) async fn start(&self, order: Order) -> Result<Submitted, Problem> {
        let Order { mut request, mut note, given } = order;
        let local = given.fetch(&self.api, &self.tenant).await?;
        let shown = last_segment(&request.file_name).to_owned();
        let name = reading_name(&local.path, &local.name, &shown).map_err(|error| Problem::internal(&error))?;
        note.file_name = Some(shown).filter(|shown| !shown.is_empty() && *shown != name);
        if note.route == Route::Index {
            if request.file_hash.is_empty() {
                request.file_hash = submission::hash(&local.path).await?;
            }
            note.doc_id = Some(doc_id::of(&request));
        }
        if !note.route.has_hash_of_document() {
            request.file_hash.clear();
            // What a reader made of the document came along: there is nothing left for it to read.
            if is_text(&local.path).map_err(|error| Problem::internal(&error))? {
                request.extraction_settings.x2text_instance_id.clear();
                request.tool_settings.x2text_adapter.clear();
            }
        }
        let idempotency_key = self.key.clone().or_else(|| key(&note, &request));
        request.other.insert(NOTE.to_owned(), json!(note));
        let submission = Submission {
            tenant: self.tenant.clone(),
            file: local.path.clone(),
            file_name: name,
            request,
            idempotency_key,
            priority: 0,
        };
        self.api.desk.submit_to(note.route.workflow(), submission).await.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: submission::Error) -> Problem {
        use backends::fleet::Error::Ledger;
        match error {
            submission::Error::Fleet(Ledger(ledger::Error::IdempotencyConflict(_))) if self.key.is_none() => {
                let detail = "these ids (run_id, execution_id) came to this address before with another payload or \
                              document; send a run_id of its own with every new one";
                Problem::new(Code::IdempotencyConflict, detail)
            }
            error => error.into(),
        }
    }
}

/// The key that starts a run at most once. One run of the replaced system is a call to several addresses with the same
/// ids, and several calls to `/index` with different settings.
fn key(note: &Note, request: &ExtractionRequest) -> Option<String> {
    if request.run_id.is_empty() && request.execution_id.is_empty() {
        return None;
    }
    let identity: Value = json!([note.route, note.doc_id, request.run_id, request.execution_id]);
    Some(format!("compat:{:x}", Sha256::digest(identity.to_string())))
}
