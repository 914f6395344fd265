//! A document and a request become a run.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backends::fleet::{self, Fleet};
use ledger::{NewRun, Submitted};
use objects::Objects;
use protocol::request::ExtractionRequest;
use protocol::{Payload, RunId, TenantId, stages};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::documents::Documents;

mod orders;

pub use orders::Order;

/// Takes documents in.
#[derive(Clone)]
pub struct Desk {
    fleet: Fleet,
    objects: Arc<dyn Objects>,
    incoming: PathBuf,
}

/// What somebody hands in.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its owner.
    pub tenant: TenantId,
    /// The document, on this machine.
    pub file: PathBuf,
    /// What the document is called.
    pub file_name: String,
    /// The questions.
    pub request: ExtractionRequest,
    /// Within a tenant, a key starts at most one run.
    pub idempotency_key: Option<String>,
    /// Higher ones are released first, whoever owns them; 0 is usual.
    pub priority: i16,
}

/// A submission that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document cannot be read.
    #[error("document {} cannot be read", file.display())]
    Unreadable {
        /// The document.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The document was written to meanwhile.
    #[error("document {} changed while it was read; hand it in again", file.display())]
    Changed {
        /// The document.
        file: PathBuf,
    },
    /// The document is not the one that the request was made for.
    #[error("the document's SHA-256 is {found}, but the request's file_hash says {expected}")]
    WrongDocument {
        /// What the request says.
        expected: String,
        /// What the document has.
        found: String,
    },
    /// The object store failed.
    #[error("the document could not be stored")]
    Objects(#[from] objects::Error),
    /// The request could not be written.
    #[error("the request could not be written")]
    Request(#[from] serde_json::Error),
    /// The run was refused, or the ledger is away.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
}

impl Desk {
    /// A desk over these ports that keeps what is still coming in in the system's folder for temporary files.
    #[must_use]
    pub fn new(fleet: Fleet, objects: Arc<dyn Objects>) -> Self {
        Self { fleet, objects, incoming: std::env::temp_dir() }
    }

    /// The same desk, with a folder of its own for what is still coming in. What an earlier process left there is
    /// removed.
    ///
    /// # Errors
    /// When the folder cannot be emptied or made.
    pub fn with_incoming(self, folder: PathBuf) -> io::Result<Self> {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&folder)?,
        }
        Ok(Self { incoming: folder, ..self })
    }

    /// Where to put a document that is still coming in.
    #[must_use]
    pub fn incoming(&self) -> &Path {
        &self.incoming
    }

    /// Stores the document and records a run of the document workflow.
    ///
    /// # Errors
    /// [`Error`]; nothing was recorded then.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, Error> {
        self.submit_to(stages::PIPELINE, submission).await
    }

    /// The same for any workflow that begins with a document.
    ///
    /// # Errors
    /// [`Error`]; nothing was recorded then.
    pub async fn submit_to(&self, workflow: &str, submission: Submission) -> Result<Submitted, Error> {
        let Submission { tenant, file, file_name, mut request, idempotency_key, priority } = submission;
        let sha256 = hash(&file).await?;
        request = about(request, &tenant, file_name, sha256)?;
        self.store(&request.file_path, &file, &request.file_hash).await?;
        let run = NewRun {
            id: RunId::new(),
            tenant,
            workflow: workflow.to_owned(),
            input: input(serde_json::to_value(&request)?, self.objects.as_ref()).await?,
            idempotency_key,
            priority,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        let submitted = self.fleet.start(vec![run]).await?;
        submitted.into_iter().next().ok_or_else(|| {
            fleet::Error::Ledger(ledger::Error::Corrupt {
                what: "submission",
                detail: "no answer for a run".to_owned(),
            })
            .into()
        })
    }

    /// Stores a document for later; returns its SHA-256.
    ///
    /// # Errors
    /// [`Error`]; then it is not stored.
    pub async fn keep_file(&self, tenant: &TenantId, file: &Path) -> Result<String, Error> {
        let sha256 = hash(file).await?;
        self.store(&key_of(tenant, &sha256), file, &sha256).await?;
        Ok(sha256)
    }

    /// The documents that were stored for later.
    #[must_use]
    pub fn documents(&self) -> Documents {
        Documents::new(self.fleet.records(), Arc::clone(&self.objects), self.clone())
    }

    /// Stores a document unless exactly its bytes are stored already: what lies under its name may have been damaged.
    async fn store(&self, key: &str, file: &Path, sha256: &str) -> Result<(), Error> {
        let held = match self.objects.local_file(key).await {
            Ok(copy) => hash(&copy.path).await.is_ok_and(|found| found == sha256),
            Err(objects::Error::NotFound(_) | objects::Error::Mismatch { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if held {
            return Ok(());
        }
        let stored = self.objects.put_file(key, file, "application/octet-stream").await?;
        if stored.sha256 != sha256 {
            self.objects.delete(key).await?;
            return Err(Error::Changed { file: file.to_path_buf() });
        }
        Ok(())
    }
}

/// Where a document lies.
pub(crate) fn key_of(tenant: &TenantId, sha256: &str) -> String {
    format!("documents/{tenant}/{sha256}")
}

/// The questions, about a document that is stored.
///
/// # Errors
/// [`Error::WrongDocument`] when they were made for another one.
pub fn about(
    request: ExtractionRequest,
    tenant: &TenantId,
    file_name: String,
    sha256: String,
) -> Result<ExtractionRequest, Error> {
    if !request.file_hash.is_empty() && !request.file_hash.eq_ignore_ascii_case(&sha256) {
        return Err(Error::WrongDocument { expected: request.file_hash, found: sha256 });
    }
    Ok(ExtractionRequest { file_name, file_path: key_of(tenant, &sha256), file_hash: sha256, ..request })
}

/// What a run starts with, inline or, when it is large, by reference.
async fn input(value: Value, objects: &dyn Objects) -> Result<Payload, Error> {
    let bytes = serde_json::to_vec(&value)?;
    if bytes.len() <= Payload::INLINE_LIMIT {
        return Ok(Payload::Inline(value));
    }
    // Named by its content, so that the same submission has the same input.
    let key = format!("requests/{:x}.json", Sha256::digest(&bytes));
    Ok(Payload::Artifact(objects.put(&key, &bytes, "application/json").await?))
}

/// SHA-256 of a file in lower-case hex, read in pieces.
///
/// # Errors
/// [`Error::Unreadable`].
pub async fn hash(file: &Path) -> Result<String, Error> {
    let path = file.to_path_buf();
    let hashing = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0_u8; 64 * 1024];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(format!("{:x}", hasher.finalize())),
                read => hasher.update(&piece[..read]),
            }
        }
    });
    let hashed = hashing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    hashed.map_err(|source| Error::Unreadable { file: file.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_leaves_its_reason_to_its_source() {
        let error = hash(Path::new("nowhere.pdf")).await.unwrap_err();
        assert_eq!(error.to_string(), "document nowhere.pdf cannot be read");
        assert!(std::error::Error::source(&error).is_some());
    }
}
