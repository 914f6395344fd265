//! Requests and answers of the chat-completions protocol.

use protocol::answer::Usage;
use protocol::request::OutputType;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::dialect::{Dialect, Format};
use super::schema::response_format;
use crate::{Error, Reply};

/// The body of a call.
pub(super) fn request(
    model: &str,
    messages: &Value,
    kind: OutputType,
    dialect: Dialect,
    max_output_tokens: Option<u32>,
) -> Value {
    let mut body = Map::from_iter([("model".to_owned(), model.into()), ("messages".to_owned(), messages.clone())]);
    if !dialect.fixed_temperature {
        body.insert("temperature".to_owned(), 0.into());
    }
    if let Some(most) = max_output_tokens {
        let name = if dialect.completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body.insert(name.to_owned(), most.into());
    }
    let format = match dialect.format {
        Format::BoundedSchema => Some(response_format(kind, true)),
        Format::Schema => Some(response_format(kind, false)),
        Format::JsonObject => Some(json!({"type": "json_object"})),
        Format::Plain => None,
    };
    body.extend(format.map(|format| ("response_format".to_owned(), format)));
    Value::Object(body)
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// Reads the body of a successful call. Errors say what is wrong without repeating any of it.
pub(super) fn reply(body: &[u8]) -> Result<Reply, Error> {
    let unreadable = |reason: &str| Error::Unreadable(reason.to_owned());
    let completion: Completion =
        serde_json::from_slice(body).map_err(|_| unreadable("the server did not reply with a chat completion"))?;
    let choice =
        completion.choices.into_iter().next().ok_or_else(|| unreadable("the server replied without a choice"))?;
    match choice.finish_reason.as_deref() {
        Some("length") => return Err(Error::Truncated),
        Some("content_filter") => return Err(unreadable("the provider's content filter withheld it")),
        _ => {}
    }
    if choice.message.refusal.is_some() {
        return Err(unreadable("the model refused to answer"));
    }
    let content = choice.message.content.unwrap_or_default();
    let repaired = values::json::repair(after_thoughts(&content)).ok_or_else(|| unreadable("it is not JSON"))?;
    if repaired.lossy {
        return Err(unreadable("it is broken JSON that cannot be repaired without losing something"));
    }
    let (value, quote) = taken_apart(repaired.value);
    let tokens = completion.usage.unwrap_or_default();
    Ok(Reply {
        value,
        quote,
        note: (!repaired.repairs.is_empty())
            .then(|| format!("the model's JSON was repaired: {}", repaired.repairs.join(", "))),
        usage: Usage {
            calls: 1,
            input_tokens: tokens.prompt_tokens,
            output_tokens: tokens.completion_tokens,
            ..Usage::default()
        },
        ..Reply::default()
    })
}

/// Reasoning models may think aloud before they answer.
fn after_thoughts(content: &str) -> &str {
    match content.trim_start().strip_prefix("<think>").and_then(|thoughts| thoughts.split_once("</think>")) {
        Some((_, answer)) => answer,
        None => content,
    }
}

/// Value and quote. A server that ignores the asked shape may send the bare value.
fn taken_apart(json: Value) -> (Value, Option<String>) {
    match json {
        Value::Object(mut object) if object.contains_key("value") => {
            let value = object.remove("value").unwrap_or_default();
            let quote = object.remove("quote").and_then(|quote| quote.as_str().map(str::to_owned));
            (value, quote.filter(|quote| !quote.trim().is_empty()))
        }
        bare => (bare, None),
    }
}
