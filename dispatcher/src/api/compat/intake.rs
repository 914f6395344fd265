//! A call of the replaced system: who calls, and the payload, with its fields in either spelling.

use axum::extract::{FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use protocol::TenantId;
use protocol::shape::Problems;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::super::auth::{self, Caller, Write};
use super::super::codes::Code;
use super::super::events::Stopping;
use super::super::news::News;
use super::super::{Api, MAX_REQUEST, Problem, body, runs, upload};
use super::Uploads;

/// Fields of payloads that are secrets. They authenticate the call or another service and end here.
const SECRETS: [&str; 3] = ["platform_key", "platform_api_key", "platform_service_api_key"];

/// Somebody calls to start a run.
pub(in super::super) struct Call {
    pub(super) api: Api,
    pub(super) tenant: TenantId,
    /// The header Idempotency-Key, which wins over ids in the payload.
    pub(super) key: Option<String>,
    /// What is announced about runs.
    pub(super) news: News,
    /// Cancelled when the server is about to stop.
    pub(super) stopping: CancellationToken,
    uploads: Uploads,
}

impl FromRequestParts<Api> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = Caller::<Write>::from_request_parts(parts, api).await?;
        let stopping = parts.extensions.get::<Stopping>().map(|Stopping(token)| token.clone()).unwrap_or_default();
        let uploads = parts.extensions.get::<Uploads>().cloned();
        Ok(Self {
            api: api.clone(),
            tenant: caller.tenant.clone(),
            key: runs::idempotency_key(&parts.headers)?,
            news: parts.extensions.get::<News>().cloned().unwrap_or_default(),
            stopping,
            uploads: uploads.ok_or_else(upload::too_many)?,
        })
    }
}

/// What came in.
pub(super) struct Received {
    /// The payload, or the field `request` of a form.
    pub(super) payload: Payload,
    /// The document that came along in a form, and what it is called.
    pub(super) file: Option<(NamedTempFile, String)>,
}

impl Call {
    /// Reads the body: JSON, or a form with `file` and, if you like, `request`.
    pub(super) async fn receive(&self, request: Request) -> Result<Received, Problem> {
        auth::count_runs(&self.api, &self.tenant, 1).await?;
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !upload::is_form(kind) {
            return Ok(Received { payload: Payload::of(body::json(request, MAX_REQUEST).await?)?, file: None });
        }
        let _place = self.uploads.0.try_acquire().map_err(|_| upload::too_many())?;
        let form = upload::form(self.api.desk.incoming(), self.api.max_upload, request).await?;
        let payload = match form.request {
            Some(text) => serde_json::from_slice(&text).map_err(|error| {
                Problem::new(Code::RequestNotJson, format!("the field `request` is not JSON: {error}"))
            })?,
            None => Value::Object(Map::new()),
        };
        Ok(Received { payload: Payload::of(payload)?, file: form.document })
    }
}

/// A payload whose fields are taken out one by one. `-` and `_` are the same in names, and null is absent.
pub(super) struct Payload(Map<String, Value>);

impl Payload {
    fn of(mut value: Value) -> Result<Self, Problem> {
        drop_secrets(&mut value);
        let Value::Object(mut fields) = value else { return Err(at_fault("$", "is not a JSON object", "write {…}")) };
        fields.retain(|_, value| !value.is_null());
        Ok(Self(fields))
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        take(&mut self.0, name)
    }

    /// Takes a text out; empty where it is absent.
    pub(super) fn text(&mut self, name: &str) -> Result<String, Problem> {
        match self.take(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(at_fault(&format!("$.{name}"), "must be a string", "write it in quotes")),
        }
    }

    /// Puts a field in.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Moves fields into an object of the payload, unless it has them already: `(name here, name there)`.
    pub(super) fn nest(&mut self, object: &str, fields: &[(&str, &str)]) {
        let mut inner = match self.take(object) {
            None => Map::new(),
            Some(Value::Object(inner)) => inner,
            // Whoever reads the whole finds that.
            Some(other) => return self.put(object, other),
        };
        for (here, there) in fields {
            if let Some(value) = self.take(here)
                && !inner.keys().any(|name| same(name, there))
            {
                inner.insert((*there).to_owned(), value);
            }
        }
        self.put(object, inner);
    }

    /// All that is left.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = fields.keys().find(|key| same(key, name))?.clone();
    fields.remove(&key)
}

/// Whether two names differ in nothing but `-` and `_`.
fn same(one: &str, other: &str) -> bool {
    one.replace('-', "_") == other.replace('-', "_")
}

/// Removes secrets wherever they stand. No deeper than JSON is read.
fn drop_secrets(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_secret(name));
            fields.values_mut().for_each(drop_secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_secrets),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.replace('-', "_").to_ascii_lowercase().as_str())
}

/// The problem that one field cannot be used.
pub(super) fn at_fault(path: &str, message: &str, fix: &str) -> Problem {
    let mut problems = Problems::default();
    problems.report(path, message, fix);
    Problem::invalid(Code::RequestInvalid, "the payload cannot be used as it is", problems.into_list())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_in_either_spelling_and_secrets_are_gone() {
        let value = json!({
            "chunk-size": "512", "tool_id": null, "platform-key": "s3cret",
            "tool_settings": { "PLATFORM_SERVICE_API_KEY": "s3cret", "chunk_overlap": 1 }, "chunk_overlap": 2,
            "usage_kwargs": [{ "platform_api_key": "s3cret" }],
        });
        let mut payload = Payload::of(value).ok().unwrap();
        assert_eq!(payload.take("tool_id"), None);
        payload.nest("tool_settings", &[("chunk_size", "chunk-size"), ("chunk_overlap", "chunk-overlap")]);
        let expected = json!({ "usage_kwargs": [{}], "tool_settings": { "chunk_overlap": 1, "chunk-size": "512" } });
        assert_eq!(payload.into_value(), expected);
    }
}
