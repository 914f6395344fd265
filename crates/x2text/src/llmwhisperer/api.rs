//! The calls of an LLMWhisperer and what their answers mean.

use std::time::Duration;

use outbound::Upload;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::config::Config;
use crate::Error;
use crate::service::Service;

/// Longest answer about the state of things, in bytes.
const SHORT: usize = 1024 * 1024;
/// Longest text of a document with its metadata, in bytes.
const LONG: usize = 64 * 1024 * 1024;
/// How long it may take to send a document.
const UPLOAD: Duration = Duration::from_secs(300);
/// Longest name of a submission, in bytes.
const LONGEST_HASH: usize = 200;

/// An LLMWhisperer that can be called.
pub(super) struct Api {
    pub(super) config: Config,
    pub(super) service: Service,
}

/// How far it is with a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It will read it, or reads it.
    UnderWay,
    /// The text can be had, once.
    Processed,
    /// The text was handed out.
    Retrieved,
    /// It cannot be read.
    Failed(String),
    /// Something else.
    Unknown(String),
}

#[derive(Deserialize)]
struct Submitted {
    whisper_hash: String,
}

#[derive(Deserialize)]
struct Told {
    status: String,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
struct Retrieved {
    result_text: String,
}

impl Api {
    /// Hands a document in and returns what it is called there.
    pub(super) async fn submit(&self, source: &text::Source) -> Result<String, Error> {
        let url = self.config.submission(&source.name);
        let (upload, limits) = (Upload::file(&source.path), (UPLOAD, SHORT));
        let answer = self.service.upload(&url, upload, "application/octet-stream", limits).await?;
        let Submitted { whisper_hash } = self.parsed("whisper", &answer)?;
        let is_plain = !whisper_hash.is_empty() && !whisper_hash.chars().any(char::is_control);
        if is_plain && whisper_hash.len() <= LONGEST_HASH {
            return Ok(whisper_hash);
        }
        Err(self.service.unreadable("whisper", "its whisper_hash is empty, too long or no text"))
    }

    /// Asks how far it is.
    pub(super) async fn status(&self, hash: &str) -> Result<Status, Error> {
        let answer = self.ask("whisper-status", &[("whisper_hash", hash)], SHORT).await?;
        let told: Told = self.parsed("whisper-status", &answer)?;
        Ok(match told.status.trim().to_lowercase().as_str() {
            "accepted" | "processing" => Status::UnderWay,
            "processed" => Status::Processed,
            "retrieved" | "delivered" => Status::Retrieved,
            "error" => Status::Failed(self.service.shown(&reason(&told))),
            _ => Status::Unknown(self.service.shown(&told.status)),
        })
    }

    /// Fetches the answer with the text, as it came: there is no second time.
    pub(super) async fn retrieve(&self, hash: &str) -> Result<Vec<u8>, Error> {
        self.ask("whisper-retrieve", &[("whisper_hash", hash)], LONG).await
    }

    /// The text of such an answer.
    pub(super) fn text(&self, answer: &[u8]) -> Result<String, Error> {
        Ok(self.parsed::<Retrieved>("whisper-retrieve", answer)?.result_text)
    }

    /// Where the lines up to that one are.
    pub(super) async fn highlights(&self, hash: &str, last: u32) -> Result<Map<String, Value>, Error> {
        let lines = format!("1-{last}");
        let query = [("whisper_hash", hash), ("lines", &lines), ("extract_all_lines", "true")];
        self.parsed("highlights", &self.ask("highlights", &query, LONG).await?)
    }

    async fn ask(&self, call: &str, query: &[(&str, &str)], at_most: usize) -> Result<Vec<u8>, Error> {
        let mut url = self.config.call(call);
        url.query_pairs_mut().extend_pairs(query);
        self.service.get(&url, at_most).await
    }

    fn parsed<T: DeserializeOwned>(&self, call: &'static str, answer: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(answer).map_err(|error| {
            // Its own words may hold what was read; where it went wrong is enough.
            let detail = if error.is_data() {
                error.to_string()
            } else {
                format!("it is no JSON, or not all of it (line {}, column {})", error.line(), error.column())
            };
            self.service.unreadable(call, detail)
        })
    }
}

/// What is said about an error, wherever it is said.
fn reason(told: &Told) -> String {
    let said = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) if parts.is_empty() => String::new(),
        other => other.to_string(),
    };
    let parts: Vec<String> =
        [&told.message, &told.detail].map(said).into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "it does not say why".to_owned() } else { parts.join(": ") }
}
