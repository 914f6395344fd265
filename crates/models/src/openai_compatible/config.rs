//! How the adapter is configured.

use std::fmt;
use std::time::Duration;

use reqwest::Url;

use crate::Error;

/// Which model at which server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server is: `http://127.0.0.1:8080`, `https://api.example.com/v1`. A path without a version gets `/v1`.
    pub base_url: String,
    /// The name the server knows the model by.
    pub model: String,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// How many tokens fit into one call.
    pub context_tokens: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// Most tokens of one answer; unset: the server's default.
    pub max_output_tokens: Option<u32>,
}

/// A key that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself, to be sent and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address that chat completions are asked at.
pub(super) fn endpoint(base_url: &str) -> Result<Url, Error> {
    let invalid = |reason: &str| Error::Configuration(format!("the model's address is not usable: {reason}"));
    let mut url = Url::parse(base_url.trim()).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Addresses are shown in errors and logs.
        return Err(invalid("it holds credentials, which belong into the key"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    let is_version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let path = if path.ends_with("/chat/completions") {
        path
    } else if path.split('/').any(is_version) {
        format!("{path}/chat/completions")
    } else {
        format!("{path}/v1/chat/completions")
    };
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_added_only_where_it_is_missing() {
        let path = |base: &str| endpoint(base).unwrap().to_string();
        assert_eq!(path("http://localhost:8080"), "http://localhost:8080/v1/chat/completions");
        assert_eq!(path("https://api.example.com/v1/"), "https://api.example.com/v1/chat/completions");
        assert_eq!(path("https://example.com/v1beta/openai"), "https://example.com/v1beta/openai/chat/completions");
        assert_eq!(path("http://h/api/v1/chat/completions"), "http://h/api/v1/chat/completions");
        assert!(endpoint("localhost:8080").is_err() && endpoint("").is_err() && endpoint("ftp://h").is_err());
        assert!(endpoint("http://user:pass@h").is_err());
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("sk-1"))), "Some(***)");
    }
}
