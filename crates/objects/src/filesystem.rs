//! Objects as files below one folder.
//!
//! A write goes to a temporary file, is flushed to the disk and renamed into place, and then the folder is flushed:
//! a reader, a crash or a power cut sees the old object or the new one. The temporary files have a folder of their
//! own, whose name no key can have, so that what a killed process leaves behind is found without a walk over every
//! object.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use protocol::ArtifactRef;
use tokio::task::spawn_blocking;

use crate::{Error, LocalFile, Objects, hash, key};

/// The folder of the temporary files, beside the objects because a rename stays within one file system.
const INCOMING: &str = "~incoming";
/// A temporary file that nobody has written to for so long has lost its writer.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Objects below a root folder, which is made with the first object.
#[derive(Clone, Debug)]
pub struct Filesystem {
    root: PathBuf,
    /// Set when this process has removed what others left behind.
    swept: Arc<OnceLock<()>>,
}

impl Filesystem {
    /// A store in `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, swept: Arc::default() }
    }

    fn path(&self, key: &str) -> Result<PathBuf, Error> {
        key::check(key)?;
        Ok(self.root.join(key))
    }

    /// Stores what a reader yields.
    async fn store<R: Read>(
        &self,
        key: &str,
        media_type: &str,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Result<ArtifactRef, Error> {
        let target = self.path(key)?;
        let store = self.clone();
        let (sha256, size) = blocking(key, move || store.write(&target, open()?)).await?;
        Ok(ArtifactRef { key: key.to_owned(), sha256, size, media_type: media_type.to_owned() })
    }

    /// Writes an object so that it is there whole or not at all, and returns its SHA-256 and length.
    fn write(&self, target: &Path, mut source: impl Read) -> io::Result<(String, u64)> {
        let incoming = self.root.join(INCOMING);
        make_folder(&incoming)?;
        if self.swept.get().is_none() {
            sweep(&incoming)?;
            self.swept.get_or_init(|| ());
        }
        let mut temporary = tempfile::NamedTempFile::new_in(&incoming)?;
        let written = hash::copy(&mut source, temporary.as_file_mut())?;
        temporary.as_file().sync_all()?;
        let folder = target.parent().unwrap_or(&self.root);
        make_folder(folder)?;
        temporary.persist(target)?;
        flush_folder(folder)?;
        Ok(written)
    }
}

#[async_trait]
impl Objects for Filesystem {
    async fn put(&self, key: &str, bytes: &[u8], media_type: &str) -> Result<ArtifactRef, Error> {
        let bytes = bytes.to_vec();
        self.store(key, media_type, move || Ok(io::Cursor::new(bytes))).await
    }

    async fn put_file(&self, key: &str, file: &Path, media_type: &str) -> Result<ArtifactRef, Error> {
        let file = file.to_owned();
        self.store(key, media_type, move || File::open(file)).await
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(key)?;
        blocking(key, move || fs::read(path)).await.map_err(missing_is_not_found)
    }

    async fn get_checked(&self, artifact: &ArtifactRef) -> Result<Vec<u8>, Error> {
        let path = self.path(&artifact.key)?;
        let (bytes, found) = blocking(&artifact.key, move || {
            let bytes = fs::read(path)?;
            let found = hash::sha256(&bytes);
            Ok((bytes, found))
        })
        .await
        .map_err(missing_is_not_found)?;
        if found == artifact.sha256 {
            Ok(bytes)
        } else {
            Err(Error::Mismatch { key: artifact.key.clone(), expected: artifact.sha256.clone(), found })
        }
    }

    async fn local_file(&self, key: &str) -> Result<LocalFile, Error> {
        if self.exists(key).await? {
            Ok(LocalFile::in_place(self.path(key)?))
        } else {
            Err(Error::NotFound(key.to_owned()))
        }
    }

    async fn import(&self, key: &str, most: u64) -> Result<LocalFile, Error> {
        key::check_foreign(key)?;
        let path = self.root.join(key);
        let asked = path.clone();
        let found = blocking(key, move || fs::metadata(asked)).await.map_err(missing_is_not_found)?;
        if !found.is_file() {
            return Err(Error::NotFound(key.to_owned()));
        }
        if found.len() > most {
            return Err(Error::TooLarge { key: key.to_owned(), most });
        }
        Ok(LocalFile::in_place(path))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        let path = self.path(key)?;
        match blocking(key, move || fs::metadata(path)).await.map_err(missing_is_not_found) {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let path = self.path(key)?;
        match blocking(key, move || fs::remove_file(path)).await.map_err(missing_is_not_found) {
            Ok(()) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn delete_below(&self, folder: &str) -> Result<(), Error> {
        let path = self.path(folder)?;
        // An object of that very name is not below it, and no folder.
        match blocking(folder, move || fs::remove_dir_all(path)).await.map_err(missing_is_not_found) {
            Ok(()) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Runs file work where it holds up nobody.
async fn blocking<T: Send + 'static>(
    key: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let result = spawn_blocking(work).await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
    result.map_err(|source| Error::Io { key: key.to_owned(), source })
}

/// A key that leads nowhere, through a file, or to a folder has no object.
fn missing_is_not_found(error: Error) -> Error {
    match error {
        Error::Io { key, source }
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) =>
        {
            Error::NotFound(key)
        }
        other => other,
    }
}

/// Makes a folder and those above it, each flushed into its parent so that it survives what the object survives.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return fs::create_dir_all(folder);
    };
    make_folder(parent)?;
    match fs::create_dir(folder) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        result => result,
    }?;
    flush_folder(parent)
}

/// Removes the temporary files of writers that were killed.
fn sweep(incoming: &Path) -> io::Result<()> {
    for entry in fs::read_dir(incoming)? {
        let entry = entry?;
        match entry.metadata().and_then(|metadata| metadata.modified()) {
            Ok(modified) if is_abandoned(modified) => {}
            Ok(_) => continue,
            // Finished or swept by somebody else meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A time in the future, after the clock was set back, is not long ago.
fn is_abandoned(modified: SystemTime) -> bool {
    SystemTime::now().duration_since(modified).is_ok_and(|age| age > ABANDONED)
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
