//! The parent's side of one child: asks it to read a document, waits no longer than allowed, and says how it ended.
//!
//! No pipe can block: a request is read by the child before it writes anything, both of its outputs are read at the
//! same time, and whatever goes beyond a limit ends the child.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::config::{ChildCommand, Limits};
use crate::error::{Error, Limit};
use crate::wire::{End, EndOf, Request, Said, lines};

/// How much of a child's standard error is kept.
const SAID_BYTES: usize = 2000;

/// A running child. Dropping it kills it.
pub(crate) struct Reader {
    child: Child,
    /// Its closing is how a child learns that its parent is gone.
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Closed when the child has said enough.
    stderr: Option<ChildStderr>,
}

impl Reader {
    /// Starts a child.
    pub(crate) fn start(command: &ChildCommand) -> Result<Self, Error> {
        let starting = |error: std::io::Error| Error::io(format!("starting {}", command.program.display()), &error);
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(starting)?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), stderr) => Ok(Self { child, stdin, stdout, stderr }),
            _ => Err(starting(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Whether it can be asked: it has not ended meanwhile.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The address space that it takes up, in bytes; `None` once it has ended.
    pub(crate) fn memory(&self) -> Option<u64> {
        const PAGE: u64 = 4096;
        let status = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()?)).ok()?;
        let pages: u64 = status.split(' ').next()?.parse().ok()?;
        Some(pages * PAGE)
    }

    /// Has it do something with a document, whose bytes are `file`, within `wall`. What it says goes to `heard`, also when it
    /// fails; after an error it must not be asked again.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
        file: &mut File,
        wall: Duration,
        heard: &mut Heard,
    ) -> Result<End, Error> {
        let limits = &request.limits;
        let mut line = serde_json::to_vec(request).map_err(|error| Error::io("asking the extractor", &error.into()))?;
        line.push(b'\n');
        let Ok(status) = timeout(wall, self.converse(&line, request.bytes, file, limits, heard)).await else {
            self.end().await?;
            return Err(Error::TooComplex { limit: Limit::Wall(limits.wall), page: heard.page() });
        };
        match status? {
            Ended::Answered => heard.end().unwrap_or_else(|| Err(unreadable("no end", heard))),
            Ended::BeyondLimit => {
                self.end().await?;
                Err(Error::TooComplex { limit: Limit::OutputBytes(limits.output_bytes), page: heard.page() })
            }
            Ended::Closed(status) if status.success() => Err(unreadable("it broke off", heard)),
            Ended::Closed(status) => Err(cause_of_death(status, heard, limits)),
        }
    }

    /// Asks and listens.
    async fn converse(
        &mut self,
        request: &[u8],
        bytes: u64,
        file: &mut File,
        limits: &Limits,
        heard: &mut Heard,
    ) -> Result<Ended, Error> {
        let failed = |error: std::io::Error| Error::io("talking to the extractor", &error);
        file.rewind().await.map_err(|error| Error::io("reading the file", &error))?;
        // A child that ends before it has read its request is judged by its end.
        let asked = match self.stdin.write_all(request).await {
            Ok(()) => tokio::io::copy(&mut file.take(bytes), &mut self.stdin).await,
            Err(error) => Err(error),
        };
        if asked.as_ref().is_ok_and(|sent| *sent < bytes) {
            return Err(Error::io("reading the file", &std::io::Error::other("it became shorter meanwhile")));
        }
        let mut overheard = self.stderr.is_none();
        let Heard { answer, pixels, said, looking, .. } = heard;
        let listened = {
            let mut listening = std::pin::pin!(answer_up_to(&mut self.stdout, limits, answer, pixels, looking));
            let mut overhearing = std::pin::pin!(overhear(&mut self.stderr, said));
            loop {
                tokio::select! {
                    listened = &mut listening => break listened.map_err(failed)?,
                    result = &mut overhearing, if !overheard => { result.map_err(failed)?; overheard = true; }
                }
            }
        };
        match listened {
            Listened::Whole => return Ok(Ended::Answered),
            Listened::BeyondLimit => return Ok(Ended::BeyondLimit),
            Listened::Closed => overhear(&mut self.stderr, said).await.map_err(failed)?,
        }
        let status = self.child.wait().await.map_err(failed)?;
        if status.success() {
            asked.map_err(failed)?;
        }
        Ok(Ended::Closed(status))
    }

    async fn end(&mut self) -> Result<(), Error> {
        self.child.kill().await.map_err(|error| Error::io("ending the extractor", &error))
    }
}

/// How a conversation ended.
enum Ended {
    Answered,
    BeyondLimit,
    Closed(ExitStatus),
}

