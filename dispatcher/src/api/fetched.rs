//! `POST /api/v1/runs` with `document_url`: the document is fetched, and taken in like an upload.

use ledger::Submitted;
use protocol::TenantId;
use protocol::shape::{Field, Problems};
use serde::Deserialize;
use serde_json::Value;

use super::codes::Code;
use super::orders::{self, Key};
use super::{Api, Problem, auth, documents, upload};
use crate::documents::{self as kept, DocumentError};
use crate::remote::{self, RemoteError};
use crate::submission::Submission;

/// The field that names an address.
pub(super) const ADDRESS: &str = "document_url";

/// Fields of a run of a document at an address.
const FIELDS: &[Field] = &[
    Field::of::<String>(ADDRESS, "the address of a document"),
    Field::of::<Option<String>>("file_name", "what the document is called"),
    Field::of::<Value>("request", "an extraction request"),
    Field::of::<i16>("priority", "a whole number from -32768 to 32767"),
    Field::of::<Option<Key>>("idempotency_key", "1 to 255 printable ASCII characters"),
];

/// Fetches the document that an entry names and records its run. `key` is that of the header.
pub(super) async fn submit(
    api: &Api,
    tenant: &TenantId,
    mut entry: Value,
    key: Option<String>,
) -> Result<Submitted, Problem> {
    let mut problems = Problems::default();
    problems.check(&mut entry, "$", FIELDS);
    let request = documents::request(&entry, "$", &mut problems);
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(request), Some(url), true) = (request, text(ADDRESS), problems.is_empty()) else {
        return Err(orders::invalid(problems));
    };
    let own = entry.get("idempotency_key").and_then(|key| Key::deserialize(key).ok()).map(Key::recorded);
    if own.is_some() && key.is_some() {
        let detail = "the run has an idempotency_key and the call a header Idempotency-Key; send one of them";
        return Err(Problem::new(Code::IdempotencyKeyInvalid, detail));
    }
    auth::count_runs(api, tenant, 1).await?;
    let file = remote::fetch(&api.way_out, &url, api.desk.incoming(), api.max_upload).await?;
    let name = text("file_name").map_or_else(|| remote::name(&url), |name| upload::base_name(&name));
    // As for uploads, what is no document for another reason fails with a result that says why.
    if let Err(error @ DocumentError::Unsupported(_)) = kept::look_at(file.path(), &name) {
        return Err(error.into());
    }
    let submission = Submission {
        tenant: tenant.clone(),
        file: file.path().to_path_buf(),
        file_name: name,
        request,
        idempotency_key: own.or(key),
        priority: entry.get("priority").and_then(|priority| i16::deserialize(priority).ok()).unwrap_or_default(),
    };
    Ok(api.desk.submit(submission).await?)
}

impl From<RemoteError> for Problem {
    fn from(error: RemoteError) -> Self {
        let code = match &error {
            RemoteError::Refused(_) => Code::DocumentUrlRefused,
            RemoteError::NotGiven { .. } => Code::DocumentUrlMissing,
            RemoteError::TooLarge(_) => Code::TooLarge,
            RemoteError::Unavailable(_) => Code::DocumentUrlUnavailable,
            RemoteError::NotKept(error) => return upload::not_kept(error),
        };
        Self::new(code, error.to_string())
    }
}
