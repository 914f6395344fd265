//! What we answer to a call.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{RunId, RunState, TaskError};
use serde_json::{Map, Value, json};

use super::api::SDK;
use super::walk::{Deed, Step, Told};

/// Version 2 of the protocol: a step that fails is told apart from a call that fails.
const VERSION: &str = "2";

const NO_RETRY: HeaderName = HeaderName::from_static("x-inngest-no-retry");

/// An answer, before it is put on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Value,
}

impl Reply {
    /// The run came to its end.
    pub(super) fn ended(run: RunId, state: RunState) -> Self {
        if state == RunState::Succeeded {
            return Self::with(StatusCode::OK, json!({"run_id": run, "state": state}));
        }
        let name = format!("run_{}", state.as_str());
        let message = format!("Run {run} ended as {}; its record says why.", state.as_str());
        Self::final_failure(&name, &message)
    }

    /// The call cannot succeed, however often it is repeated.
    pub(super) fn final_failure(name: &str, message: &str) -> Self {
        Self::with(StatusCode::BAD_REQUEST, json!({"name": name, "message": message})).header(NO_RETRY, "true")
    }

    /// The call may succeed later.
    pub(super) fn passing_failure(name: &str, message: &str) -> Self {
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, json!({"name": name, "message": message}))
            .header(NO_RETRY, "false")
    }

    /// These steps are to be done, each by a call of its own.
    pub(super) fn planned(steps: &[Step]) -> Self {
        let ops = steps.iter().map(|step| match &step.deed {
            Deed::Serve(_) => op(step, "StepPlanned", Map::new()),
            Deed::Sleep(time) => {
                let mut op = op(step, "Sleep", Map::new());
                op["name"] = json!(duration(*time));
                op["opts"]["duration"] = json!(duration(*time));
                op
            }
        });
        Self::with(StatusCode::PARTIAL_CONTENT, ops.collect())
    }

    /// A step was done, and this is to be remembered.
    pub(super) fn done(step: &Step, told: &Told) -> Self {
        let fields = Map::from_iter([("data".to_owned(), json!(told))]);
        Self::with(StatusCode::PARTIAL_CONTENT, json!([op(step, "StepRun", fields)]))
    }

    /// A step failed for good.
    pub(super) fn failed(step: &Step, error: &TaskError, told: &Told) -> Self {
        let error = json!({"name": error.code, "message": error.message, "data": told});
        let fields = Map::from_iter([("error".to_owned(), error)]);
        Self::with(StatusCode::PARTIAL_CONTENT, json!([op(step, "StepFailed", fields)])).header(NO_RETRY, "true")
    }

    /// A step failed and is to be done again after this time.
    pub(super) fn again(step: &Step, error: &TaskError, after: Duration) -> Self {
        let error = json!({"name": error.code, "message": error.message});
        let fields = Map::from_iter([("error".to_owned(), error)]);
        Self::with(StatusCode::PARTIAL_CONTENT, json!([op(step, "StepError", fields)]))
            .header(NO_RETRY, "false")
            .header(header::RETRY_AFTER, &seconds(after).to_string())
    }

    pub(super) fn with(status: StatusCode, body: Value) -> Self {
        Self { status, headers: vec![(header::CONTENT_TYPE, "application/json".to_owned())], body }
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same as the last part of a stream: status and headers have been sent, so they are inside.
    pub(super) fn enclosed(self) -> Vec<u8> {
        let headers: Map<String, Value> =
            self.all_headers().map(|(name, value)| (name.to_string(), json!(value))).collect();
        let body = self.body.to_string();
        json!({"status": self.status.as_u16(), "headers": headers, "body": body}).to_string().into_bytes()
    }

    fn all_headers(&self) -> impl Iterator<Item = (HeaderName, String)> {
        common().chain(self.headers.clone())
    }
}

/// What every answer carries.
pub(super) fn common() -> impl Iterator<Item = (HeaderName, String)> {
    [("x-inngest-sdk", SDK), ("x-inngest-framework", "flotilla"), ("x-inngest-req-version", VERSION)]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.to_owned()))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_string()));
        *response.status_mut() = self.status;
        for (name, value) in self.all_headers() {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// An operation. In the mode `race` the server asks what is next after each step of several, not only after the last.
fn op(step: &Step, op: &str, fields: Map<String, Value>) -> Value {
    let mut value = json!({
        "id": step.id(),
        "op": op,
        "name": step.name,
        "displayName": step.name,
        "opts": {"parallelMode": "race"},
        "userland": {"id": step.name, "index": step.round},
    });
    if let Some(object) = value.as_object_mut() {
        object.extend(fields);
    }
    value
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// In the server's form: whole seconds from a second on.
fn duration(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{}ms", time.as_millis().max(1)) } else { format!("{}s", seconds(time)) }
}
