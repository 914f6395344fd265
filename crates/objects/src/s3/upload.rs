//! A large object on its way to the server: in parts, which become one object at the end or never.

use std::io::{self, Read, Seek};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::source::Source;
use super::{PART, S3, SHA256};

/// How many parts are on their way at a time. With the one being read, so many parts are in memory.
const AT_ONCE: usize = 3;
/// How many parts S3 takes.
const MOST_PARTS: u64 = 10_000;

/// Parts without an object cost money and are invisible: those of an upload that fails or is given up are removed.
pub(super) struct Upload {
    target: Target,
    completed: bool,
}

/// Where parts go.
#[derive(Clone)]
struct Target {
    client: Client,
    bucket: String,
    path: String,
    id: String,
}

impl Upload {
    pub(super) async fn begin(store: &S3, path: String, media_type: &str, sha256: &str) -> io::Result<Self> {
        let request = store.client.create_multipart_upload().bucket(&store.bucket).key(&path);
        let request = request.content_type(media_type).metadata(SHA256, sha256);
        let begun = request.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.map_err(io::Error::other)?;
        let id = begun.upload_id.ok_or_else(|| io::Error::other("the server gave the upload no id"))?;
        let target = Target { client: store.client.clone(), bucket: store.bucket.clone(), path, id };
        Ok(Self { target, completed: false })
    }

    /// Sends all parts and makes them an object, provided that they have the length and hash of before.
    pub(super) async fn send<R: Read + Seek + Send + 'static>(
        mut self,
        mut source: Source<R>,
        size: u64,
        sha256: &str,
    ) -> io::Result<()> {
        let part_size = usize::try_from(size.div_ceil(MOST_PARTS)).unwrap_or(usize::MAX).max(PART);
        let mut sending = JoinSet::new();
        let mut parts = Vec::new();
        for number in 1.. {
            let (rest, bytes) = source.read(part_size).await?;
            source = rest;
            if bytes.is_empty() {
                break;
            }
            if sending.len() == AT_ONCE {
                parts.extend(finished(&mut sending).await?);
            }
            sending.spawn(self.target.clone().send_part(number, bytes));
        }
        while let Some(part) = finished(&mut sending).await? {
            parts.push(part);
        }
        if source.sha256() != sha256 {
            return Err(io::Error::other("the file changed while it was stored"));
        }
        parts.sort_by_key(|part| part.part_number);
        self.target.complete(parts).await?;
        self.completed = true;
        Ok(())
    }
}

impl Target {
    async fn send_part(self, number: i32, bytes: Vec<u8>) -> io::Result<CompletedPart> {
        let request = self.client.upload_part().bucket(self.bucket).key(self.path).upload_id(self.id);
        let request = request.part_number(number).checksum_algorithm(ChecksumAlgorithm::Sha256);
        let sent = request.body(ByteStream::from(bytes)).send().await.map_err(io::Error::other)?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(sent.e_tag).set_checksum_sha256(sent.checksum_sha256).build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> io::Result<()> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(&self.path);
        request.upload_id(&self.id).multipart_upload(parts).send().await.map_err(io::Error::other)?;
        Ok(())
    }

    async fn abort(self) {
        let request = self.client.abort_multipart_upload().bucket(self.bucket).key(&self.path).upload_id(self.id);
        if let Err(error) = request.send().await {
            tracing::warn!(object.key = self.path, %error, "the parts of a failed upload are left in the bucket");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        // Without a runtime the process is ending; a lifecycle rule of the bucket has to remove the parts then.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.target.clone().abort());
        }
    }
}

/// The next part that has arrived, `None` when all have.
async fn finished(sending: &mut JoinSet<io::Result<CompletedPart>>) -> io::Result<Option<CompletedPart>> {
    match sending.join_next().await {
        Some(joined) => joined.unwrap_or_else(|gone| Err(io::Error::other(gone))).map(Some),
        None => Ok(None),
    }
}
