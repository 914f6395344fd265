//! `/api/v1/documents`: handed in once, asked about often.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use objects::LocalFile;
use protocol::request::ExtractionRequest;
use protocol::shape::{Field, Problems};
use protocol::stages::PIPELINE;
use protocol::{Backend, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Read, Write};
use super::codes::Code;
use super::orders::{BACKEND, BACKENDS, Key};
use super::paging::{AfterQuery, cut, page};
use super::{Api, Problem, conditional, upload};
use crate::documents::{Document, DocumentError};
use crate::submission::{self, Order};

/// Bytes of a document that are read at a time.
const PIECE: usize = 64 * 1024;

/// Fields of a run of a stored document.
const FIELDS: &[Field] = &[
    Field::of::<String>("document", "the id of a document"),
    Field::of::<Value>("request", "an extraction request"),
    Field::of::<i16>("priority", "a whole number from -32768 to 32767"),
    Field::of::<Option<Key>>("idempotency_key", "1 to 255 printable ASCII characters"),
    Field::of::<Option<Backend>>(BACKEND, BACKENDS),
];

/// Query of a bare document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NameQuery {
    /// What the document is called.
    name: Option<String>,
}

/// A document as a form has it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described alone: the form is read as it comes in")]
pub(super) struct DocumentForm {
    /// The document.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Documents by id.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentList {
    documents: Vec<Document>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

type Id = Result<Path<String>, PathRejection>;

/// Keeps a document: the field `file` of a form, or the bare body. 200 when the same bytes were kept before.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents", params(NameQuery),
    request_body(content((DocumentForm = "multipart/form-data"), (upload::Bare = "application/octet-stream"))),
    responses((status = 200, body = Document), (status = 201, body = Document), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<Write>,
    query: Result<Query<NameQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(NameQuery { name }) = query?;
    let upload = upload::receive(api.desk.incoming(), api.max_upload, request, name).await?;
    if upload.request.is_some() {
        let detail =
            "a document comes without `request`; send that with POST /api/v1/runs as {\"document\", \"request\"}";
        return Err(Problem::new(Code::UnknownField, detail));
    }
    let (document, new) = api.desk.documents().put(&caller.tenant, upload.file.path(), &upload.name).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/api/v1/documents/{}", document.id))];
    Ok((status, location, Json(document)).into_response())
}

/// The documents that are kept.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents", params(AfterQuery),
    responses((status = 200, body = DocumentList)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<DocumentList>, Problem> {
    let (page, limit) = page(query?.0)?;
    let mut documents = api.desk.documents().list(&caller.tenant, &page).await?;
    let next = cut(&mut documents, limit, |document| document.id.clone());
    Ok(Json(DocumentList { documents, next }))
}

/// One document, without its bytes.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "`doc_` and the SHA-256 of the document")),
    responses((status = 200, body = Document), (status = 304), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller<Read>,
    id: Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    conditional::json(&headers, &find(&api, &caller.tenant, id).await?)
}

/// The bytes of a document, to be saved and never to be shown as a page.
#[utoipa::path(get, path = "/api/v1/documents/{id}/content", tag = "documents",
    params(("id" = String, Path, description = "`doc_` and the SHA-256 of the document")),
    responses((status = 200, body = upload::Bare, content_type = "*/*"), (status = 404, body = Problem)))]
pub(super) async fn content(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Response, Problem> {
    let document = find(&api, &caller.tenant, id).await?;
    let local = api.desk.documents().content(&caller.tenant, &document).await?;
    let local = local.ok_or_else(|| missing(&document.id))?;
    let file = File::open(&local.path).await.map_err(|error| Problem::internal(&error))?;
    let mut response = Body::from_stream(futures::stream::try_unfold((file, local), piece)).into_response();
    let headers = response.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.bytes));
    headers.insert(header::CONTENT_TYPE, value(&document.media_type));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition(&document.name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(response)
}

