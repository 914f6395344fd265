//! Reads a document and its request from an HTTP body, streaming the document to disk.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::request::ExtractionRequest;
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::codes::Code;
use super::{MAX_REQUEST, Problem, body};

/// How many uploads may come in at once.
pub(super) const AT_ONCE: usize = 64;

/// How long a client may stay silent in the middle of an upload.
const SILENCE: Duration = Duration::from_secs(30);

/// What came in.
pub(super) struct Upload {
    /// The document, removed with this value.
    pub(super) file: NamedTempFile,
    /// What it is called.
    pub(super) name: String,
    /// The questions, if there are any.
    pub(super) request: Option<ExtractionRequest>,
}

/// Longest file name that is kept, in characters.
const MAX_NAME: usize = 255;

/// Of an upload that is not read, all still comes over that connection.
const CLOSE: (HeaderName, &str) = (header::CONNECTION, "close");

/// Lets an upload in if there is room, and otherwise sends it away before it is read.
pub(super) async fn admit(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = room.try_acquire() else { return ([CLOSE], too_many()).into_response() };
    next.run(request).await
}

/// There is no room for another upload at the moment.
pub(super) fn too_many() -> Problem {
    let detail = format!("{AT_ONCE} uploads are coming in already; try again in a moment");
    Problem::new(Code::TooManyUploads, detail).retry_after(Duration::from_secs(1))
}

/// Reads a multipart form, or a bare document with its name in the query, of at most `limit` bytes.
pub(super) async fn receive(
    folder: &Path,
    limit: usize,
    request: Request,
    name: Option<String>,
) -> Result<Upload, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if is_form(kind) {
        let Form { document, request } = form(folder, limit, request).await?;
        let request = request.map(|text| ExtractionRequest::parse_text(&text)).transpose()?;
        let (file, name) = document.ok_or_else(|| refused(Code::FileMissing, "the form has no field `file`"))?;
        return Ok(Upload { file, name, request });
    }
    let mut sink = Sink::new(folder, limit)?;
    let mut body: BodyDataStream = Body::into_data_stream(request.into_body());
    while let Some(piece) = next(&mut body).await? {
        sink.write(piece).await?;
    }
    if sink.written == 0 {
        return Err(refused(
            Code::FileMissing,
            "the body is empty; send the document, or a form with the field `file`",
        ));
    }
    let name = name.unwrap_or_else(|| "document".to_owned());
    Ok(Upload { file: sink.finish()?, name: base_name(&name), request: None })
}

/// What came in a form.
pub(super) struct Form {
    /// The field `file` and what it is called; the file is removed with this value.
    pub(super) document: Option<(NamedTempFile, String)>,
    /// The field `request` as it came, not nested too deeply.
    pub(super) request: Option<Vec<u8>>,
}

/// A document as it is.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body, which is streamed")]
pub(super) struct Bare(Vec<u8>);

/// Whether a body of this media type is a form.
pub(super) fn is_form(kind: &str) -> bool {
    kind.starts_with("multipart/form-data")
}

/// Reads a multipart form with a document of at most `limit` bytes.
pub(super) async fn form(folder: &Path, limit: usize, request: Request) -> Result<Form, Problem> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| Problem::new(Code::MultipartInvalid, error.body_text()))?;
    let mut document: Option<(NamedTempFile, String)> = None;
    let mut request: Option<Vec<u8>> = None;
    while let Some(mut field) = in_time(form.next_field()).await?? {
        match field.name() {
            Some("file") if document.is_some() => return Err(refused(Code::OneFileOnly, "send one `file` per run")),
            Some("file") => {
                let name = base_name(field.file_name().unwrap_or_default());
                let mut sink = Sink::new(folder, limit)?;
                while let Some(piece) = in_time(field.chunk()).await?? {
                    sink.write(piece).await?;
                }
                document = Some((sink.finish()?, name));
            }
            Some("request") if request.is_some() => {
                return Err(refused(Code::OneRequestOnly, "send at most one `request` per run"));
            }
            Some("request") => {
                let text = limited(field).await?;
                body::check_depth(&text)?;
                request = Some(text);
            }
            other => {
                let name = other.unwrap_or_default();
                let detail = format!("unknown form field {name:?}; send `file` and, if you like, `request`");
                return Err(refused(Code::UnknownField, detail));
            }
        }
    }
    Ok(Form { document, request })
}

