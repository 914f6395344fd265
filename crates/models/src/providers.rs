//! Language models as somebody sets them up: a provider, and settings under the names that are usual for it.
//!
//! Providers that speak the OpenAI protocol are a line in `PROVIDERS` each; the others are refused by name. Settings
//! that say how to ask (temperature, retries, reasoning) are left aside: questions are always asked in the same way.

use std::time::Duration;

use serde_json::Value;

use crate::openai_compatible::{Config, Secret};

/// Tokens that fit into one call where the settings do not say.
const CONTEXT: u32 = 8192;

/// Seconds that one call may take where the settings do not say.
const TIMEOUT: u32 = 120;

/// A provider that speaks the OpenAI protocol.
struct Provider {
    /// What stands before the bar in the id of an adapter.
    name: &'static str,
    /// Where it is, as it documents itself; the settings have to say where this is empty.
    base_url: &'static str,
    /// Tokens that fit into one call where the settings do not say.
    context: u32,
}

const PROVIDERS: &[Provider] = &[
    Provider { name: "openai", base_url: "https://api.openai.com/v1", context: CONTEXT },
    Provider { name: "openaicompatible", base_url: "", context: CONTEXT },
    // Its own default: longer prompts are cut without a word.
    Provider { name: "ollama", base_url: "", context: 3900 },
    Provider { name: "mistral", base_url: "https://api.mistral.ai/v1", context: CONTEXT },
    Provider { name: "openrouter", base_url: "https://openrouter.ai/api/v1", context: CONTEXT },
    Provider { name: "anthropic", base_url: "https://api.anthropic.com/v1", context: CONTEXT },
    Provider { name: "gemini", base_url: "https://generativelanguage.googleapis.com/v1beta/openai", context: CONTEXT },
    Provider { name: "minimax", base_url: "https://api.minimax.io/v1", context: CONTEXT },
    Provider { name: "nvidiabuild", base_url: "https://integrate.api.nvidia.com/v1", context: CONTEXT },
];

/// Why no model can be made of settings. Values are not repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The provider speaks another protocol.
    #[error("provider {provider:?} is not supported; supported are {}", supported())]
    Unsupported {
        /// Its name.
        provider: String,
    },
    /// A setting is missing or wrong.
    #[error("its setting {setting:?} {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and how to put it right.
        reason: String,
    },
}

/// The model that the settings of an adapter name. `adapter_id` is `provider|…`.
///
/// # Errors
/// [`Unusable`]
pub fn config(adapter_id: &str, settings: &Value) -> Result<Config, Unusable> {
    let name = adapter_id.split('|').next().unwrap_or_default();
    let provider = PROVIDERS.iter().find(|provider| provider.name.eq_ignore_ascii_case(name));
    let provider = provider.ok_or_else(|| Unusable::Unsupported { provider: name.to_owned() })?;
    let wrong = |setting, reason: &str| Unusable::Setting { setting, reason: reason.to_owned() };
    let model = text(settings, &["model", "model_name"])?;
    let model = model.ok_or_else(|| wrong("model", "is missing; give the name the provider knows the model by"))?;
    let elsewhere = text(settings, &["api_base", "base_url"])?;
    let api_key = text(settings, &["api_key"])?;
    let base_url = match elsewhere {
        Some(url) => url,
        None if provider.base_url.is_empty() => {
            let setting = if provider.name == "ollama" { "base_url" } else { "api_base" };
            return Err(wrong(setting, "is missing; give the server's address, such as https://models.example.com/v1"));
        }
        None if api_key.is_none() => return Err(wrong("api_key", "is missing; the provider gives you one")),
        None => provider.base_url.to_owned(),
    };
    let seconds = number(settings, &["timeout", "request_timeout"], 1, 3600)?.unwrap_or(TIMEOUT);
    Ok(Config {
        base_url,
        model,
        api_key: api_key.map(Secret::new),
        context_tokens: number(settings, &["context_window", "context_tokens"], 512, u32::MAX)?
            .unwrap_or(provider.context),
        timeout: Duration::from_secs(seconds.into()),
        max_output_tokens: number(settings, &["max_tokens"], 1, u32::MAX)?,
    })
}

