//! Why a document could not be read.

use std::path::PathBuf;
use std::time::Duration;

use protocol::{ErrorClass, TaskError};
use serde::{Deserialize, Serialize};

/// What can be read, as a person is told.
const READABLE: &str = "PDF, Word (.docx), Excel (.xlsx), PowerPoint (.pptx), OpenDocument (.odt, .ods), HTML, e-mail (.eml), PNG, JPEG, TIFF, \
     GIF, BMP, WebP, CSV, Markdown and plain text";

/// Why a document could not be read. Travels from the child to its parent as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is encrypted and was not opened.
    #[error("the file is protected: {0}")]
    Encrypted(Protection),
    /// A PDF file that is truncated or damaged beyond repair.
    #[error("the file is damaged: {detail}")]
    Corrupt {
        /// What is wrong with it.
        detail: String,
    },
    /// None of what can be read.
    #[error("the file is {looks_like}; {READABLE} can be read")]
    Unsupported {
        /// What its first bytes say it is, with an article.
        looks_like: String,
    },
    /// The pages are drawn by a program within the file, which only Adobe's software runs.
    #[error("the file is a dynamic XFA form, whose pages exist only inside Adobe software; print it to a PDF first")]
    XfaOnly,
    /// The document costs more than is allowed.
    #[error("the document is too complex: {limit}{}", at(*page))]
    TooComplex {
        /// What is exceeded.
        limit: Limit,
        /// The page that was being read then, where that is known.
        page: Option<u32>,
    },
    /// The parser fell over this document.
    #[error("the extractor crashed on this document ({how}{}){}", at(*page), said.as_deref().map(|said| format!(": {said}")).unwrap_or_default())]
    Crashed {
        /// The signal or exit code.
        how: String,
        /// The page that was being read then, where that is known.
        page: Option<u32>,
        /// The end of what it wrote to its standard error, if anything.
        said: Option<String>,
    },
    /// Somebody else ended the child: the kernel short of memory, or an operator.
    #[error("the extractor was killed from outside, perhaps because the machine is short of memory")]
    Killed,
    /// There is no PDFium library.
    #[error(
        "the PDFium library was not found; `make setup` obtains it, or FLOTILLA_PDFIUM may name it (looked at: {})",
        looked_at.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    PdfiumMissing {
        /// Where it was looked for.
        looked_at: Vec<PathBuf>,
    },
    /// There is a PDFium library and it cannot be loaded.
    #[error("the PDFium library {} cannot be loaded: {detail}; `make setup` obtains the right one", path.display())]
    PdfiumUnusable {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        detail: String,
    },
    /// Pictures of pages cannot be read on this machine.
    #[error("the document has scanned pages, which cannot be read here (OCR): {detail}")]
    OcrUnavailable {
        /// What is missing.
        detail: String,
    },
    /// The program that reads pictures fell over one.
    #[error("reading the picture of page {page} (OCR) failed: {detail}")]
    OcrFailed {
        /// The page.
        page: u32,
        /// How it ended.
        detail: String,
    },
    /// A kind of document that has no look of its own.
    #[error("there is no picture of a document that {reader} reads")]
    NoPicture {
        /// What reads it.
        reader: String,
    },
    /// The operating system refused something.
    #[error("{doing} failed: {detail}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        detail: String,
    },
}

/// What protects an encrypted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Protection {
    /// A password is needed and none was given.
    #[error("it needs a password")]
    PasswordNeeded,
    /// The password given does not open it.
    #[error("the password given does not open it")]
    PasswordWrong,
    /// Something other than a password: a certificate, a rights service.
    #[error("it is not protected by a password but by a scheme that cannot be opened here")]
    UnknownScheme,
    /// A password, of a kind of file that is not opened with one.
    #[error("it has a password, and only PDF files are opened with theirs; save it without")]
    PasswordUnused,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Limit {
    /// [`crate::Limits::file_bytes`] or [`crate::Limits::text_bytes`]
    #[error("the file is larger than {0} bytes")]
    FileBytes(u64),
    /// [`crate::Limits::memory_bytes`]
    #[error("reading it takes more than {} MiB of memory", .0 / (1024 * 1024))]
    MemoryBytes(u64),
    /// [`crate::Limits::cpu_seconds`]
    #[error("reading it takes more than {0} s of processor time")]
    CpuSeconds(u64),
    /// [`crate::Limits::wall`]
    #[error("reading it takes longer than {} s", .0.as_secs_f32())]
    Wall(Duration),
    /// [`crate::Limits::pages`]
    #[error("it has more than {0} pages")]
    Pages(u32),
    /// [`crate::Limits::words`]
    #[error("it has more than {0} words")]
    Words(u32),
    /// [`crate::Limits::output_bytes`]
    #[error("its text with positions takes more than {0} bytes")]
    OutputBytes(u64),
    /// [`crate::Limits::inflated_bytes`]
    #[error("what is compressed in it takes more than {0} bytes")]
    InflatedBytes(u64),
    /// Entries of an archive.
    #[error("it is an archive of more than {0} files")]
    Entries(u32),
    /// Elements within each other.
    #[error("its parts are nested deeper than {0} levels")]
    Depth(u32),
    /// Pixels of a picture, counted as they are stored.
    #[error("it is a picture of more than {0} pixels")]
    Pixels(u64),
}

impl Error {
    /// The stable code, documented in `docs/errors.md`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "file_empty",
            Self::Encrypted(_) => "file_encrypted",
            Self::Corrupt { .. } => "file_corrupt",
            Self::Unsupported { .. } => "file_unsupported",
            Self::XfaOnly => "file_xfa_only",
            Self::TooComplex { .. } => "file_too_complex",
            Self::Crashed { .. } => "extractor_crashed",
            Self::Killed => "extractor_killed",
            Self::PdfiumMissing { .. } => "pdfium_missing",
            Self::PdfiumUnusable { .. } => "pdfium_unusable",
            Self::OcrUnavailable { .. } => "ocr_unavailable",
            Self::OcrFailed { .. } => "ocr_failed",
            Self::NoPicture { .. } => "picture_unavailable",
            Self::Io { .. } => "io",
        }
    }

    /// Whether trying again can help. What a document does to its parser it does every time.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. } | Self::Killed => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        }
    }

    /// The page that was being read, where that is known.
    #[must_use]
    pub const fn page(&self) -> Option<u32> {
        match self {
            Self::TooComplex { page, .. } | Self::Crashed { page, .. } => *page,
            Self::OcrFailed { page, .. } => Some(*page),
            _ => None,
        }
    }

    /// Whether one page alone may be to blame.
    pub(crate) const fn is_of_a_page(&self) -> bool {
        matches!(
            self,
            Self::Crashed { .. } | Self::TooComplex { limit: Limit::MemoryBytes(_) | Limit::CpuSeconds(_), .. }
        )
    }

    pub(crate) fn io(doing: impl Into<String>, error: &std::io::Error) -> Self {
        Self::Io { doing: doing.into(), detail: error.to_string() }
    }

    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { detail: detail.into() }
    }
}

/// ", at page 7"
fn at(page: Option<u32>) -> String {
    page.map(|page| format!(", at page {page}")).unwrap_or_default()
}

impl From<Limit> for Error {
    /// A limit of the whole document rather than of one of its pages.
    fn from(limit: Limit) -> Self {
        Self::TooComplex { limit, page: None }
    }
}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        Self::new(error.class(), error.code(), error.to_string())
    }
}
