//! Secrets at rest: each is encrypted under a key of its own, and that one under a master key from the environment.
//!
//! AES-256-GCM (NIST SP 800-38D) for both. What a secret belongs to is authenticated with it, so that a ciphertext that
//! was copied to another record does not open. Several master keys may be known: the first one encrypts, all decrypt, so
//! that a master key is replaced by putting the new one before the old one and writing the records again.

use std::fmt;
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hex::{hex, unhex};

const KEY: usize = 32;

/// Encrypts and decrypts.
#[derive(Clone)]
pub struct Vault {
    masters: Arc<[Master]>,
}

struct Master {
    name: String,
    key: LessSafeKey,
}

/// A secret at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which master key the envelope is under.
    master: String,
    /// The secret's own key, encrypted; hex.
    envelope: String,
    /// The secret, encrypted; hex.
    secret: String,
}

/// A secret that cannot be kept or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum VaultError {
    /// There is no master key.
    #[error("secrets cannot be kept: set FLOTILLA_MASTER_KEY to 64 hex digits (openssl rand -hex 32)")]
    NoMasterKey,
    /// A master key is not one.
    #[error("FLOTILLA_MASTER_KEY: write 64 hex digits (openssl rand -hex 32), several separated by commas")]
    BadMasterKey,
    /// The master key that it was encrypted under is not known any more.
    #[error("a secret was encrypted under master key {0}, which FLOTILLA_MASTER_KEY does not name any more")]
    UnknownMasterKey(String),
    /// It was changed, or belongs to something else.
    #[error("a secret cannot be decrypted")]
    Damaged,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.masters.iter().map(|master| &master.name)).finish()
    }
}

impl Vault {
    /// A vault under master keys as the environment gives them: hex, separated by commas; an empty text is a vault that
    /// keeps nothing.
    ///
    /// # Errors
    /// [`VaultError::BadMasterKey`].
    pub fn new(masters: &str) -> Result<Self, VaultError> {
        let words = masters.split(',').map(str::trim).filter(|word| !word.is_empty());
        let masters = words.map(|word| {
            let bytes = unhex(word).filter(|bytes| bytes.len() == KEY).ok_or(VaultError::BadMasterKey)?;
            // Tells keys apart without telling anything about them.
            let name = hex(&digest::digest(&digest::SHA256, &bytes).as_ref()[..4]);
            Ok(Master { name, key: key(&bytes)? })
        });
        Ok(Self { masters: masters.collect::<Result<_, _>>()? })
    }

    /// A new master key, as [`Self::new`] takes it.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new_master_key() -> Result<String, VaultError> {
        Ok(hex(&random::<KEY>()?))
    }

    /// Whether it can keep anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.masters.is_empty()
    }

    /// Encrypts what belongs to `owner`.
    ///
    /// # Errors
    /// [`VaultError::NoMasterKey`].
    pub fn seal(&self, owner: &str, secret: &Value) -> Result<Sealed, VaultError> {
        let master = self.masters.first().ok_or(VaultError::NoMasterKey)?;
        let own = random::<KEY>()?;
        let text = serde_json::to_vec(secret).map_err(|_| VaultError::Damaged)?;
        Ok(Sealed {
            master: master.name.clone(),
            envelope: encrypt(&master.key, owner, own.to_vec())?,
            secret: encrypt(&key(&own)?, owner, text)?,
        })
    }

    /// Decrypts what belongs to `owner`.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(&self, owner: &str, sealed: &Sealed) -> Result<Value, VaultError> {
        let named = self.masters.iter().find(|master| master.name == sealed.master);
        let master = named.ok_or_else(|| VaultError::UnknownMasterKey(sealed.master.clone()))?;
        let own = decrypt(&master.key, owner, &sealed.envelope)?;
        let text = decrypt(&key(&own)?, owner, &sealed.secret)?;
        serde_json::from_slice(&text).map_err(|_| VaultError::Damaged)
    }
}

fn key(bytes: &[u8]) -> Result<LessSafeKey, VaultError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| VaultError::Damaged)?))
}

fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| VaultError::Damaged)?;
    Ok(bytes)
}

/// Nonce, ciphertext and tag, in hex. Nonces are random: a key encrypts few texts.
fn encrypt(key: &LessSafeKey, owner: &str, mut text: Vec<u8>) -> Result<String, VaultError> {
    let nonce = random::<NONCE_LEN>()?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.as_bytes()), &mut text)
        .map_err(|_| VaultError::Damaged)?;
    Ok(hex(&nonce) + &hex(&text))
}

fn decrypt(key: &LessSafeKey, owner: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
    let bytes = unhex(sealed).ok_or(VaultError::Damaged)?;
    let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(VaultError::Damaged)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Damaged)?;
    let mut text = text.to_vec();
    let opened = key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text);
    opened.map(|text| text.to_vec()).map_err(|_| VaultError::Damaged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const TWO: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn a_secret_opens_for_its_owner_alone() {
        let vault = Vault::new(ONE).unwrap();
        let secret = json!({ "api_key": "sk-secret" });
        let sealed = vault.seal("acme/adapter/1", &secret).unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("sk-secret"));
        assert_eq!(vault.open("acme/adapter/1", &sealed).unwrap(), secret);
        assert_eq!(vault.open("other/adapter/1", &sealed), Err(VaultError::Damaged));
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let vault = Vault::new(ONE).unwrap();
        let sealed = vault.seal("owner", &json!("secret")).unwrap();
        let flipped = |text: &str| text.replacen(&text[30..31], if &text[30..31] == "0" { "1" } else { "0" }, 1);
        let changed = [
            Sealed { secret: flipped(&sealed.secret), ..sealed.clone() },
            Sealed { envelope: flipped(&sealed.envelope), ..sealed.clone() },
            Sealed { secret: "00".to_owned(), ..sealed.clone() },
            Sealed { secret: "ä".to_owned(), ..sealed },
        ];
        for sealed in changed {
            assert_eq!(vault.open("owner", &sealed), Err(VaultError::Damaged));
        }
    }

    #[test]
    fn a_master_key_is_replaced_without_losing_what_the_old_one_sealed() {
        let sealed = Vault::new(ONE).unwrap().seal("owner", &json!(1)).unwrap();
        let both = Vault::new(&format!("{TWO}, {ONE}")).unwrap();
        assert_eq!(both.open("owner", &sealed).unwrap(), json!(1));
        let again = both.seal("owner", &json!(1)).unwrap();
        let new = Vault::new(TWO).unwrap();
        assert_eq!(new.open("owner", &again).unwrap(), json!(1));
        assert!(matches!(new.open("owner", &sealed), Err(VaultError::UnknownMasterKey(_))));
    }

    #[test]
    fn a_master_key_is_64_hex_digits_or_none() {
        assert_eq!(Vault::new("").unwrap().seal("owner", &json!(1)), Err(VaultError::NoMasterKey));
        for bad in ["abc", &ONE[1..], &format!("{ONE}00"), "zz".repeat(32).as_str()] {
            assert_eq!(Vault::new(bad).err(), Some(VaultError::BadMasterKey), "{bad}");
        }
    }
}