/// The names of the providers that are supported.
fn supported() -> String {
    PROVIDERS.iter().map(|provider| provider.name).collect::<Vec<_>>().join(", ")
}

/// The first of these settings that is given; an empty one is not.
fn given<'a>(settings: &'a Value, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    let is_given = |value: &Value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty());
    names.iter().find_map(|name| Some((*name, settings.get(name).filter(|value| is_given(value))?)))
}

fn text(settings: &Value, names: &[&'static str]) -> Result<Option<String>, Unusable> {
    let Some((setting, value)) = given(settings, names) else { return Ok(None) };
    match value.as_str() {
        Some(text) => Ok(Some(text.trim().to_owned())),
        None => Err(Unusable::Setting { setting, reason: "has to be a text".to_owned() }),
    }
}

/// A whole number, which forms may have sent as a text.
fn number(settings: &Value, names: &[&'static str], least: u32, most: u32) -> Result<Option<u32>, Unusable> {
    let Some((setting, value)) = given(settings, names) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64().filter(|number| number.fract() == 0.0),
    };
    let fits =
        number.filter(|number: &f64| number.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(number));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and between two of its kind"
    )]
    match fits {
        Some(number) => Ok(Some(number as u32)),
        None => {
            let most = if most == u32::MAX { String::new() } else { format!(" to {most}") };
            let from = if most.is_empty() { " or more" } else { "" };
            Err(Unusable::Setting { setting, reason: format!("has to be a whole number, {least}{from}{most}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(adapter_id: &str, settings: Value) -> String {
        config(adapter_id, &settings).unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_by_the_names_that_are_usual_for_their_provider() {
        let settings = json!({
            "adapter_name": "ours", "api_base": "https://models.example.com/v1/", "api_key": " sk-1 ", "model": "m",
            "max_tokens": "4096", "timeout": 900, "context_tokens": 32000.0, "temperature": 0.7, "max_retries": 5,
        });
        let read = config("openaicompatible|b6d10f33-2c41-49fc-a8c2-58d2b247fc09", &settings).unwrap();
        assert_eq!((read.base_url.as_str(), read.model.as_str()), ("https://models.example.com/v1/", "m"));
        assert_eq!((read.context_tokens, read.max_output_tokens, read.timeout.as_secs()), (32000, Some(4096), 900));
        assert_eq!(read.api_key, Some(Secret::new("sk-1")));

        let ollama =
            json!({ "base_url": "http://ollama:11434", "model_name": "llama3", "request_timeout": 60, "api_key": "" });
        let read = config("ollama|4b8bd31a-ce42-48d4-9d69-f29c12e0f276", &ollama).unwrap();
        assert_eq!((read.model.as_str(), read.context_tokens, read.timeout.as_secs()), ("llama3", 3900, 60));
        assert_eq!((read.api_key, read.max_output_tokens), (None, None));
    }

    #[test]
    fn providers_on_the_internet_are_known_by_name() {
        for (name, start) in [("openai", "https://api.openai.com/"), ("Mistral", "https://api.mistral.ai/")] {
            let read =
                config(&format!("{name}|1"), &json!({ "model": "m", "api_key": "k", "api_base": null })).unwrap();
            assert!(read.base_url.starts_with(start), "{}", read.base_url);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_repeated() {
        for (settings, setting) in [
            (json!({ "api_base": "https://a/v1" }), "model"),
            (json!({ "model": "m" }), "api_base"),
            (json!({ "model": "m", "api_base": "https://a", "max_tokens": "sk-secret" }), "max_tokens"),
            (json!({ "model": "m", "api_base": "https://a", "timeout": 0 }), "timeout"),
            (json!({ "model": "m", "api_base": "https://a", "context_window": 1.5 }), "context_window"),
            (json!({ "model": ["sk-secret"], "api_base": "https://a" }), "model"),
        ] {
            let told = refused("openaicompatible|1", settings);
            assert!(told.contains(&format!("{setting:?}")) && !told.contains("sk-secret"), "{told}");
        }
        assert!(refused("openai|1", json!({ "model": "m" })).contains("api_key"));
        let told = refused("bedrock|8d18571f", json!({ "model": "m" }));
        assert!(told.contains("\"bedrock\"") && told.contains("openai, openaicompatible, ollama"), "{told}");
    }
}
