//! Signatures of webhooks, after the Standard Webhooks specification 1.0.
//!
//! A message has an id and a time; `id.time.body` is signed with HMAC-SHA256. While a secret is exchanged for another,
//! both sign, and the receiver needs to know one of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// The header with the message's id: the same for every attempt to deliver it.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How long the bytes of a secret may be.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// How long the bytes of a new secret are.
const NEW_LENGTH: usize = 32;

/// What sender and receiver of webhooks share: `whsec_` and 24 to 64 bytes in Base64. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// A text that is no secret. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is \"whsec_\" and 24 to 64 bytes in Base64; leave it out to have one made")]
pub struct InvalidSecret;

/// There is no randomness to be had from the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes for a secret")]
pub struct NoRandomness;

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// No signature is by a known secret.
    #[error("no signature fits")]
    Signature,
    /// It is older, or from further in the future, than is tolerated: it may have been recorded and sent again.
    #[error("the time is too far off")]
    Time,
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = vec![0; NEW_LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The secret as it is shown to its owner and stored.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if LENGTHS.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The value of [`SIGNATURE`] for a message: one signature per secret. `timestamp` is in seconds since 1970.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = content(id, timestamp, body);
    let one = |secret: &Secret| format!("v1,{}", STANDARD.encode(hmac::sign(&secret.key(), &signed)));
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Whether a message is by somebody who knows one of the secrets, and no older than `tolerance` seconds at `now`.
///
/// # Errors
/// [`NotVerified`]
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp: i64,
    body: &[u8],
    signatures: &str,
    now: i64,
    tolerance: u64,
) -> Result<(), NotVerified> {
    let signed = content(id, timestamp, body);
    let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    let given: Vec<Vec<u8>> = given.collect();
    let fits = |secret: &Secret| given.iter().any(|one| hmac::verify(&secret.key(), &signed, one).is_ok());
    if !secrets.iter().any(fits) {
        return Err(NotVerified::Signature);
    }
    if now.abs_diff(timestamp) > tolerance { Err(NotVerified::Time) } else { Ok(()) }
}

fn content(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        SECRET.parse().unwrap()
    }

    #[test]
    fn the_published_example_is_signed_as_published() {
        assert_eq!(sign(&[secret()], MESSAGE, AT, BODY), SIGNED);
        assert_eq!(verify(&[secret()], MESSAGE, AT, BODY, SIGNED, AT, 300), Ok(()));
    }

    #[test]
    fn while_a_secret_is_exchanged_either_verifies() {
        let (old, new) = (secret(), Secret::generate().unwrap());
        let signed = sign(&[new.clone(), old.clone()], MESSAGE, AT, BODY);
        assert_eq!(signed.split(' ').count(), 2);
        for known in [old, new] {
            assert_eq!(verify(&[known], MESSAGE, AT, BODY, &signed, AT, 300), Ok(()));
        }
        let stranger = Secret::generate().unwrap();
        assert_eq!(verify(&[stranger], MESSAGE, AT, BODY, &signed, AT, 300), Err(NotVerified::Signature));
    }

    #[test]
    fn a_message_that_was_changed_or_recorded_is_not_believed() {
        let check = |id: &str, timestamp, body: &[u8], signature: &str, now| {
            verify(&[secret()], id, timestamp, body, signature, now, 300)
        };
        assert_eq!(check("msg_other", AT, BODY, SIGNED, AT), Err(NotVerified::Signature));
        assert_eq!(check(MESSAGE, AT + 1, BODY, SIGNED, AT), Err(NotVerified::Signature));
        assert_eq!(check(MESSAGE, AT, b"{}", SIGNED, AT), Err(NotVerified::Signature));
        assert_eq!(check(MESSAGE, AT, BODY, "", AT), Err(NotVerified::Signature));
        assert_eq!(check(MESSAGE, AT, BODY, &SIGNED.replace("v1,", "v2,"), AT), Err(NotVerified::Signature));
        assert_eq!(check(MESSAGE, AT, BODY, SIGNED, AT + 301), Err(NotVerified::Time));
        assert_eq!(check(MESSAGE, AT, BODY, SIGNED, AT - 301), Err(NotVerified::Time));
    }

    #[test]
    fn a_secret_is_24_to_64_bytes_and_never_shown_by_accident() {
        let of = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length])).parse::<Secret>();
        assert!(of(23).is_err() && of(24).is_ok() && of(64).is_ok() && of(65).is_err());
        assert!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse::<Secret>().is_err());
        assert_eq!(secret().expose(), SECRET);
        assert_eq!(format!("{:?}", secret()), "***");
        let new = Secret::generate().unwrap();
        assert_eq!(new.expose().parse(), Ok(new.clone()));
        assert_ne!(new, Secret::generate().unwrap());
    }
}
