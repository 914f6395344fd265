//! The front of the crate: has a document read, whatever it takes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::document::{Document, PageFailure};
use tokio::fs::File;
use tokio::sync::Semaphore;

use crate::config::{Config, Ocr, find_pdfium};
use crate::error::{Error, Limit};
use crate::ocr::{self, Recogniser};
use crate::picture::{Picture, Wish};
use crate::pool::Pool;
use crate::process::Heard;
use crate::range::{PageRange, spoken};
use crate::reading::{self, Reading};
use crate::wire::{Deed, End, Request};

mod recognise;

/// A document on disk.
#[derive(Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What its owner calls it; the extension decides where the content does not.
    pub name: String,
    /// Opens it when it is encrypted.
    pub password: Option<String>,
    /// The pages that are wanted; `None`: all.
    pub pages: Option<PageRange>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        let Self { path, name, password, pages } = self;
        let password = password.as_ref().map(|_| "…");
        let mut shown = f.debug_struct("Source");
        shown.field("path", path).field("name", name).field("password", &password).field("pages", pages).finish()
    }
}

impl Source {
    /// A file called as on disk, without a password, all of it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path, name, password: None, pages: None }
    }
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// Its pages.
    pub document: Document,
    /// What read it: `pdfium`, `plain-text`, …
    pub extractor: String,
    /// What a person should know about the result, a sentence each: pages without text, pages that are damaged.
    pub warnings: Vec<String>,
}

/// Reads documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Extractor {
    config: Arc<Config>,
    children: Arc<Semaphore>,
    pool: Arc<Pool>,
    recogniser: ocr::Shared,
}

impl Extractor {
    /// An extractor that is set up like this.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let children = Arc::new(Semaphore::new(config.children.max(1)));
        let pool = Arc::new(Pool::new(config.child.clone(), config.documents_per_child));
        let recogniser = Arc::new(Recogniser::new(config.ocr.clone(), config.child.clone()));
        Self { config: Arc::new(config), children, pool, recogniser }
    }

    /// How pictures of pages are read, which decides what is read of them.
    #[must_use]
    pub fn ocr(&self) -> &Ocr {
        &self.config.ocr
    }

    /// Reads one document. Pages that fail are listed in [`Document::failures`] as long as there is one that does not.
    /// Dropping the future kills the children that read it.
    ///
    /// # Errors
    /// See [`Error`]; all but `io` and `extractor_killed` are permanent.
    pub async fn extract(&self, source: &Source) -> Result<Extracted, Error> {
        self.extract_telling(source, |_, _| {}).await
    }

    /// The same, telling how many of how many pages are done: recognising pictures takes seconds for each.
    ///
    /// # Errors
    /// As for [`Extractor::extract`].
    pub async fn extract_telling(
        &self,
        source: &Source,
        tell: impl Fn(u32, u32) + Send + Sync,
    ) -> Result<Extracted, Error> {
        let mut opened = self.open(source).await?;
        let request = self.request(source, &opened, Deed::Read { wanted: source.pages.clone(), from: 1 });
        let permit = self.children.acquire().await;
        let reading = reading::read(&self.pool, request, &mut opened.file).await?;
        drop((permit, opened));
        let reading = recognise::pictures(self, source, reading, &tell).await?;
        let Reading { pages, failures, summary, .. } = reading;
        let mut warnings = summary.warnings;
        warnings.extend(left_out(&failures));
        let pages = pages.into_iter().map(|(page, _)| page).collect();
        Ok(Extracted {
            document: Document { media_type: summary.media_type, pages, failures },
            extractor: summary.reader,
            warnings,
        })
    }

    /// Draws a page of a document.
    ///
    /// # Errors
    /// As for [`Extractor::extract`]; [`Error::NoPicture`] for documents without a look of their own.
    pub async fn picture(&self, source: &Source, wish: Wish) -> Result<Picture, Error> {
        let _permit = self.children.acquire().await;
        self.draw(source, wish).await
    }

    /// Draws a page; the caller has a permit.
    async fn draw(&self, source: &Source, wish: Wish) -> Result<Picture, Error> {
        let mut opened = self.open(source).await?;
        let page = wish.page;
        let request = self.request(source, &opened, Deed::Picture(wish));
        let mut heard = Heard::default();
        let wall = request.limits.wall;
        match self.pool.ask(&request, &mut opened.file, wall, &mut heard, false).await {
            Ok((End::Picture(placement), _)) => Ok(Picture { placement, pixels: std::mem::take(&mut heard.pixels) }),
            Ok((End::Read(_), _)) => Err(Error::Crashed { how: "no picture".to_owned(), page: Some(page), said: None }),
            Err((error, _)) => Err(error),
        }
    }

    fn request(&self, source: &Source, opened: &Opened, deed: Deed) -> Request {
        let Source { name, password, .. } = source.clone();
        let Config { limits, documents_per_child: documents, .. } = self.config.as_ref().clone();
        let pdfium = find_pdfium(self.config.pdfium.as_deref());
        Request { deed, name, bytes: opened.bytes, password, pdfium, limits, documents }
    }

    /// Opens a file that is neither empty nor too large.
    async fn open(&self, source: &Source) -> Result<Opened, Error> {
        let path = &source.path;
        let failed = |error: std::io::Error| Error::io(format!("reading {}", path.display()), &error);
        // A pipe or a device would block or never end, some of them when they are opened.
        if !tokio::fs::metadata(path).await.map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("it is no file")));
        }
        let file = File::open(path).await.map_err(failed)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        let most = self.config.limits.file_bytes;
        match bytes {
            0 => Err(Error::Empty),
            bytes if bytes > most => Err(Limit::FileBytes(most).into()),
            bytes => Ok(Opened { file, bytes }),
        }
    }
}

/// A document that is read.
struct Opened {
    file: File,
    bytes: u64,
}

/// A sentence for each way in which pages failed.
fn left_out(failures: &[PageFailure]) -> impl Iterator<Item = String> {
    let alike = failures.chunk_by(|a, b| a.code == b.code && a.message == b.message);
    alike.filter_map(|alike| {
        let pages: Vec<u32> = alike.iter().map(|failure| failure.page).collect();
        let PageFailure { code, message, .. } = alike.first()?;
        Some(format!("{}: left out ({code}): {message}", spoken(&pages)))
    })
}
