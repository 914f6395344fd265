//! The front of the crate: finds out what a file is and has it read the right way.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::document::Document;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::{Config, Limits, find_pdfium};
use crate::error::{Error, Limit};
use crate::format::{self, Format};
use crate::pool::Pool;
use crate::wire::{self, Reading, Request};

/// A document on disk.
#[derive(Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What its owner calls it; the extension decides where the content does not.
    pub name: String,
    /// Opens it when it is encrypted.
    pub password: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        let Self { path, name, password } = self;
        let password = password.as_ref().map(|_| "…");
        f.debug_struct("Source").field("path", path).field("name", name).field("password", &password).finish()
    }
}

impl Source {
    /// A file called as on disk, without a password.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path, name, password: None }
    }
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// Its pages.
    pub document: Document,
    /// What read it: `pdfium`, `plain-text`.
    pub extractor: &'static str,
    /// What a person should know about the result, a sentence each: pages without text, pages that are damaged.
    pub warnings: Vec<String>,
}

/// Reads documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Extractor {
    config: Arc<Config>,
    children: Arc<Semaphore>,
    pool: Arc<Pool>,
}

impl Extractor {
    /// An extractor that is set up like this.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let children = Arc::new(Semaphore::new(config.children.max(1)));
        let pool = Arc::new(Pool::new(config.child.clone(), config.documents_per_child));
        Self { config: Arc::new(config), children, pool }
    }

    /// Reads one document. Dropping the future kills the child that reads it.
    ///
    /// # Errors
    /// See [`Error`]; all but `io` and `extractor_killed` are permanent.
    pub async fn extract(&self, source: &Source) -> Result<Extracted, Error> {
        let (extractor, format) = match self.format_of(source).await? {
            Format::Pdf => {
                let pdfium = find_pdfium(self.config.pdfium.as_deref())?;
                ("pdfium", wire::Format::Pdf { password: source.password.clone(), pdfium })
            }
            Format::Text { media_type } => ("plain-text", wire::Format::Text { media_type: media_type.to_owned() }),
        };
        let file = std::path::absolute(&source.path).map_err(|error| Error::io("finding the file", &error))?;
        let (limits, documents) = (self.config.limits.clone(), self.config.documents_per_child);
        let request = Request { file, format, limits, documents };
        let _permit = self.children.acquire().await;
        let Reading { document, warnings } = self.pool.read(&request).await?;
        Ok(Extracted { document, extractor, warnings })
    }

    async fn format_of(&self, source: &Source) -> Result<Format, Error> {
        let (path, name, limits) = (source.path.clone(), source.name.clone(), self.config.limits.clone());
        let recognised = spawn_blocking(move || format::recognise(&head(&path, &limits)?, &name)).await;
        recognised.unwrap_or_else(|error| Err(Error::io("reading the file", &error.into())))
    }
}

/// The first bytes of a file that is neither empty nor too large.
fn head(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::io(format!("reading {}", path.display()), &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // A pipe or a device would block or never end.
    if !metadata.is_file() {
        return Err(failed(ErrorKind::InvalidInput.into()));
    }
    if metadata.len() > limits.file_bytes {
        return Err(Limit::FileBytes(limits.file_bytes).into());
    }
    let mut head = Vec::with_capacity(format::HEAD);
    file.take(format::HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    if head.is_empty() { Err(Error::Empty) } else { Ok(head) }
}
