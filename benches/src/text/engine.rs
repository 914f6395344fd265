//! Who reads documents, and what they answer.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// First argument with which this program is asked to be [`super::reader`].
pub const READ_ARGUMENT: &str = "__read";

/// How long a reader may take for one document, in seconds.
pub(super) const PATIENCE: f64 = 60.0;

/// A program or library that reads documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The extractor of this project, a child process for each document.
    Ours,
    /// The same with many documents a child.
    OursShared,
    /// poppler's program, in reading order.
    Pdftotext,
    /// The same, as it looks.
    PdftotextLayout,
    /// PDFium in Python.
    Pypdfium2,
    /// pdfminer.six.
    Pdfminer,
    /// MuPDF in Python.
    Pymupdf,
    /// The extractor of this project, which also recognises pages that have no text, with the boxes of words.
    OursBoxes,
    /// tesseract's program, with the boxes of words.
    Tesseract,
}

impl Engine {
    /// Those that read PDFs with a text layer.
    pub const OF_TEXT: [Self; 7] = [
        Self::Ours,
        Self::OursShared,
        Self::Pdftotext,
        Self::PdftotextLayout,
        Self::Pypdfium2,
        Self::Pdfminer,
        Self::Pymupdf,
    ];

    /// What it is called in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ours => "Flotilla, a child a document",
            Self::OursShared => "Flotilla, many documents a child",
            Self::Pdftotext => "pdftotext",
            Self::PdftotextLayout => "pdftotext -layout",
            Self::Pypdfium2 => "pypdfium2",
            Self::Pdfminer => "pdfminer.six",
            Self::Pymupdf => "PyMuPDF (AGPL)",
            Self::OursBoxes => "Flotilla",
            Self::Tesseract => "tesseract",
        }
    }

    /// Its name on command lines and of its folder.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursShared => "ours-shared",
            Self::Pdftotext => "pdftotext",
            Self::PdftotextLayout => "pdftotext-layout",
            Self::Pypdfium2 => "pypdfium2",
            Self::Pdfminer => "pdfminer",
            Self::Pymupdf => "pymupdf",
            Self::OursBoxes => "ours-boxes",
            Self::Tesseract => "tesseract",
        }
    }

    /// Whether a Python program reads with it.
    pub(super) const fn is_python(self) -> bool {
        matches!(self, Self::Pypdfium2 | Self::Pdfminer | Self::Pymupdf)
    }
}

/// What a reader is asked: a line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Its number, which names what is written.
    pub(super) index: usize,
    pub(super) path: PathBuf,
}

/// What a reader answers about a document: a line of JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the document; none of what belongs to none, such as the end of a child that read many.
    pub index: Option<usize>,
    /// Processor time, user and system, of everything that took part.
    pub cpu_s: f64,
    /// The largest resident memory that a process which reads has had so far.
    pub peak_kib: u64,
    /// The largest resident memory of who started it. Where that is larger, a process that was forked from it counts as
    /// at least as large.
    #[serde(default)]
    pub caller_kib: u64,
    /// How many pages it has.
    pub pages: Option<u32>,
    /// Why there is no text.
    pub failure: Option<Failure>,
}

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub kind: FailureKind,
    /// In the words of who read it.
    pub detail: String,
}

/// What kept a document from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It needs a password.
    Password,
    /// It takes too long.
    Timeout,
    /// The reader was ended by a signal.
    Crash,
    /// The reader refuses it.
    Error,
}
