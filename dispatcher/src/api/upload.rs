//! Reads a document and its request from an HTTP body, streaming the document to disk.

use std::io::Write;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use protocol::request::ExtractionRequest;
use tempfile::NamedTempFile;

use super::{Api, MAX_REQUEST, Problem};

/// What came in.
pub(super) struct Upload {
    /// The document, removed with this value.
    pub(super) file: NamedTempFile,
    /// What it is called.
    pub(super) name: String,
    /// The questions.
    pub(super) request: ExtractionRequest,
}

/// Longest file name that is kept, in characters.
const MAX_NAME: usize = 255;

/// Reads a multipart form, or a bare document with its name in the query.
pub(super) async fn receive(api: &Api, request: Request, name: Option<String>) -> Result<Upload, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &())
            .await
            .map_err(|error| Problem::new(error.status(), "multipart_invalid", error.body_text()))?;
        return form_upload(api, form).await;
    }
    let mut sink = Sink::new(api.max_upload)?;
    let mut body: BodyDataStream = Body::into_data_stream(request.into_body());
    while let Some(piece) = next(&mut body).await {
        let piece = piece.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "body_broken", format!("the upload broke off: {error}"))
        })?;
        sink.write(piece).await?;
    }
    let name = name.unwrap_or_else(|| "document".to_owned());
    sink.finish(&name, ExtractionRequest::default())
}

async fn form_upload(api: &Api, mut form: Multipart) -> Result<Upload, Problem> {
    let mut document: Option<(Sink, String)> = None;
    let mut request = ExtractionRequest::default();
    while let Some(mut field) = form.next_field().await? {
        match field.name() {
            Some("file") if document.is_some() => {
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "one_file_only", "send one `file` per run"));
            }
            Some("file") => {
                let name = field.file_name().unwrap_or("document").to_owned();
                let mut sink = Sink::new(api.max_upload)?;
                while let Some(piece) = field.chunk().await? {
                    sink.write(piece).await?;
                }
                document = Some((sink, name));
            }
            Some("request") => request = parse(&limited(field).await?)?,
            other => {
                let detail =
                    format!("unknown form field {:?}; send `file` and, if you like, `request`", other.unwrap_or(""));
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_field", detail));
            }
        }
    }
    let Some((sink, name)) = document else {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "file_missing", "the form has no field `file`"));
    };
    sink.finish(&name, request)
}

async fn limited(mut field: Field<'_>) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        if bytes.len() + piece.len() > MAX_REQUEST {
            let detail = format!("the request is larger than {MAX_REQUEST} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<ExtractionRequest, Problem> {
    let value = serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "request_not_json", format!("the request is not JSON: {error}"))
    })?;
    Ok(ExtractionRequest::parse(&value)?)
}

async fn next(body: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
    use std::pin::Pin;
    std::future::poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut *body), context)).await
}

/// A temporary file that takes no more than its limit.
struct Sink {
    file: NamedTempFile,
    written: usize,
    limit: usize,
}

impl Sink {
    fn new(limit: usize) -> Result<Self, Problem> {
        let file = NamedTempFile::new().map_err(|error| Problem::internal(&error))?;
        Ok(Self { file, written: 0, limit })
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Problem> {
        self.written += piece.len();
        if self.written > self.limit {
            let detail = format!("the document is larger than {} bytes", self.limit);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        // Pieces are a few kilobytes and go to the page cache; a thread per piece would cost more.
        self.file.write_all(&piece).map_err(|error| Problem::internal(&error))
    }

    fn finish(mut self, name: &str, request: ExtractionRequest) -> Result<Upload, Problem> {
        self.file.flush().map_err(|error| Problem::internal(&error))?;
        Ok(Upload { file: self.file, name: base_name(name), request })
    }
}

/// The last segment of a name, without control characters: what a client calls its file never becomes a path here.
fn base_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if clean.is_empty() { "document".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_never_keeps_its_folders() {
        assert_eq!(base_name("../../etc/passwd"), "passwd");
        assert_eq!(base_name("C:\\docs\\invoice.pdf"), "invoice.pdf");
        assert_eq!(base_name("a\u{0}b\n.pdf"), "ab.pdf");
        assert_eq!(base_name("dir/"), "document");
    }
}
