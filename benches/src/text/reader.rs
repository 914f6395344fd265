//! A process of its own in which one engine reads documents, so that nobody else's time and memory is counted as its.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;
use protocol::document::Page;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::process::Command;
use tokio::time::timeout;

use super::engine::{Answer, Asked, Engine, Failure, FailureKind, PATIENCE};
use super::usage::Usage;
use crate::fleet::procfs;

/// How many documents a child reads where it reads many.
const DOCUMENTS_PER_CHILD: u32 = 64;

/// Address space of a peer's process, so that a bomb ends it and not the machine.
const PEER_BYTES: u64 = 6 << 30;

/// How long children may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Reads what standard input names, a line of JSON a document; writes texts into a folder and answers on standard output.
///
/// `arguments`: the engine and the folder.
///
/// # Errors
/// When it is asked nonsense or the operating system refuses something; a document that cannot be read is an answer.
pub async fn main(arguments: &[String]) -> anyhow::Result<()> {
    let [engine, folder] = arguments else { bail!("give an engine and a folder") };
    let engine = Engine::from_str(engine, false).map_err(anyhow::Error::msg)?;
    let folder = Path::new(folder);
    let mut reader = Reader::new(engine)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Asked { index, path } = serde_json::from_str(&line).context("reading the request")?;
        let answer = reader.read(&path, &folder.join(index.to_string())).await?;
        say(&Answer { index: Some(index), ..answer })?;
    }
    say(&reader.end().await?)
}

fn say(answer: &Answer) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(std::io::stdout().write_all(&line)?)
}

/// An engine, ready to read.
enum Reader {
    Ours(text::Extractor, Engine),
    Program(Engine),
}

impl Reader {
    fn new(engine: Engine) -> anyhow::Result<Self> {
        match engine {
            Engine::Ours | Engine::OursShared | Engine::OursBoxes => {
                let found = text::Config::discover().context("finding the running executable")?;
                let documents_per_child = if engine == Engine::OursShared { DOCUMENTS_PER_CHILD } else { 1 };
                // Those that it is compared with leave scans without text.
                let mode = if engine == Engine::OursBoxes { text::OcrMode::Auto } else { text::OcrMode::Never };
                let ocr = text::Ocr { mode, ..found.ocr };
                let config = text::Config { children: 1, documents_per_child, ocr, ..found };
                Ok(Self::Ours(text::Extractor::new(config), engine))
            }
            Engine::Pdftotext | Engine::PdftotextLayout | Engine::Tesseract => {
                setrlimit(Resource::As, Rlimit { current: Some(PEER_BYTES), maximum: Some(PEER_BYTES) })?;
                setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
                Ok(Self::Program(engine))
            }
            Engine::Pypdfium2 | Engine::Pdfminer | Engine::Pymupdf => bail!("{} is read in Python", engine.title()),
        }
    }

    async fn read(&mut self, path: &Path, into: &Path) -> anyhow::Result<Answer> {
        match self {
            Self::Ours(extractor, engine) => read_ours(extractor, *engine, path, into).await,
            Self::Program(engine) => read_by_program(*engine, path, into).await,
        }
    }

    /// What has not been answered for yet: the end of children.
    async fn end(self) -> anyhow::Result<Answer> {
        let (own, children) = (Usage::own()?, Usage::of_children()?);
        drop(self);
        no_children_left().await?;
        answer_since(own, children, Usage::own()?)
    }
}

