//! Settings of adapters as somebody sets them up. Forms send numbers and yes or no as texts too.

use std::fmt;

use reqwest::Url;
use serde_json::Value;

/// Longest text of a setting, in characters.
const LONGEST: usize = 500;

/// Why no reader can be made of settings. Values are not repeated: they may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No reader of that name is known.
    #[error("reader {provider:?} is not supported; {advice}")]
    Unsupported {
        /// Its name.
        provider: String,
        /// What to use instead.
        advice: String,
    },
    /// A setting is missing or wrong.
    #[error("its setting {setting:?} {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and how to put it right.
        reason: String,
    },
    /// The address may not be reached.
    #[error("its address may not be reached: {0}")]
    Address(String),
}

impl Unusable {
    /// The stable code, documented in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "adapter_unsupported",
            Self::Setting { .. } => "adapter_misconfigured",
            Self::Address(_) => "x2text_address_refused",
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The settings of an adapter.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a>(pub(crate) &'a Value);

pub(crate) fn wrong(setting: &'static str, reason: impl Into<String>) -> Unusable {
    Unusable::Setting { setting, reason: reason.into() }
}

impl<'a> Settings<'a> {
    /// A setting that is given; an empty one is not.
    fn given(self, setting: &str) -> Option<&'a Value> {
        let is_given = |value: &&Value| !value.is_null() && value.as_str().is_none_or(|text| !text.trim().is_empty());
        self.0.get(setting).filter(is_given)
    }

    /// A text without control characters.
    pub(crate) fn text(self, setting: &'static str) -> Result<Option<String>, Unusable> {
        let Some(value) = self.given(setting) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong(setting, "has to be a text"))?.trim();
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(wrong(setting, format!("has to be at most {LONGEST} characters, none of them a control one")));
        }
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn secret(self, setting: &'static str) -> Result<Option<Secret>, Unusable> {
        Ok(self.text(setting)?.map(Secret))
    }

    /// One of several words, the first where none is given.
    pub(crate) fn one_of(self, setting: &'static str, words: &[&'static str]) -> Result<&'static str, Unusable> {
        let Some(text) = self.text(setting)? else { return Ok(words.first().copied().unwrap_or_default()) };
        let known = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
        known.copied().ok_or_else(|| wrong(setting, format!("has to be one of {}", words.join(", "))))
    }

    /// A number between two others, `or` where none is given.
    pub(crate) fn number(self, setting: &'static str, least: f64, most: f64, or: f64) -> Result<f64, Unusable> {
        let Some(value) = self.given(setting) else { return Ok(or) };
        let number = value.as_str().map_or_else(|| value.as_f64(), |text| text.trim().parse().ok());
        let number = number.filter(|number: &f64| (least..=most).contains(number));
        number.ok_or_else(|| wrong(setting, format!("has to be a number from {least} to {most}")))
    }

    /// The same without fractions.
    pub(crate) fn count(self, setting: &'static str, least: u32, most: u32, or: u32) -> Result<u32, Unusable> {
        let number = self.number(setting, least.into(), most.into(), or.into())?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and between two of its kind"
        )]
        if number.fract() == 0.0 { Ok(number as u32) } else { Err(wrong(setting, "has to be a whole number")) }
    }

    pub(crate) fn flag(self, setting: &'static str) -> Result<bool, Unusable> {
        match self.given(setting) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(wrong(setting, "has to be true or false")),
        }
    }

    /// A list of texts, or one text with commas.
    pub(crate) fn list(self, setting: &'static str) -> Result<Vec<String>, Unusable> {
        let Some(value) = self.given(setting) else { return Ok(Vec::new()) };
        let parts: Option<Vec<&str>> = match value {
            Value::String(text) => Some(text.split(',').collect()),
            Value::Array(parts) => parts.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let parts = parts.filter(|parts| parts.len() <= 50);
        let parts = parts.ok_or_else(|| wrong(setting, "has to be a list of at most 50 texts"))?;
        let parts: Vec<String> =
            parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
        let is_word = |part: &String| {
            part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if parts.iter().all(is_word) {
            Ok(parts)
        } else {
            Err(wrong(setting, "holds something that is no code of a language, such as eng"))
        }
    }

    /// The address of a service, without a query.
    pub(crate) fn url(self, setting: &'static str, or: &str) -> Result<Url, Unusable> {
        let text = self.text(setting)?.unwrap_or_else(|| or.to_owned());
        let url = Url::parse(&text).map_err(|error| {
            wrong(setting, format!("is no address: {error}; write one such as https://reader.example.com"))
        })?;
        if url.cannot_be_a_base() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(setting, "has to be an address such as https://reader.example.com, without ? and #"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_forms_send_them() {
        let value = json!({ "n": " 0.4 ", "c": 3, "f": "True", "t": " a ", "l": "eng, deu,", "m": ["eng"], "e": " ", "z": null });
        let settings = Settings(&value);
        assert_eq!(settings.number("n", 0.0, 1.0, 9.0), Ok(0.4));
        assert_eq!(settings.count("c", 0, 9, 1), Ok(3));
        assert_eq!((settings.flag("f"), settings.flag("e"), settings.flag("z")), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(settings.text("t"), Ok(Some("a".to_owned())));
        assert_eq!(settings.list("l"), Ok(vec!["eng".to_owned(), "deu".to_owned()]));
        assert_eq!(settings.list("m"), Ok(vec!["eng".to_owned()]));
        assert_eq!(settings.one_of("e", &["form", "table"]), Ok("form"));
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        let value = json!({ "s": "sec\nret", "n": 2, "h": 1.5, "u": "https://a/?key=secret", "w": "secret", "o": {} });
        let settings = Settings(&value);
        let told = [
            settings.text("s").unwrap_err(),
            settings.number("n", 0.0, 1.0, 0.0).unwrap_err(),
            settings.count("h", 0, 9, 0).unwrap_err(),
            settings.url("u", "").unwrap_err(),
            settings.one_of("w", &["form"]).unwrap_err(),
            settings.flag("n").unwrap_err(),
            settings.list("o").unwrap_err(),
        ];
        for (told, setting) in told.iter().zip(["s", "n", "h", "u", "w", "n", "o"]) {
            let text = told.to_string();
            assert!(text.contains(&format!("{setting:?}")) && !text.contains("secret"), "{text}");
            assert_eq!(told.code(), "adapter_misconfigured");
        }
    }
}
