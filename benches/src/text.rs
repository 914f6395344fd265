//! Text extraction beside its peers: how good the text is, what it costs, and how well scans are recognised.
//!
//! Everybody reads the same documents in processes of their own ([`reader`], or `read.py` for libraries of Python), which
//! the kernel counts time and memory of. There is no truth about what a document's text is, so words are compared with those
//! on which poppler, PDFium and MuPDF agree; and, since ours reads with PDFium, with those of the other two.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use self::engine::Engine;
use self::session::{Places, Run};

pub mod corpus;
pub mod engine;
pub mod ocr;
pub mod quality;
pub mod reader;
pub mod receipts;
mod report;
pub mod score;
mod session;
pub mod speed;
mod usage;

pub use report::markdown;

/// What to measure.
#[derive(Debug)]
pub struct Wanted {
    /// Folders of documents, and of receipts.
    pub folders: Vec<PathBuf>,
    /// The Python environment of the peers.
    pub peers: PathBuf,
    /// The folder of the peers' programs.
    pub sources: PathBuf,
    /// A folder for what is read and rendered; what is in there is replaced.
    pub work: PathBuf,
    /// How often the cost is measured; 0 leaves it out.
    pub rounds: u32,
    /// How many pages are rendered for recognition; 0 leaves it out.
    pub rendered: usize,
    /// How many receipts are recognised; 0 leaves it out.
    pub receipts: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// How many different documents there are.
    pub documents: usize,
    /// How this program was built: an unoptimised one says nothing about cost.
    pub build: &'static str,
    /// How good the text is.
    pub quality: Option<quality::Quality>,
    /// What it costs.
    pub speed: Option<speed::Speed>,
    /// Recognition on rendered pages.
    pub rendered: Option<ocr::Rendered>,
    /// Recognition on receipts.
    pub receipts: Option<receipts::Receipts>,
}

/// Measures everything that is wanted.
///
/// # Errors
/// When a folder cannot be read, or an engine is not there or fails as a whole; a document that an engine cannot read is part
/// of the measurement.
pub async fn measure(wanted: &Wanted) -> anyhow::Result<Measured> {
    let places = Places { peers: wanted.peers.clone(), sources: wanted.sources.clone(), work: wanted.work.clone() };
    std::fs::create_dir_all(&places.work).with_context(|| format!("making {}", places.work.display()))?;
    let documents = corpus::pdfs(&wanted.folders)?;
    let paths: Vec<_> = documents.iter().map(|document| document.path.as_path()).collect();
    let mut runs = Vec::new();
    for engine in Engine::OF_TEXT {
        runs.push(Run::of(engine, &paths, &places).await?);
    }
    let quality = quality::measured(&documents, &runs, &places).await?;
    let rendered = match wanted.rendered {
        0 => None,
        count => Some(ocr::measured(&documents, &runs, count, &places).await?),
    };
    // The rounds replace what was read above.
    let speed = match wanted.rounds {
        0 => None,
        rounds => Some(speed::measured(&documents, &runs, rounds, &places).await?),
    };
    let mut pictures = receipts::found(&wanted.folders)?;
    pictures.truncate(wanted.receipts);
    let receipts = if pictures.is_empty() { None } else { Some(receipts::measured(&pictures, &places).await?) };
    Ok(Measured {
        documents: documents.len(),
        build: if cfg!(debug_assertions) { "unoptimised build" } else { "release build" },
        quality: Some(quality),
        speed,
        rendered,
        receipts,
    })
}
