//! The child process: limits itself, reads one document, answers, ends.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;
use std::thread;

use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};

use crate::config::Limits;
use crate::error::Error;
use crate::wire::{Format, Reply, Request};
use crate::{pdf, plain};

/// Open files a child needs: its three pipes, the document, the library, and fonts that PDFium looks up.
const OPEN_FILES: u64 = 32;

/// The whole life of a child process. Call it, and nothing else, when the executable's first argument is
/// [`crate::CHILD_ARGUMENT`].
///
/// Everything that can be told to the parent is an answer with exit code 0; a failure means that the parent is gone or
/// asked nonsense.
#[must_use]
pub fn child_main() -> ExitCode {
    match converse() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails as well.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn converse() -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    limit(&request.limits)?;
    end_with_parent()?;
    let mut stdout = io::stdout().lock();
    let reply = read(&request, &mut stdout);
    writeln!(stdout)?;
    let mut answer = BufWriter::with_capacity(64 * 1024, stdout);
    serde_json::to_writer(&mut answer, &reply)?;
    answer.flush()
}

fn read(Request { file, format, limits }: &Request, progress: &mut impl Write) -> Reply {
    match format {
        Format::Pdf { password, pdfium } => {
            let begin = |page: u32| writeln!(progress, "{page}").map_err(|error| Error::io("answering", &error));
            pdf::read(file, password.as_deref(), pdfium, limits, begin)
        }
        Format::Text { media_type } => plain::read(file, media_type, limits),
    }
}

/// What the kernel holds this process to from here on, whatever the parser is talked into.
fn limit(limits: &Limits) -> io::Result<()> {
    let set = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    set(Resource::As, limits.memory_bytes)?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Nofile, OPEN_FILES)?;
    // A second between the two, so that the end comes with the signal that names the cause.
    let (current, maximum) = (Some(limits.cpu_seconds), Some(limits.cpu_seconds + 1));
    setrlimit(Resource::Cpu, Rlimit { current, maximum })?;
    Ok(())
}

/// Ends this process when its parent does, however that ends: the kernel then closes our standard input.
///
/// The kernel's own parent-death signal is tied to the *thread* that started us, and a runtime may retire threads.
fn end_with_parent() -> io::Result<()> {
    const STACK: usize = 64 * 1024;
    let watch = || {
        let mut rest = [0; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(1..)) {}
        // Not an orderly exit: the parser may be anywhere, and nobody waits for an answer.
        let _ = kill_process(getpid(), Signal::KILL);
    };
    thread::Builder::new().stack_size(STACK).spawn(watch)?;
    Ok(())
}
