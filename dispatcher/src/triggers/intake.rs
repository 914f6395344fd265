//! The documents that events name: objects that lie there already, or what is fetched from an address.

use std::path::{Path, PathBuf};

use backends::fleet;
use ledger::Error::IdempotencyConflict;
use protocol::TenantId;
use tempfile::NamedTempFile;

use super::plan::{Place, Plan};
use super::starting::{Error, Outcome, Refusal, Starter};
use crate::documents::{self, DocumentError};
use crate::remote::{self, RemoteError};
use crate::submission::{self, Submission};

/// A document on this machine, for as long as this lasts.
enum Held {
    Object(objects::LocalFile),
    Fetched(NamedTempFile),
}

impl Held {
    fn path(&self) -> PathBuf {
        match self {
            Self::Object(copy) => copy.path.clone(),
            Self::Fetched(file) => file.path().to_path_buf(),
        }
    }
}

impl Starter {
    /// Takes a document in and starts its run.
    pub(super) async fn document(&self, tenant: TenantId, key: &str, plan: Plan) -> Result<Outcome, Error> {
        let Plan::Document { place, file_name, request, priority } = plan else { return Err(Error::BrokenOff) };
        let held = match self.hold(&place, &file_name).await? {
            Ok(held) => held,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let file_name = match &place {
            Place::Object(object) => self.known_name(&tenant, object, file_name).await,
            Place::Address(_) => file_name,
        };
        let submission = Submission {
            tenant: tenant.clone(),
            file: held.path(),
            file_name,
            request: *request,
            idempotency_key: Some(key.to_owned()),
            priority,
        };
        match self.desk.submit(submission).await {
            Ok(run) => Ok(Outcome::Run { id: run.id, created: run.created }),
            Err(error @ submission::Error::WrongDocument { .. }) => {
                Ok(Outcome::Refused(Refusal::new("document_mismatch", error.to_string())))
            }
            // Somebody was faster, with what lay there then.
            Err(submission::Error::Fleet(fleet::Error::Ledger(IdempotencyConflict(_)))) => {
                let known = self.fleet.runs_by_key(&tenant, &[key.to_owned()]).await?;
                known.get(key).map(|id| Outcome::Run { id: *id, created: false }).ok_or(Error::BrokenOff)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Brings a document to this machine, or says why it never will be.
    async fn hold(&self, place: &Place, file_name: &str) -> Result<Result<Held, Refusal>, Error> {
        let refused =
            |code: &'static str, error: &dyn std::fmt::Display| Ok(Err(Refusal::new(code, error.to_string())));
        match place {
            Place::Object(object) => match self.objects.import(object, self.most_bytes).await {
                Ok(copy) => Ok(Ok(Held::Object(copy))),
                Err(error @ objects::Error::NotFound(_)) => refused("document_missing", &error),
                Err(error @ objects::Error::TooLarge { .. }) => refused("document_too_large", &error),
                Err(error @ objects::Error::InvalidKey(_)) => refused("document_unusable", &error),
                Err(error) => Err(error.into()),
            },
            Place::Address(url) => {
                let most = usize::try_from(self.most_bytes).unwrap_or(usize::MAX);
                match remote::fetch(&self.way_out, url, self.desk.incoming(), most).await {
                    Ok(file) => Ok(checked(file.path(), file_name).map(|()| Held::Fetched(file))),
                    Err(error @ RemoteError::Refused(_)) => refused("document_url_refused", &error),
                    Err(error @ RemoteError::NotGiven { .. }) => refused("document_url_missing", &error),
                    Err(error @ RemoteError::TooLarge(_)) => refused("document_too_large", &error),
                    Err(error @ (RemoteError::Unavailable(_) | RemoteError::NotKept(_))) => Err(error.into()),
                }
            }
        }
    }

    /// What a document that was handed in before was called then, unless the event calls it otherwise.
    async fn known_name(&self, tenant: &TenantId, object: &str, file_name: String) -> String {
        if object != format!("documents/{tenant}/{file_name}") {
            return file_name;
        }
        let known = self.desk.documents().find(tenant, &format!("doc_{file_name}")).await;
        known.ok().flatten().map_or(file_name, |document| document.name)
    }
}

/// Refuses what is never a document. What cannot be read for another reason fails with a result that says why.
fn checked(file: &Path, name: &str) -> Result<(), Refusal> {
    match documents::look_at(file, name) {
        Err(error @ DocumentError::Unsupported(_)) => Err(Refusal::new("document_unsupported", error.to_string())),
        _ => Ok(()),
    }
}
