//! Objects in S3, or in a server that speaks its protocol.
//!
//! Large objects travel in parts, a few at a time, so that memory does not grow with them. Each object carries its
//! SHA-256 as metadata; whatever is read is checked against it, and the server checks every part that it gets.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use protocol::ArtifactRef;
use tokio::io::AsyncWriteExt;

use crate::{Error, LocalFile, Objects, key};
pub use config::{Config, Credentials, NoCredentials};
use download::Download;
use failure::{Failure, broken};
use source::Source;
use upload::Upload;

mod bucket;
mod config;
mod download;
mod failure;
mod source;
mod upload;

/// Under which name an object's metadata has its SHA-256.
const SHA256: &str = "sha256";
/// The longest key that S3 takes, in bytes, with the prefix.
const LONGEST_KEY: usize = 1024;
/// Objects of this size and more travel in parts of at least this size, in bytes; S3 refuses parts below 5 MiB.
const PART: usize = 8 * 1024 * 1024;
/// As much room is made before the first byte of an object is there; more only as more comes.
const ROOM: usize = 64 * 1024 * 1024;

/// Objects in one bucket, below a prefix.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: String,
    prefix: String,
    region: String,
}

impl S3 {
    /// Opens the store without asking the server anything.
    ///
    /// # Errors
    /// [`NoCredentials`] when neither the configuration nor the environment has any.
    pub fn open(config: Config) -> Result<Self, NoCredentials> {
        let client = config.client()?;
        Ok(Self { client, bucket: config.bucket, prefix: config.prefix, region: config.region })
    }

    /// What the server calls the object.
    fn path(&self, key: &str) -> Result<String, Error> {
        key::check(key)?;
        self.below(key)
    }

    /// The same for an object that somebody else put there.
    fn foreign_path(&self, key: &str) -> Result<String, Error> {
        key::check_foreign(key)?;
        self.below(key)
    }

    fn below(&self, key: &str) -> Result<String, Error> {
        let path = format!("{}{key}", self.prefix);
        if path.len() <= LONGEST_KEY { Ok(path) } else { Err(Error::InvalidKey(key.to_owned())) }
    }

    /// Stores what a reader yields.
    async fn store<R: Read + Seek + Send + 'static>(
        &self,
        key: &str,
        media_type: &str,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Result<ArtifactRef, Error> {
        let path = self.path(key)?;
        let (sha256, size) =
            self.send(path, media_type, open).await.map_err(|source| Error::Io { key: key.to_owned(), source })?;
        Ok(ArtifactRef { key: key.to_owned(), sha256, size, media_type: media_type.to_owned() })
    }

    /// Sends what a reader yields and returns its SHA-256 and length.
    async fn send<R: Read + Seek + Send + 'static>(
        &self,
        path: String,
        media_type: &str,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> io::Result<(String, u64)> {
        let (source, bytes) = Source::open(open).await?.read(PART).await?;
        if bytes.len() < PART {
            let (sha256, size) = (source.sha256(), bytes.len() as u64);
            self.send_whole(path, media_type, &sha256, bytes).await?;
            return Ok((sha256, size));
        }
        drop(bytes);
        // The hash comes before the parts, because metadata cannot be added afterwards.
        let (source, sha256, size) = source.describe().await?;
        Upload::begin(self, path, media_type, &sha256).await?.send(source, size, &sha256).await?;
        Ok((sha256, size))
    }

    async fn send_whole(&self, path: String, media_type: &str, sha256: &str, bytes: Vec<u8>) -> io::Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(path).content_type(media_type);
        let request = request.metadata(SHA256, sha256).checksum_algorithm(ChecksumAlgorithm::Sha256);
        request.body(ByteStream::from(bytes)).send().await.map_err(io::Error::other)?;
        Ok(())
    }
}

async fn read(download: &mut Download) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(download.size().min(ROOM));
    while let Some(chunk) = download.next().await? {
        bytes.extend_from_slice(chunk.as_ref());
    }
    Ok(bytes)
}

/// A file with what comes, as long as that is not more than `most` bytes.
async fn copy(mut download: Download, key: &str, most: u64) -> Result<LocalFile, Error> {
    let too_large = || Error::TooLarge { key: key.to_owned(), most };
    if download.size() as u64 > most {
        return Err(too_large());
    }
    let (file, path) = tempfile::NamedTempFile::new().map_err(broken(key))?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut come = 0;
    while let Some(chunk) = download.next().await? {
        come += chunk.as_ref().len() as u64;
        if come > most {
            return Err(too_large());
        }
        file.write_all(chunk.as_ref()).await.map_err(broken(key))?;
    }
    file.flush().await.map_err(broken(key))?;
    download.check_stored_hash()?;
    Ok(LocalFile::copy(path))
}

#[async_trait]
impl Objects for S3 {
    async fn put(&self, key: &str, bytes: &[u8], media_type: &str) -> Result<ArtifactRef, Error> {
        let bytes = bytes.to_vec();
        self.store(key, media_type, move || Ok(Cursor::new(bytes))).await
    }

    async fn put_file(&self, key: &str, file: &Path, media_type: &str) -> Result<ArtifactRef, Error> {
        let file = file.to_owned();
        self.store(key, media_type, move || File::open(file)).await
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        let mut download = Download::begin(self, key, self.path(key)?).await?;
        let bytes = read(&mut download).await?;
        download.check_stored_hash()?;
        Ok(bytes)
    }

    async fn get_checked(&self, artifact: &ArtifactRef) -> Result<Vec<u8>, Error> {
        let mut download = Download::begin(self, &artifact.key, self.path(&artifact.key)?).await?;
        let bytes = read(&mut download).await?;
        download.check_hash(&artifact.sha256)?;
        Ok(bytes)
    }

    async fn local_file(&self, key: &str) -> Result<LocalFile, Error> {
        copy(Download::begin(self, key, self.path(key)?).await?, key, u64::MAX).await
    }

    async fn import(&self, key: &str, most: u64) -> Result<LocalFile, Error> {
        copy(Download::begin(self, key, self.foreign_path(key)?).await?, key, most).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        let path = self.path(key)?;
        match self.client.head_object().bucket(&self.bucket).key(path).send().await.map_err(Failure::from) {
            Ok(_) => Ok(true),
            Err(Failure::Missing) => Ok(false),
            Err(Failure::Other(error)) => Err(broken(key)(error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let path = self.path(key)?;
        match self.client.delete_object().bucket(&self.bucket).key(path).send().await.map_err(Failure::from) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(Failure::Other(error)) => Err(broken(key)(error)),
        }
    }

    async fn delete_below(&self, folder: &str) -> Result<(), Error> {
        let start = format!("{}/", self.path(folder)?);
        let pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(start);
        let mut pages = pages.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(Failure::from) {
                Ok(page) => page,
                Err(Failure::Missing) => return Ok(()),
                Err(Failure::Other(error)) => return Err(broken(folder)(error)),
            };
            for path in page.contents().iter().filter_map(|object| object.key()) {
                let deleted = self.client.delete_object().bucket(&self.bucket).key(path).send().await;
                if let Err(Failure::Other(error)) = deleted.map_err(Failure::from) {
                    return Err(broken(folder)(error));
                }
            }
        }
        Ok(())
    }
}
