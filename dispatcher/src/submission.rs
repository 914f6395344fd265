//! A document and a request become a run.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backends::fleet::{self, Fleet};
use ledger::{NewRun, Submitted};
use objects::Objects;
use protocol::request::ExtractionRequest;
use protocol::{Payload, RunId, TenantId, stages};
use sha2::{Digest, Sha256};

/// Takes documents in.
#[derive(Clone)]
pub struct Desk {
    fleet: Fleet,
    objects: Arc<dyn Objects>,
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
}

/// A submission that was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document cannot be read.
    #[error("document {file:?} cannot be read: {source}")]
    Unreadable {
        /// The document.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
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
    /// A desk over these ports.
    #[must_use]
    pub fn new(fleet: Fleet, objects: Arc<dyn Objects>) -> Self {
        Self { fleet, objects }
    }

    /// Stores the document and records the run.
    ///
    /// # Errors
    /// [`Error`]; nothing was recorded then.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, Error> {
        let Submission { tenant, file, file_name, mut request, idempotency_key } = submission;
        let sha256 = hash(&file).await?;
        if !request.file_hash.is_empty() && !request.file_hash.eq_ignore_ascii_case(&sha256) {
            return Err(Error::WrongDocument { expected: request.file_hash, found: sha256 });
        }
        let key = format!("documents/{tenant}/{sha256}");
        if !self.objects.exists(&key).await? {
            self.objects.put_file(&key, &file, "application/octet-stream").await?;
        }
        request.file_name = file_name;
        request.file_path = key;
        request.file_hash = sha256;
        let run = NewRun {
            id: RunId::new(),
            tenant,
            workflow: stages::PIPELINE.to_owned(),
            input: self.input(&request).await?,
            idempotency_key,
            priority: 0,
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

    /// The request, inline or, when it has many long prompts, by reference.
    async fn input(&self, request: &ExtractionRequest) -> Result<Payload, Error> {
        let value = serde_json::to_value(request)?;
        let bytes = serde_json::to_vec(&value)?;
        if bytes.len() <= Payload::INLINE_LIMIT {
            return Ok(Payload::Inline(value));
        }
        // Named by its content, so that the same submission has the same input.
        let key = format!("requests/{:x}.json", Sha256::digest(&bytes));
        Ok(Payload::Artifact(self.objects.put(&key, &bytes, "application/json").await?))
    }
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
    let hashed = hashing.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    hashed.map_err(|source| Error::Unreadable { file: file.to_path_buf(), source })
}
