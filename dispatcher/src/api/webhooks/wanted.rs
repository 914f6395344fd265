//! What callers want of an endpoint, as they write it.

use outbound::signature::Secret;
use protocol::shape::{Field, Problems};
use protocol::webhooks::EventType;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::super::Problem;
use super::super::codes::Code;

/// Largest endpoint, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 1_000;

const FIELDS: &[Field] = &[
    Field::of::<String>("url", "a text, such as \"https://hooks.example.com/flotilla\""),
    Field::of::<Vec<WebhookEvent>>("events", "a list of \"run.succeeded\", \"run.failed\" and \"run.cancelled\""),
    Field::of::<String>("description", "a text"),
    Field::of::<bool>("enabled", "true or false"),
    Field::of::<Option<String>>("secret", "\"whsec_\" and 24 to 64 bytes in Base64"),
];

const SECRET: &[Field] = &[Field::of::<Option<String>>("secret", "\"whsec_\" and 24 to 64 bytes in Base64")];

/// What endpoints may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(in crate::api) enum WebhookEvent {
    /// A run ended well.
    #[serde(rename = "run.succeeded")]
    Succeeded,
    /// A run ended in an error.
    #[serde(rename = "run.failed")]
    Failed,
    /// A run was ended by request.
    #[serde(rename = "run.cancelled")]
    Cancelled,
}

impl From<WebhookEvent> for EventType {
    fn from(event: WebhookEvent) -> Self {
        match event {
            WebhookEvent::Succeeded => Self::RunSucceeded,
            WebhookEvent::Failed => Self::RunFailed,
            WebhookEvent::Cancelled => Self::RunCancelled,
        }
    }
}

/// An endpoint as somebody wants it.
#[derive(Deserialize, ToSchema)]
pub(in crate::api) struct WantedWebhook {
    /// Where to.
    #[schema(max_length = 2048)]
    pub(super) url: String,
    /// What about; empty: everything.
    #[serde(default)]
    pub(super) events: Vec<WebhookEvent>,
    /// A note.
    #[serde(default)]
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{0,1000}$")]
    pub(super) description: String,
    /// Whether anything is sent.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// What signs the messages, of a new endpoint; one is made if it is left out.
    #[serde(default)]
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$")]
    #[expect(dead_code, reason = "describes what is read by hand")]
    secret: Option<String>,
}

/// A secret in the place of another.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct WantedSecret {
    /// The new one; it is made if it is left out.
    #[serde(default)]
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$")]
    secret: Option<String>,
}

/// An endpoint as it is wanted, and its secret if one was given.
pub(super) struct Wanted {
    pub(super) webhook: WantedWebhook,
    pub(super) secret: Option<Secret>,
}

const fn yes() -> bool {
    true
}

/// What is wanted, and the secret of it, or everything that is wrong with it.
pub(super) fn webhook(mut value: Value) -> Result<Wanted, Problem> {
    let mut problems = Problems::default();
    problems.check(&mut value, "$", FIELDS);
    problems.require(&value, "$", "url");
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("url").chars().any(|one| one.is_control() || one.is_whitespace()) {
        problems.report("$.url", "has spaces or control characters", "percent-encode them");
    }
    if text("description").chars().any(char::is_control) {
        problems.report("$.description", "has control characters", "write one line");
    }
    if text("description").chars().count() > LONGEST_DESCRIPTION {
        problems.report("$.description", "is too long", format!("write at most {LONGEST_DESCRIPTION} characters"));
    }
    let given = value.get("secret").and_then(Value::as_str).and_then(|text| parsed(text, &mut problems));
    match WantedWebhook::deserialize(value) {
        Ok(webhook) if problems.is_empty() => Ok(Wanted { webhook, secret: given }),
        _ => Err(invalid(problems)),
    }
}

/// A secret that was given. What is none is not repeated.
fn parsed(text: &str, problems: &mut Problems) -> Option<Secret> {
    let parsed = text.parse::<Secret>();
    if let Err(error) = &parsed {
        problems.report("$.secret", "is no secret", error.to_string());
    }
    parsed.ok()
}

/// The secret of a rotation, if one was given.
pub(super) fn secret(mut value: Value) -> Result<Option<Secret>, Problem> {
    let mut problems = Problems::default();
    problems.check(&mut value, "$", SECRET);
    let given = value.get("secret").and_then(Value::as_str).and_then(|text| parsed(text, &mut problems));
    if problems.is_empty() { Ok(given) } else { Err(invalid(problems)) }
}

fn invalid(problems: Problems) -> Problem {
    Problem::invalid(Code::WebhookInvalid, "the webhook cannot be used as it is", problems.into_list())
}
