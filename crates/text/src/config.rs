//! How the extractor is set up: the child's command, its limits, and where PDFium is.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// First argument with which an executable is asked to be the child process, see [`crate::child_main`].
pub const CHILD_ARGUMENT: &str = "__extract";

/// Argument behind it with which the child is asked to become tesseract.
pub(crate) const OCR_ROLE: &str = "ocr";

/// Environment variable that names the PDFium library.
const PDFIUM_VARIABLE: &str = "FLOTILLA_PDFIUM";

/// File name of the library.
const PDFIUM_FILE: &str = "libpdfium.so";

/// How the extractor is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to start to read documents.
    pub child: ChildCommand,
    /// The PDFium library; `None`: looked for when the first PDF arrives.
    pub pdfium: Option<PathBuf>,
    /// What one document may cost.
    pub limits: Limits,
    /// How pictures of pages are read.
    pub ocr: Ocr,
    /// How many children may run at once; as many pages of one document are recognised side by side.
    pub children: usize,
    /// How many documents one child reads before another takes its place. With 1 no two documents meet in one process.
    pub documents_per_child: u32,
}

impl Config {
    /// How many documents a child reads unless something else was chosen.
    pub const DOCUMENTS_PER_CHILD: u32 = 1;

    /// The defaults: the running executable is its own child, PDFium is looked for, one child per processor.
    ///
    /// # Errors
    /// When the path of the running executable is not known.
    pub fn discover() -> io::Result<Self> {
        let executable = env::current_exe()?;
        Ok(Self {
            child: ChildCommand { program: executable, arguments: vec![CHILD_ARGUMENT.to_owned()] },
            pdfium: None,
            limits: Limits::default(),
            ocr: Ocr::default(),
            children: std::thread::available_parallelism().map_or(1, usize::from),
            documents_per_child: Self::DOCUMENTS_PER_CHILD,
        })
    }
}

/// When pictures of pages are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OcrMode {
    /// Where a page has no text, or none that can be trusted.
    #[default]
    Auto,
    /// On every page that can be drawn: what is recognised takes the place of what stands in the file.
    Always,
    /// Never. Scans stay without text.
    Never,
}

impl FromStr for OcrMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            other => Err(format!("{other:?} is none of auto, always and never")),
        }
    }
}

/// How pictures of pages are read: by tesseract, one process for each picture.
#[derive(Clone, Debug)]
pub struct Ocr {
    /// When.
    pub mode: OcrMode,
    /// The program; `None`: `tesseract` in the search path.
    pub program: Option<PathBuf>,
    /// Folder with its language data; `None`: its own.
    pub data: Option<PathBuf>,
    /// Languages as tesseract calls them: `eng`, `deu`, `script/Cyrillic`. Empty: English and its like at first, and what a
    /// page's script takes where that goes badly.
    pub languages: Vec<String>,
    /// How finely pages are drawn, in dots per inch.
    pub dpi: f32,
    /// How long one picture may take, in wall time and in processor time.
    pub wall: Duration,
    /// Address space of the process in bytes.
    pub memory_bytes: u64,
}

impl Default for Ocr {
    fn default() -> Self {
        let (wall, memory_bytes) = (Duration::from_secs(90), 1024 * 1024 * 1024);
        let (program, data) = (None, std::env::var_os("TESSDATA_PREFIX").map(PathBuf::from));
        Self { mode: OcrMode::Auto, program, data, languages: Vec::new(), dpi: 300.0, wall, memory_bytes }
    }
}

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What one document may cost. Reaching a limit is [`Error::TooComplex`], which names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Size of a plain text file in bytes; smaller, because nothing in it is compressed or no text.
    pub text_bytes: u64,
    /// What is inflated of an archive, in bytes: a Word file, a workbook, all attachments of an e-mail together.
    pub inflated_bytes: u64,
    /// Address space of the child in bytes.
    pub memory_bytes: u64,
    /// Processor time of the child in seconds.
    pub cpu_seconds: u64,
    /// Time from the start of the child to its answer.
    pub wall: Duration,
    /// Pages.
    pub pages: u32,
    /// Words of the whole document.
    pub words: u32,
    /// Size of what was read, in bytes of the child's answer, which the parent holds in memory along with the document.
    pub output_bytes: u64,
    /// Size of the picture of a page in bytes, uncompressed.
    pub picture_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            file_bytes: 512 * MIB,
            text_bytes: 16 * MIB,
            inflated_bytes: 256 * MIB,
            memory_bytes: 1536 * MIB,
            cpu_seconds: 90,
            wall: Duration::from_secs(120),
            pages: 5_000,
            words: 500_000,
            output_bytes: 64 * MIB,
            picture_bytes: 128 * MIB,
        }
    }
}

/// The PDFium library: `configured` or what the environment names, else the first of the usual places that has it.
pub(crate) fn find_pdfium(configured: Option<&Path>) -> Result<PathBuf, Error> {
    let named = configured.map(Path::to_owned).or_else(|| env::var_os(PDFIUM_VARIABLE).map(PathBuf::from));
    let places = named.map_or_else(usual_places, |path| vec![path]);
    places.iter().find(|path| path.is_file()).cloned().ok_or(Error::PdfiumMissing { looked_at: places })
}

/// Next to the executable, then `.tools/pdfium/` of the executable's and the current folder and all above them.
fn usual_places() -> Vec<PathBuf> {
    let executable = env::current_exe().ok();
    let beside = executable.as_deref().and_then(Path::parent);
    let current = env::current_dir().ok();
    let tools =
        [beside, current.as_deref()].into_iter().flatten().flat_map(Path::ancestors).map(|f| f.join(".tools/pdfium"));
    let mut places: Vec<PathBuf> = Vec::new();
    for folder in beside.map(Path::to_owned).into_iter().chain(tools) {
        let place = folder.join(PDFIUM_FILE);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Where tesseract is: where it was configured to be, else the first folder of the search path that has it.
pub(crate) fn find_tesseract(configured: Option<&Path>) -> Result<PathBuf, Error> {
    const PROGRAM: &str = "tesseract";
    if let Some(path) = configured {
        let missing = || Error::OcrUnavailable { detail: format!("{} does not exist", path.display()) };
        return path.is_file().then(|| path.to_owned()).ok_or_else(missing);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|program| program.is_file());
    found.ok_or_else(|| Error::OcrUnavailable {
        detail: "tesseract is not installed: apt-get install tesseract-ocr".to_owned(),
    })
}
