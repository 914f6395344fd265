//! The parent's side of one child: asks it to read a document, waits no longer than allowed, and says how it ended.
//!
//! No pipe can block: a request is read by the child before it writes anything, both of its outputs are read at the
//! same time, and whatever goes beyond a limit ends the child.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::{ChildCommand, Limits};
use crate::error::{Error, Limit};
use crate::wire::{Reading, Reply, Request, answer_ends, page_and_reply};

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

    /// Has it read a document. After an error it must not be asked again.
    pub(crate) async fn read(&mut self, request: &Request) -> Result<Reading, Error> {
        let limits = &request.limits;
        let mut line = serde_json::to_vec(request).map_err(|error| Error::io("asking the extractor", &error.into()))?;
        line.push(b'\n');
        let mut heard = Heard::default();
        let Ok(status) = timeout(limits.wall, self.converse(&line, limits, &mut heard)).await else {
            self.end().await?;
            return Err(Error::TooComplex { limit: Limit::Wall(limits.wall), page: heard.page() });
        };
        let status = status?;
        if heard.answer.len() as u64 > limits.output_bytes {
            return Err(Error::TooComplex { limit: Limit::OutputBytes(limits.output_bytes), page: heard.page() });
        }
        if let Some(status) = status.filter(|status| !status.success()) {
            return Err(cause_of_death(status, &heard, limits));
        }
        // A long answer takes long enough to matter to everything else on this thread.
        spawn_blocking(move || reply(&heard.answer))
            .await
            .unwrap_or_else(|error| Err(Error::io("reading the extractor's answer", &error.into())))
    }

    /// Asks and listens; the status of a child that has ended, none of one that has answered and lives.
    async fn converse(
        &mut self,
        request: &[u8],
        limits: &Limits,
        heard: &mut Heard,
    ) -> Result<Option<ExitStatus>, Error> {
        let failed = |error: std::io::Error| Error::io("talking to the extractor", &error);
        // A child that ends before it has read its request is judged by its end.
        let asked = self.stdin.write_all(request).await;
        let Heard { answer, said } = heard;
        let mut overheard = self.stderr.is_none();
        let ended = {
            let mut listening = std::pin::pin!(answer_up_to(&mut self.stdout, limits.output_bytes, answer));
            let mut overhearing = std::pin::pin!(overhear(&mut self.stderr, said));
            loop {
                tokio::select! {
                    ended = &mut listening => break ended.map_err(failed)?,
                    result = &mut overhearing, if !overheard => { result.map_err(failed)?; overheard = true; }
                }
            }
        };
        match ended {
            Ended::Answered => return Ok(None),
            Ended::BeyondLimit => self.end().await?,
            Ended::Closed => overhear(&mut self.stderr, said).await.map_err(failed)?,
        }
        let status = self.child.wait().await.map_err(failed)?;
        if status.success() {
            asked.map_err(failed)?;
        }
        Ok(Some(status))
    }

    async fn end(&mut self) -> Result<(), Error> {
        self.child.kill().await.map_err(|error| Error::io("ending the extractor", &error))
    }
}

fn reply(answer: &[u8]) -> Reply {
    let (page, reply) = page_and_reply(answer);
    serde_json::from_slice::<Reply>(reply)
        .unwrap_or_else(|error| Err(Error::Crashed { how: format!("an unreadable answer: {error}"), page, said: None }))
}

/// What a child wrote about one document.
#[derive(Default)]
struct Heard {
    /// At most one byte more than is allowed.
    answer: Vec<u8>,
    /// The beginning of its standard error.
    said: Vec<u8>,
}

impl Heard {
    /// The page it was reading.
    fn page(&self) -> Option<u32> {
        page_and_reply(&self.answer).0
    }
}

/// How the reading of an answer ended.
enum Ended {
    /// The answer is whole.
    Answered,
    /// The child closed its output.
    Closed,
    /// It writes more than it may.
    BeyondLimit,
}

/// Reads an answer to its end, or to one byte beyond the limit. What was read stays when nobody waits for the rest.
async fn answer_up_to(pipe: impl AsyncRead + Unpin, limit: u64, answer: &mut Vec<u8>) -> std::io::Result<Ended> {
    let mut pipe = pipe.take(limit + 1);
    loop {
        let known = answer.len();
        if pipe.read_buf(answer).await? == 0 {
            return Ok(if answer.len() as u64 > limit { Ended::BeyondLimit } else { Ended::Closed });
        }
        if answer_ends(answer, known) {
            return Ok(Ended::Answered);
        }
    }
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