/// Removes a document and its bytes. Runs that have not read it yet fail with `object_missing`.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "`doc_` and the SHA-256 of the document")),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn remove(State(api): State<Api>, caller: Caller<Write>, id: Id) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    if api.desk.documents().remove(&caller.tenant, &id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(missing(&id))
}

/// The run of a stored document that an entry of a submission asks for, or `None` with what is wrong with it.
pub(super) async fn order(
    api: &Api,
    tenant: &TenantId,
    mut entry: Value,
    path: &str,
    problems: &mut Problems,
) -> Result<Option<Order>, Problem> {
    problems.check(&mut entry, path, FIELDS);
    let at = |field: &str| format!("{path}.{field}");
    let Some(id) = entry.get("document").and_then(Value::as_str) else { return Ok(None) };
    let Some(document) = api.desk.documents().find(tenant, id).await? else {
        problems.report(at("document"), format!("there is no document {id:?}"), "send it with POST /api/v1/documents");
        return Ok(None);
    };
    let Some(request) = request(&entry, path, problems) else { return Ok(None) };
    let request = match submission::about(request, tenant, document.name, document.sha256) {
        Ok(request) => request,
        Err(error) => {
            problems.report(at("request.file_hash"), error.to_string(), "leave it out");
            return Ok(None);
        }
    };
    let key = entry.get("idempotency_key").and_then(|key| Key::deserialize(key).ok());
    Ok(Some(Order {
        workflow: PIPELINE.to_owned(),
        input: serde_json::to_value(&request).map_err(|error| Problem::internal(&error))?,
        priority: entry.get("priority").and_then(|priority| i16::deserialize(priority).ok()).unwrap_or_default(),
        idempotency_key: key.map(Key::recorded),
        backend: entry.get(BACKEND).and_then(|backend| Option::deserialize(backend).ok()).flatten(),
    }))
}

/// The questions of an entry, or `None` with what is wrong with them.
pub(super) fn request(entry: &Value, path: &str, problems: &mut Problems) -> Option<ExtractionRequest> {
    match entry.get("request").filter(|request| !request.is_null()).map(ExtractionRequest::parse) {
        None => Some(ExtractionRequest::default()),
        Some(Ok(request)) => Some(request),
        Some(Err(invalid)) => {
            for problem in invalid.problems {
                let place = problem.path.strip_prefix('$').map_or_else(|| format!(".{}", problem.path), str::to_owned);
                problems.report(format!("{path}.request{place}"), problem.message, problem.fix);
            }
            None
        }
    }
}

async fn find(api: &Api, tenant: &TenantId, id: Id) -> Result<Document, Problem> {
    let Path(id) = id?;
    api.desk.documents().find(tenant, &id).await?.ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Problem {
    Problem::new(Code::NoSuchDocument, format!("there is no document {id:?}; GET /api/v1/documents lists them"))
}

/// The next piece of a file, which is kept for as long.
async fn piece((mut file, local): (File, LocalFile)) -> std::io::Result<Option<(Bytes, (File, LocalFile))>> {
    let mut piece = Vec::with_capacity(PIECE);
    if (&mut file).take(PIECE as u64).read_to_end(&mut piece).await? == 0 {
        return Ok(None);
    }
    Ok(Some((piece.into(), (file, local))))
}

/// A file to be saved under that name (RFC 6266).
fn disposition(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let encoded: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("attachment; filename*=UTF-8''{encoded}")
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Empty => Self::new(Code::DocumentEmpty, "the document has no bytes; send it again"),
            DocumentError::Unsupported(_) => Self::new(Code::DocumentUnsupported, error.to_string()),
            DocumentError::Submission(error) => error.into(),
            DocumentError::Ledger(_) | DocumentError::Objects(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(disposition("invoice-7.pdf"), "attachment; filename*=UTF-8''invoice-7.pdf");
        assert_eq!(disposition("ä \"\r\n;x"), "attachment; filename*=UTF-8''%C3%A4%20%22%0D%0A%3Bx");
    }
}