fn unreadable(what: &str, heard: &Heard) -> Error {
    Error::Crashed { how: format!("an unreadable answer: {what}"), page: heard.page(), said: None }
}

/// What a child wrote about one document.
#[derive(Default)]
pub(crate) struct Heard {
    /// Its lines, at most one byte more than is allowed.
    answer: Vec<u8>,
    /// What follows them.
    pub(crate) pixels: Vec<u8>,
    /// The beginning of its standard error.
    said: Vec<u8>,
    looking: EndOf,
}

impl Heard {
    /// What it said, line by line.
    pub(crate) fn said(&self) -> impl Iterator<Item = Result<Said, Error>> {
        lines(&self.answer).map(|line| {
            serde_json::from_slice(line).map_err(|error| {
                // A line that nobody understands may have been a page: it must not be missing in silence.
                Error::Crashed { how: format!("an unreadable answer: {error}"), page: None, said: None }
            })
        })
    }

    /// The page it was reading.
    fn page(&self) -> Option<u32> {
        let mut page = None;
        for line in lines(&self.answer) {
            // Only these are short; the others need not be parsed to know that they end a page.
            const SHORT: usize = 64;
            let begun = (line.len() < SHORT).then(|| serde_json::from_slice(line).ok()).flatten();
            page = if let Some(Said::Begin(page)) = begun { Some(page) } else { None };
        }
        page
    }

    fn end(&self) -> Option<Result<End, Error>> {
        let last = lines(&self.answer).last()?;
        match serde_json::from_slice(last).ok()? {
            Said::End(end) => Some(end),
            _ => None,
        }
    }
}

/// How the reading of an answer ended.
enum Listened {
    /// The answer is whole.
    Whole,
    /// The child closed its output.
    Closed,
    /// It writes more than it may.
    BeyondLimit,
}

/// Reads an answer to its end, or to one byte beyond the limit. What was read stays when nobody waits for the rest.
async fn answer_up_to(
    pipe: &mut ChildStdout,
    limits: &Limits,
    answer: &mut Vec<u8>,
    pixels: &mut Vec<u8>,
    looking: &mut EndOf,
) -> std::io::Result<Listened> {
    let mut text = (&mut *pipe).take(limits.output_bytes + 1);
    let end = loop {
        if text.read_buf(answer).await? == 0 {
            let is_beyond = answer.len() as u64 > limits.output_bytes;
            return Ok(if is_beyond { Listened::BeyondLimit } else { Listened::Closed });
        }
        if let Some(end) = looking.find(answer) {
            break end;
        }
    };
    *pixels = answer.split_off(end);
    let last = lines(answer).last().unwrap_or_default();
    let Ok(Said::End(Ok(End::Picture(placement)))) = serde_json::from_slice(last) else { return Ok(Listened::Whole) };
    if placement.bytes() > limits.picture_bytes {
        return Ok(Listened::BeyondLimit);
    }
    let missing = placement.bytes().saturating_sub(pixels.len() as u64);
    pipe.take(missing).read_to_end(pixels).await?;
    Ok(if pixels.len() as u64 == placement.bytes() { Listened::Whole } else { Listened::Closed })
}

/// Reads what a child says until it has said enough; then closes the pipe, so that a child that goes on is told so.
async fn overhear(pipe: &mut Option<ChildStderr>, said: &mut Vec<u8>) -> std::io::Result<()> {
    while let Some(open) = pipe {
        let room = SAID_BYTES.saturating_sub(said.len()) as u64;
        if room == 0 || open.take(room).read_buf(said).await? == 0 {
            *pipe = None;
        }
    }
    Ok(())
}

/// What is said before an abort for want of memory: by Rust, whose allocation failed, and by Rust when the C++ library's
/// `bad_alloc` reaches it, the one exception there is in PDFium. PDFium's own allocator aborts silently, while the C
/// library, which aborts on a damaged heap, says other things.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "cannot catch foreign exceptions"];

/// Why a child ended without success.
fn cause_of_death(status: ExitStatus, heard: &Heard, limits: &Limits) -> Error {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    let page = heard.page();
    let said = String::from_utf8_lossy(&heard.said).trim().to_owned();
    match status.signal() {
        Some(SIGXCPU) => Error::TooComplex { limit: Limit::CpuSeconds(limits.cpu_seconds), page },
        Some(SIGKILL) => Error::Killed,
        Some(SIGABRT) if OUT_OF_MEMORY.iter().any(|words| said.contains(words)) || said.is_empty() => {
            Error::TooComplex { limit: Limit::MemoryBytes(limits.memory_bytes), page }
        }
        _ => Error::Crashed { how: status.to_string(), page, said: (!said.is_empty()).then_some(said) },
    }
}