fn refused(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code, detail)
}

async fn limited(mut field: Field<'_>) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = in_time(field.chunk()).await?? {
        if bytes.len() + piece.len() > MAX_REQUEST {
            let detail = format!("the request is larger than {MAX_REQUEST} bytes");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Waits for the next piece of an upload, but not for ever.
async fn in_time<T>(piece: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(SILENCE, piece).await.map_err(|_| {
        let detail = format!("nothing came for {} seconds; send the document again", SILENCE.as_secs());
        Problem::new(Code::UploadStalled, detail)
    })
}

/// The next piece of a body; `None` at its end.
pub(super) async fn next(body: &mut BodyDataStream) -> Result<Option<Bytes>, Problem> {
    use std::pin::Pin;
    let next = std::future::poll_fn(|context| futures_core::Stream::poll_next(Pin::new(&mut *body), context));
    in_time(next).await?.transpose().map_err(|error| Problem::of_body(&error))
}

/// A temporary file that takes no more than its limit.
struct Sink {
    file: NamedTempFile,
    written: usize,
    limit: usize,
}

impl Sink {
    fn new(folder: &Path, limit: usize) -> Result<Self, Problem> {
        let file = NamedTempFile::new_in(folder).map_err(|error| not_kept(&error))?;
        Ok(Self { file, written: 0, limit })
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Problem> {
        self.written += piece.len();
        if self.written > self.limit {
            let detail = format!("the document is larger than {} bytes", self.limit);
            return Err(Problem::new(Code::TooLarge, detail));
        }
        // Pieces are a few kilobytes and go to the page cache; a thread per piece would cost more.
        self.file.write_all(&piece).map_err(|error| not_kept(&error))
    }

    fn finish(mut self) -> Result<NamedTempFile, Problem> {
        self.file.flush().map_err(|error| not_kept(&error))?;
        Ok(self.file)
    }
}

/// The document could not be written to the folder for what comes in.
pub(super) fn not_kept(error: &io::Error) -> Problem {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        tracing::error!(error = %error, "there is no room for incoming documents; make some, or name another --incoming-dir");
        let detail = "the server has no room for another document at the moment; try again later";
        return Problem::new(Code::StorageFull, detail);
    }
    Problem::internal(error)
}

/// The last segment of a name, without control characters: what a client calls its file never becomes a path here.
pub(super) fn base_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if clean.is_empty() { "document".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_file_name_never_keeps_its_folders() {
        assert_eq!(base_name("../../etc/passwd"), "passwd");
        assert_eq!(base_name("C:\\docs\\invoice.pdf"), "invoice.pdf");
        assert_eq!(base_name("a\u{0}b\n.pdf"), "ab.pdf");
        assert_eq!(base_name("dir/"), "document");
    }

    #[test]
    fn a_full_disk_is_told_from_a_defect() {
        let status = |kind: io::ErrorKind| not_kept(&io::Error::from(kind)).into_response().status();
        assert_eq!(status(io::ErrorKind::StorageFull), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(status(io::ErrorKind::QuotaExceeded), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(status(io::ErrorKind::PermissionDenied), StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// A body that begins and then never goes on.
    struct Stalled(Option<Bytes>);

    impl futures_core::Stream for Stalled {
        type Item = Result<Bytes, std::io::Error>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.take().map_or(Poll::Pending, |begin| Poll::Ready(Some(Ok(begin))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stalls_is_a_408_whatever_its_form() {
        let form = "--edge\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n%PDF";
        for (kind, begin) in [("application/pdf", "%PDF"), ("multipart/form-data; boundary=edge", form)] {
            let body = Body::from_stream(Stalled(Some(Bytes::from_static(begin.as_bytes()))));
            let request = Request::builder().header(header::CONTENT_TYPE, kind).body(body).unwrap();
            let started = tokio::time::Instant::now();

            let Err(problem) = receive(&std::env::temp_dir(), 100, request, None).await else { panic!("accepted") };

            assert_eq!(problem.into_response().status(), StatusCode::REQUEST_TIMEOUT, "{kind}");
            assert_eq!(started.elapsed(), SILENCE, "{kind}");
        }
    }
}