async fn read_ours(extractor: &text::Extractor, engine: Engine, path: &Path, into: &Path) -> anyhow::Result<Answer> {
    let (own, children) = (Usage::own()?, Usage::of_children()?);
    let extracted = extractor.extract(&text::Source::file(path)).await;
    let text = extracted.as_ref().map(|extracted| extracted.document.text()).unwrap_or_default();
    let own_then = Usage::own()?;
    if engine != Engine::OursShared {
        no_children_left().await?;
    }
    let answer = answer_since(own, children, own_then)?;
    match extracted {
        Ok(extracted) => {
            let document = extracted.document;
            if engine == Engine::OursBoxes {
                std::fs::write(into.with_extension("json"), serde_json::to_vec(&document)?)?;
            }
            let prose: String = document.pages.iter().map(Page::prose).collect();
            std::fs::write(into.with_extension("txt"), text)?;
            std::fs::write(into.with_extension("prose.txt"), prose)?;
            Ok(Answer { pages: u32::try_from(document.pages.len()).ok(), ..answer })
        }
        Err(error) => {
            let kind = match &error {
                text::Error::Encrypted(_) => FailureKind::Password,
                text::Error::TooComplex { .. } => FailureKind::Timeout,
                text::Error::Crashed { .. } | text::Error::Killed => FailureKind::Crash,
                _ => FailureKind::Error,
            };
            let failure = Failure { kind, detail: format!("{}: {error}", error.code()) };
            Ok(Answer { failure: Some(failure), ..answer })
        }
    }
}

/// What this process and its children have used since then; what this process has used up to `now`.
fn answer_since(own: Usage, children: Usage, now: Usage) -> anyhow::Result<Answer> {
    let gone = Usage::of_children()?;
    Ok(Answer {
        cpu_s: (now.cpu.saturating_sub(own.cpu) + gone.cpu.saturating_sub(children.cpu)).as_secs_f64(),
        peak_kib: gone.peak_kib,
        caller_kib: now.peak_kib,
        ..Answer::default()
    })
}

async fn read_by_program(engine: Engine, path: &Path, into: &Path) -> anyhow::Result<Answer> {
    let (mut command, said) = (command(engine, path, into), into.with_extension("err"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?).kill_on_drop(true);
    let (own, children) = (Usage::own()?, Usage::of_children()?);
    let mut child = command.spawn().with_context(|| format!("starting {}", engine.title()))?;
    let ended = timeout(Duration::from_secs_f64(PATIENCE), child.wait()).await;
    if ended.is_err() {
        child.kill().await?;
    }
    // What it takes to start a program is the program's cost; what this one uses is not.
    let answer = answer_since(own, children, own)?;
    let words = String::from_utf8_lossy(&std::fs::read(&said)?).into_owned();
    let last = words.lines().last().unwrap_or("it ended without a word").to_owned();
    let failure = match ended {
        Err(_) => Some(Failure { kind: FailureKind::Timeout, detail: format!("more than {PATIENCE} s") }),
        Ok(status) => match status? {
            status if status.success() => None,
            status => Some(match status.signal() {
                Some(signal) => Failure { kind: FailureKind::Crash, detail: format!("signal {signal}") },
                None if words.contains("Incorrect password") => Failure { kind: FailureKind::Password, detail: last },
                None => Failure { kind: FailureKind::Error, detail: last },
            }),
        },
    };
    Ok(Answer { failure, ..answer })
}

fn command(engine: Engine, path: &Path, into: &Path) -> Command {
    let text: PathBuf = into.with_extension("txt");
    let mut command = Command::new(if engine == Engine::Tesseract { "tesseract" } else { "pdftotext" });
    match engine {
        // One thread, as its others spend time on waiting for each other.
        Engine::Tesseract => command.env("OMP_THREAD_LIMIT", "1").arg(path).arg(into).args(["txt", "tsv"]),
        Engine::PdftotextLayout => command.args(["-enc", "UTF-8", "-layout"]).arg(path).arg(text),
        _ => command.args(["-enc", "UTF-8"]).arg(path).arg(text),
    };
    command
}

/// Waits until every child has ended and counts.
async fn no_children_left() -> anyhow::Result<()> {
    let gone = async {
        while procfs::tree(std::process::id()).len() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(GONE_WITHIN, gone).await.context("a child that has answered does not end")
}
