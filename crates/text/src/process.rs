//! The parent's side: starts a child for one document, waits no longer than allowed, and says how it ended.
//!
//! No pipe can block: the request is read by the child before it writes anything, both of its outputs are read at the
//! same time, and whatever goes beyond a limit ends the child.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::{ChildCommand, Limits};
use crate::error::{Error, Limit};
use crate::wire::{Reading, Reply, Request, page_and_reply};

/// How much of a child's standard error is kept.
const SAID_BYTES: u64 = 2000;

/// Has a child read a document.
pub(crate) async fn read(command: &ChildCommand, request: &Request) -> Result<Reading, Error> {
    let limits = &request.limits;
    let mut line = serde_json::to_vec(request).map_err(|error| Error::io("asking the extractor", &error.into()))?;
    line.push(b'\n');
    let mut child = Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::io(format!("starting {}", command.program.display()), &error))?;
    let mut heard = Heard::default();
    let Ok(status) = timeout(limits.wall, converse(&mut child, &line, limits, &mut heard)).await else {
        end(&mut child).await?;
        return Err(Error::TooComplex { limit: Limit::Wall(limits.wall), page: heard.page() });
    };
    let status = status?;
    if heard.answer.len() as u64 > limits.output_bytes {
        return Err(Error::TooComplex { limit: Limit::OutputBytes(limits.output_bytes), page: heard.page() });
    }
    if !status.success() {
        return Err(cause_of_death(status, &heard, limits));
    }
    // A long answer takes long enough to matter to everything else on this thread.
    spawn_blocking(move || reply(&heard.answer))
        .await
        .unwrap_or_else(|error| Err(Error::io("reading the extractor's answer", &error.into())))
}

fn reply(answer: &[u8]) -> Reply {
    let (page, reply) = page_and_reply(answer);
    serde_json::from_slice::<Reply>(reply)
        .unwrap_or_else(|error| Err(Error::Crashed { how: format!("an unreadable answer: {error}"), page, said: None }))
}

/// What a child wrote until its end.
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

async fn converse(child: &mut Child, request: &[u8], limits: &Limits, heard: &mut Heard) -> Result<ExitStatus, Error> {
    let failed = |error: std::io::Error| Error::io("talking to the extractor", &error);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    // A child that ends before it has read its request is judged by its end.
    let asked = stdin.write_all(request).await;
    let answer = up_to(stdout, limits.output_bytes + 1, &mut heard.answer);
    tokio::try_join!(answer, up_to(stderr, SAID_BYTES, &mut heard.said)).map_err(failed)?;
    if heard.answer.len() as u64 > limits.output_bytes {
        end(child).await?;
    }
    let status = child.wait().await.map_err(failed)?;
    // Kept open until here: its closing is how a child learns that its parent is gone.
    drop(stdin);
    if status.success() {
        asked.map_err(failed)?;
    }
    Ok(status)
}

/// Reads up to a limit; then closes the pipe, so that a child that goes on writing is told so and ends. What was read
/// stays when nobody waits for the rest.
async fn up_to(pipe: impl AsyncRead + Unpin, limit: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut pipe = pipe.take(limit);
    while pipe.read_buf(bytes).await? > 0 {}
    Ok(())
}

async fn end(child: &mut Child) -> Result<(), Error> {
    child.kill().await.map_err(|error| Error::io("ending the extractor", &error))
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
