//! Keys: shown once when they are issued, kept as keyed hashes, found by a part of their digest.

use std::sync::Arc;

use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Records, Stored};
use ledger::{Error, Ledger};
use protocol::TenantId;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cache::Cache;
use super::hex::{hex, unhex};
use super::scope::Scopes;

const KIND: &str = "key";

/// What every key of ours begins with, so that scanners of repositories can tell it.
const PREFIX: &str = "flk_";

/// Random bytes of a key: nobody guesses them, and no slow hash is needed to keep them.
const RANDOM: usize = 32;

/// How much of a key is shown in lists.
const HINT: usize = 8;

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 512;

/// Issues keys and tells whose they are.
#[derive(Clone)]
pub struct Keyring {
    records: Arc<dyn Records>,
    /// By the digest of the token; only what was found good.
    good: Arc<Cache<[u8; 32], Identity>>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose runs the caller sees.
    pub tenant: TenantId,
    /// The key that was shown; `None` where none is required.
    pub key: Option<String>,
    /// What the caller may do.
    pub scopes: Scopes,
    /// When that ends.
    pub expires_at: Option<Timestamp>,
}

/// A key to be issued.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The key that its issuer showed.
    pub issued_by: Option<String>,
}

/// A key, without what makes it one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Key {
    /// Names the key in lists and in the audit log.
    pub id: String,
    /// Whose it is.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// What the token begins with.
    pub hint: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// The key of whoever issued it.
    pub issued_by: Option<String>,
}

/// A key at the only moment that its token is known.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issued {
    /// What to send as `Authorization: Bearer …`. It is shown this once.
    pub token: String,
    /// The key.
    #[serde(flatten)]
    pub key: Key,
}

/// What is kept of a key.
#[derive(Clone, Serialize, Deserialize)]
struct Body {
    lookup: String,
    name: String,
    hint: String,
    scopes: Scopes,
    /// Hex.
    salt: String,
    /// HMAC-SHA256 of the token under the salt, in hex.
    hash: String,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    issued_by: Option<String>,
}

impl Keyring {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { records: ledger, good: Arc::new(Cache::new()) }
    }

    /// Whose token that is, unless it is nobody's, has ended or was revoked: at most 3 seconds ago.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn identify(&self, token: &str) -> Result<Option<Identity>, Error> {
        if token.is_empty() || token.len() > LONGEST {
            return Ok(None);
        }
        let digest = sha256(token);
        let now = Timestamp::now();
        let valid = |identity: &Identity| identity.expires_at.is_none_or(|end| now < end);
        if let Some(identity) = self.good.get(&digest) {
            return Ok(Some(identity).filter(valid));
        }
        let Some(stored) = self.records.find_record(KIND, &lookup(&digest)).await? else { return Ok(None) };
        let body = read(&stored)?;
        if body.revoked_at.is_some() || !body.is_of(token) {
            return Ok(None);
        }
        let Body { scopes, expires_at, .. } = body;
        let identity = Identity { tenant: stored.tenant, key: Some(stored.id), scopes, expires_at };
        self.good.put(digest, identity.clone());
        Ok(Some(identity).filter(valid))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn issue(&self, new: NewKey) -> Result<Issued, Error> {
        let token = format!("{PREFIX}{}", hex(&random::<RANDOM>()?));
        let key = self.keep(&token, new).await?.ok_or_else(|| corrupt("a new key was known before"))?;
        Ok(Issued { token, key })
    }

    /// Keeps a key that somebody else made up. `None` when it is known already, and then also if it was revoked.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn adopt(&self, token: &str, new: NewKey) -> Result<Option<Key>, Error> {
        self.keep(token, new).await
    }

    async fn keep(&self, token: &str, new: NewKey) -> Result<Option<Key>, Error> {
        let NewKey { tenant, name, scopes, expires_at, issued_by } = new;
        let salt = random::<RANDOM>()?;
        let lookup = lookup(&sha256(token));
        let body = Body {
            lookup: lookup.clone(),
            name,
            hint: token.chars().take(HINT).collect(),
            scopes,
            salt: hex(&salt),
            hash: hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), token.as_bytes()).as_ref()),
            expires_at,
            revoked_at: None,
            issued_by,
        };
        let now = Timestamp::now();
        let record = Record {
            kind: KIND,
            tenant: tenant.clone(),
            id: uuid::Uuid::now_v7().simple().to_string(),
            lookup: Some(lookup),
            body: written(&body)?,
        };
        let Some(revision) = self.records.put_record(&record, Expected::Nothing, now).await? else { return Ok(None) };
        let Record { id, body, .. } = record;
        shown(Stored { tenant, id, body, revision, created_at: now, updated_at: now }).map(Some)
    }

    /// The keys of a tenant or of all, in the order of their issue.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, tenant: Option<&TenantId>, page: &Page) -> Result<Vec<Key>, Error> {
        self.records.records(KIND, tenant, page).await?.into_iter().map(shown).collect()
    }

    /// Makes a key useless, everywhere within 3 seconds. `None` when there is none such.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<Option<Key>, Error> {
        loop {
            let Some(stored) = self.records.record_of(KIND, tenant, id).await? else { return Ok(None) };
            let mut body = read(&stored)?;
            if body.revoked_at.is_some() {
                return shown(stored).map(Some);
            }
            body.revoked_at = Some(Timestamp::now());
            // The record stays: a key that was adopted from the environment must not come back with the next start.
            let (tenant, id) = (stored.tenant.clone(), stored.id.clone());
            let record = Record { kind: KIND, tenant, id, lookup: Some(body.lookup.clone()), body: written(&body)? };
            let expected = Expected::Revision(stored.revision);
            if self.records.put_record(&record, expected, Timestamp::now()).await?.is_some() {
                self.good.forget();
                let Record { body, .. } = record;
                return shown(Stored { body, ..stored }).map(Some);
            }
        }
    }
}

