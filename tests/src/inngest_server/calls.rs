//! Calls of an app, and what it answers.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::{InngestServer, canonical};

/// An app's answer, taken out of its stream where it sent one.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) no_retry: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) version: Option<i64>,
    pub(super) streamed: bool,
    pub(super) body: Value,
}

impl InngestServer {
    /// Calls an app for a step of a run. `None` when the run is over.
    pub(super) async fn call(&self, run: &str, step: &str, attempt: u32) -> Option<Answer> {
        let (url, body) = {
            let book = self.lock();
            let record = book.runs.get(run)?;
            let function = book.functions.get(&record.function)?;
            let steps: Map<String, Value> = record.steps.iter().cloned().collect();
            let ids: Vec<&String> = record.steps.iter().map(|(id, _)| id).collect();
            let mut body = json!({
                "ctx": {
                    "run_id": run,
                    "fn_id": "00000000-0000-0000-0000-000000000000",
                    "env": "test",
                    "step_id": step,
                    "attempt": attempt,
                    "max_attempts": function.attempts,
                    "disable_immediate_execution": record.plans_all,
                    "use_api": book.large,
                    "qi_id": "item",
                    "stack": {"stack": ids, "current": ids.len()},
                },
                "event": record.event,
                "events": [record.event],
                "steps": steps,
                "version": record.version,
                "use_api": book.large,
            });
            if book.large {
                body["steps"] = json!({});
                body["events"] = json!([]);
            }
            (format!("{}&stepId={step}", function.url.split("&stepId=").next()?), canonical::text(&body))
        };
        let mut call = self.http.post(url).header("content-type", "application/json");
        call = call.header("x-inngest-server-kind", self.kind());
        if let Some(key) = &self.key {
            call = call.header("x-inngest-signature", key.sign(body.as_bytes(), Timestamp::now().as_second()));
        }
        match call.body(body).send().await {
            Ok(response) => Some(Answer::read(response).await),
            Err(error) => Some(Answer::failed(&error.to_string())),
        }
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status != 201 {
            return Self::of(status, |name| text_of(&headers, name), body, false);
        }
        let inner = body["headers"].as_object().cloned().unwrap_or_default();
        let header = |name: &str| {
            let found = inner.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.and_then(|(_, value)| value.as_str().map(str::to_owned))
        };
        let enclosed = match &body["body"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            other => other.clone(),
        };
        let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
        Self::of(status, header, enclosed, true)
    }

    fn of(status: u16, header: impl Fn(&str) -> Option<String>, body: Value, streamed: bool) -> Self {
        Self {
            status,
            no_retry: header("x-inngest-no-retry").is_some_and(|value| value == "true"),
            retry_after: header("retry-after").and_then(|value| wait(&value)),
            version: header("x-inngest-req-version").and_then(|value| value.parse().ok()),
            streamed,
            body,
        }
    }

    fn failed(reason: &str) -> Self {
        Self::of(500, |_| None, json!({"message": reason}), false)
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Seconds or a time; never less than a second.
fn wait(value: &str) -> Option<Duration> {
    let wanted = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at: Timestamp = value.parse().ok()?;
            Duration::try_from(Timestamp::now().duration_until(at)).unwrap_or_default()
        }
    };
    Some(wanted.max(Duration::from_secs(1)))
}
