//! How the extractor is set up: the child's command, its limits, and where PDFium is.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// First argument with which an executable is asked to be the child process, see [`crate::child_main`].
pub const CHILD_ARGUMENT: &str = "__extract";

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
    /// How many children may run at once.
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
            children: std::thread::available_parallelism().map_or(1, usize::from),
            documents_per_child: Self::DOCUMENTS_PER_CHILD,
        })
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