impl Body {
    fn is_of(&self, token: &str) -> bool {
        let (Some(salt), Some(hash)) = (unhex(&self.salt), unhex(&self.hash)) else { return false };
        // Compares in constant time.
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &salt), token.as_bytes(), &hash).is_ok()
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

/// What a token is found by: too little of its digest to be of use to whoever reads it.
fn lookup(digest: &[u8; 32]) -> String {
    hex(&digest[..8])
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| corrupt("the system gives no random numbers"))?;
    Ok(bytes)
}

fn written(body: &Body) -> Result<serde_json::Value, Error> {
    serde_json::to_value(body).map_err(corrupt)
}

fn read(stored: &Stored) -> Result<Body, Error> {
    Body::deserialize(&stored.body).map_err(corrupt)
}

fn shown(stored: Stored) -> Result<Key, Error> {
    let Body { name, hint, scopes, expires_at, revoked_at, issued_by, .. } = read(&stored)?;
    let Stored { tenant, id, created_at, .. } = stored;
    Ok(Key { id, tenant, name, hint, scopes, created_at, expires_at, revoked_at, issued_by })
}

fn corrupt(detail: impl std::fmt::Display) -> Error {
    Error::Corrupt { what: "key", detail: detail.to_string() }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use ledger::sqlite::SqliteLedger;

    use super::super::scope::Scope;
    use super::*;

    fn new(expires_at: Option<Timestamp>) -> NewKey {
        let (tenant, scopes) = ("acme".parse().unwrap(), Scopes::of([Scope::Read]));
        NewKey { tenant, name: "of a test".to_owned(), scopes, expires_at, issued_by: None }
    }

    async fn keyring() -> (Arc<SqliteLedger>, Keyring) {
        let ledger = Arc::new(SqliteLedger::in_memory().await.unwrap());
        (Arc::clone(&ledger), Keyring::new(ledger))
    }

    #[tokio::test]
    async fn a_token_names_its_owner_and_nothing_else_does() {
        let (_, keyring) = keyring().await;
        let Issued { token, key } = keyring.issue(new(None)).await.unwrap();
        let identity = keyring.identify(&token).await.unwrap().unwrap();
        assert_eq!((identity.tenant.as_str(), identity.key), ("acme", Some(key.id)));
        for other in ["", "flk_", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
            assert_eq!(keyring.identify(other).await.unwrap(), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn the_token_is_not_kept() {
        let (ledger, keyring) = keyring().await;
        let Issued { token, .. } = keyring.issue(new(None)).await.unwrap();
        let kept = ledger.records(KIND, None, &Page::first(10)).await.unwrap();
        let text = format!("{kept:?}");
        assert!(!text.contains(&token) && !text.contains(&token[PREFIX.len() + HINT..]));
        assert!(!text.contains(&hex(&sha256(&token))));
    }

    #[tokio::test]
    async fn a_key_that_ended_or_was_revoked_is_nobodys() {
        let (ledger, keyring) = keyring().await;
        let ended = keyring.issue(new(Some(Timestamp::now() - SignedDuration::from_secs(1)))).await.unwrap();
        assert_eq!(keyring.identify(&ended.token).await.unwrap(), None);

        let Issued { token, key } = keyring.issue(new(None)).await.unwrap();
        assert!(keyring.identify(&token).await.unwrap().is_some());
        let other_process = Keyring::new(ledger);
        assert_eq!(other_process.revoke(&"other".parse().unwrap(), &key.id).await.unwrap(), None);
        let revoked = other_process.revoke(&key.tenant, &key.id).await.unwrap().unwrap();
        assert!(revoked.revoked_at.is_some());
        assert_eq!(other_process.identify(&token).await.unwrap(), None);
        // The first process believes what it knew for three seconds at most.
        while keyring.identify(&token).await.unwrap().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn a_key_from_outside_is_adopted_once_and_stays_revoked() {
        let (_, keyring) = keyring().await;
        let adopted = keyring.adopt("a token of somebody else", new(None)).await.unwrap().unwrap();
        assert!(keyring.identify("a token of somebody else").await.unwrap().is_some());
        keyring.revoke(&adopted.tenant, &adopted.id).await.unwrap().unwrap();
        assert_eq!(keyring.adopt("a token of somebody else", new(None)).await.unwrap(), None);
        assert_eq!(keyring.identify("a token of somebody else").await.unwrap(), None);
    }
}
