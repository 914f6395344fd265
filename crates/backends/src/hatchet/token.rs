//! The token that Hatchet hands out: it opens the doors of one tenant, and says where they are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// A token, read as far as its bearer may: the signature is the engine's matter. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    claims: Claims,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Claims {
    /// The tenant.
    sub: String,
    /// Where the REST API is.
    #[serde(default)]
    server_url: String,
    /// Where the engine is, as `host:port`.
    #[serde(default)]
    grpc_broadcast_address: String,
    /// Until when it is good, in seconds since 1970.
    #[serde(default)]
    exp: Option<i64>,
}

/// Why a text is no token that can be used. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It is something else.
    #[error("it is not three parts joined by dots, as an API token of Hatchet is")]
    Form,
    /// It is a token, but not one of Hatchet's.
    #[error("it names no tenant; create one under Settings, API Tokens")]
    Claims,
    /// Its time is over.
    #[error("it expired; create another under Settings, API Tokens")]
    Expired,
}

impl Token {
    /// Reads a token at a time, in seconds since 1970.
    ///
    /// # Errors
    /// [`InvalidToken`]
    pub fn parse(text: &str, now: i64) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let [_, claims, _] = parts.as_slice() else { return Err(InvalidToken::Form) };
        let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).map_err(|_| InvalidToken::Form)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| InvalidToken::Claims)?;
        if claims.sub.is_empty() {
            return Err(InvalidToken::Claims);
        }
        if claims.exp.is_some_and(|until| until <= now) {
            return Err(InvalidToken::Expired);
        }
        Ok(Self { text: text.to_owned(), claims })
    }

    /// The tenant that it is for.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.claims.sub
    }

    /// Where the engine is, as `host:port`, if it says so.
    #[must_use]
    pub fn engine(&self) -> Option<&str> {
        Some(self.claims.grpc_broadcast_address.as_str()).filter(|address| !address.is_empty())
    }

    /// Where the REST API is, if it says so.
    #[must_use]
    pub fn api(&self) -> Option<&str> {
        Some(self.claims.server_url.as_str()).filter(|url| !url.is_empty())
    }

    /// The token as it is shown to the engine.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_says_whose_it_is_and_where_its_doors_are() {
        let text = token(
            r#"{"sub":"t-1","server_url":"http://h:8080","grpc_broadcast_address":"h:7070","exp":100,"iss":"x"}"#,
        );
        let token = Token::parse(&text, 99).unwrap();
        assert_eq!((token.tenant(), token.engine(), token.api()), ("t-1", Some("h:7070"), Some("http://h:8080")));
        assert_eq!(format!("{token:?}"), "***");
        assert_eq!(Token::parse(&text, 100), Err(InvalidToken::Expired));
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        assert_eq!(Token::parse("secret", 0), Err(InvalidToken::Form));
        assert_eq!(Token::parse("a.b!.c", 0), Err(InvalidToken::Form));
        assert_eq!(Token::parse(&token("[]"), 0), Err(InvalidToken::Claims));
        assert_eq!(Token::parse(&token(r#"{"sub":""}"#), 0), Err(InvalidToken::Claims));
        assert_eq!(Token::parse(&token(r#"{"sub":"t"}"#), 0).unwrap().engine(), None);
    }
}
