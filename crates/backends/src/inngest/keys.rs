//! The signing key: who may call our functions, and who may call Inngest's API.

use std::fmt;

use ring::{digest, hmac};

/// How old a signed request may be, and how far from the future, in seconds.
const TOLERANCE: u64 = 300;

/// What the server and its apps share: hexadecimal, mostly behind a prefix such as `signkey-prod-`. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    prefix: String,
    secret: String,
    bytes: Vec<u8>,
}

/// A text that is no signing key. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key is hexadecimal, mostly behind a prefix such as \"signkey-prod-\"")]
pub struct InvalidKey;

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// There is no signature, or it is not one.
    #[error("it carries no signature")]
    Missing,
    /// It is by nobody who knows the key.
    #[error("its signature fits no key")]
    Signature,
    /// It may have been recorded and sent again.
    #[error("its signature is older than five minutes")]
    Time,
}

impl SigningKey {
    /// Reads a key as it is handed out.
    ///
    /// # Errors
    /// [`InvalidKey`]
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let (prefix, secret) = split(text.trim());
        let bytes = from_hex(secret).filter(|bytes| !bytes.is_empty()).ok_or(InvalidKey)?;
        Ok(Self { prefix: prefix.to_owned(), secret: secret.to_owned(), bytes })
    }

    /// What the API takes in its place: the key's digest, which does not give the key away.
    #[must_use]
    pub fn bearer(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.bytes);
        format!("{}{}", self.prefix, hex(digest.as_ref()))
    }

    /// The value of the signature's header for a body, at a time in seconds since 1970.
    #[must_use]
    pub fn sign(&self, body: &[u8], at: i64) -> String {
        format!("t={at}&s={}", hex(hmac::sign(&self.key(), &signed(body, &at.to_string())).as_ref()))
    }

    /// Whether a header signs a body by this key, no longer ago than five minutes at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`NotVerified`]
    pub fn verify(&self, header: Option<&str>, body: &[u8], now: i64) -> Result<(), NotVerified> {
        let header = header.ok_or(NotVerified::Missing)?;
        let part = |name: &str| header.split('&').find_map(|part| part.strip_prefix(name));
        let (at, signature) = part("t=").zip(part("s=")).ok_or(NotVerified::Missing)?;
        let signature = from_hex(signature).ok_or(NotVerified::Signature)?;
        // Takes the same time whatever differs.
        hmac::verify(&self.key(), &signed(body, at), &signature).map_err(|_| NotVerified::Signature)?;
        let at: i64 = at.parse().map_err(|_| NotVerified::Time)?;
        if now.abs_diff(at) > TOLERANCE { Err(NotVerified::Time) } else { Ok(()) }
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Prefix and secret: `signkey-prod-` and what follows.
fn split(text: &str) -> (&str, &str) {
    let environment = text.strip_prefix("signkey-").and_then(|rest| rest.split_once('-'));
    let is_word = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    match environment {
        Some((word, secret)) if is_word(word) => (&text[..text.len() - secret.len()], secret),
        _ => ("", text),
    }
}

fn signed(body: &[u8], at: &str) -> Vec<u8> {
    [body, at.as_bytes()].concat()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "signkey-test-12345678";

    #[test]
    fn a_request_is_believed_for_five_minutes_and_only_as_it_was_signed() {
        let key = SigningKey::parse(KEY).unwrap();
        let header = key.sign(b"{}", 1_000);
        assert_eq!(key.verify(Some(&header), b"{}", 1_300), Ok(()));
        assert_eq!(key.verify(Some(&header), b"{}", 1_301), Err(NotVerified::Time));
        assert_eq!(key.verify(Some(&header), b"{ }", 1_000), Err(NotVerified::Signature));
        assert_eq!(key.verify(Some(&header.replace("t=1000", "t=1001")), b"{}", 1_000), Err(NotVerified::Signature));
        assert_eq!(key.verify(Some("t=1000&s=zz"), b"{}", 1_000), Err(NotVerified::Signature));
        assert_eq!(key.verify(Some("nonsense"), b"{}", 1_000), Err(NotVerified::Missing));
        assert_eq!(key.verify(None, b"{}", 1_000), Err(NotVerified::Missing));
        let other = SigningKey::parse("signkey-test-87654321").unwrap();
        assert_eq!(other.verify(Some(&header), b"{}", 1_000), Err(NotVerified::Signature));
    }

    /// Computed with the algorithm that Inngest documents, by Python's `hmac` and `hashlib`.
    #[test]
    fn signatures_and_tokens_are_those_of_other_implementations() {
        let key = SigningKey::parse(KEY).unwrap();
        assert_eq!(key.sign(b"{\"a\":1}", 1_700_000_000), PYTHON_SIGNATURE);
        assert_eq!(key.bearer(), PYTHON_BEARER);
    }

    #[test]
    fn a_key_stands_with_or_without_its_prefix_and_has_to_be_hexadecimal() {
        let bare = SigningKey::parse("12345678").unwrap();
        assert_eq!(bare.sign(b"", 1), SigningKey::parse(KEY).unwrap().sign(b"", 1));
        for text in ["", "signkey-prod-", "signkey-prod-xyz", "123", "secret"] {
            assert_eq!(SigningKey::parse(text), Err(InvalidKey), "{text:?}");
        }
        assert_eq!(format!("{bare:?}"), "***");
    }

    const PYTHON_SIGNATURE: &str = "t=1700000000&s=67a82077baa52522b1f612a154a25275c00a0338efc32be5ee396bd2391ba5e0";
    const PYTHON_BEARER: &str = "signkey-test-b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c";
}
