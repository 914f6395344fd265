//! The parent's side: starts a child for one document, waits no longer than allowed, and says how it ended.
//!
//! No pipe can block: the request is read by the child before it writes anything, both of its outputs are read at the
//! same time, and whatever goes beyond a limit ends the child.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::{ChildCommand, Limits};
use crate::error::{Error, Limit};
use crate::wire::{Reading, Reply, Request};

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
    let Ok(conversation) = timeout(limits.wall, converse(&mut child, &line, limits)).await else {
        end(&mut child).await?;
        return Err(Error::TooComplex(Limit::Wall(limits.wall)));
    };
    let Conversation { status, answer, said } = conversation?;
    if answer.len() as u64 > limits.output_bytes {
        return Err(Error::TooComplex(Limit::OutputBytes(limits.output_bytes)));
    }
    if !status.success() {
        return Err(cause_of_death(status, &said, limits));
    }
    serde_json::from_slice::<Reply>(&answer)
        .unwrap_or_else(|error| Err(Error::Crashed { how: format!("an unreadable answer: {error}"), said: None }))
}

/// What a child did from its start to its end.
struct Conversation {
    status: ExitStatus,
    /// At most one byte more than is allowed.
    answer: Vec<u8>,
    said: String,
}

async fn converse(child: &mut Child, request: &[u8], limits: &Limits) -> Result<Conversation, Error> {
    let failed = |error: std::io::Error| Error::io("talking to the extractor", &error);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
    };
    // A child that ends before it has read its request is judged by its end.
    let asked = stdin.write_all(request).await;
    let (answer, said) =
        tokio::try_join!(up_to(stdout, limits.output_bytes + 1), up_to(stderr, SAID_BYTES)).map_err(failed)?;
    if answer.len() as u64 > limits.output_bytes {
        end(child).await?;
    }
    let status = child.wait().await.map_err(failed)?;
    // Kept open until here: its closing is how a child learns that its parent is gone.
    drop(stdin);
    if status.success() {
        asked.map_err(failed)?;
    }
    Ok(Conversation { status, answer, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

/// Reads up to a limit; then closes the pipe, so that a child that goes on writing is told so and ends.
async fn up_to(pipe: impl AsyncRead + Unpin, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn end(child: &mut Child) -> Result<(), Error> {
    child.kill().await.map_err(|error| Error::io("ending the extractor", &error))
}

/// What is said before an abort for want of memory: by Rust, whose allocation failed, and by Rust when the C++ library's
/// `bad_alloc` reaches it, the one exception there is in PDFium. PDFium's own allocator aborts silently, while the C
/// library, which aborts on a damaged heap, says other things.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "cannot catch foreign exceptions"];

/// Why a child ended without success.
fn cause_of_death(status: ExitStatus, said: &str, limits: &Limits) -> Error {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    match status.signal() {
        Some(SIGXCPU) => Error::TooComplex(Limit::CpuSeconds(limits.cpu_seconds)),
        Some(SIGKILL) => Error::Killed,
        Some(SIGABRT) if OUT_OF_MEMORY.iter().any(|words| said.contains(words)) || said.is_empty() => {
            Error::TooComplex(Limit::MemoryBytes(limits.memory_bytes))
        }
        _ => Error::Crashed { how: status.to_string(), said: (!said.is_empty()).then(|| said.to_owned()) },
    }
}
