//! The child process: limits itself, then reads documents and answers until its parent wants no more.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::config::OCR_ROLE;
use crate::confinement::{FONTS, Whose, close_files, refuse_calls};
use crate::error::Error;
use crate::formats::{self, File};
use crate::ocr::launch::launch;
use crate::pages::Pages;
use crate::picture::Picture;
use crate::wire::{Confined, Deed, End, Request, Said};

/// Open files a child needs: its three pipes, the document, the library, and fonts that PDFium looks up.
const OPEN_FILES: u64 = 32;

/// The whole life of a child process. Call it, and nothing else, when the executable's first argument is
/// [`crate::CHILD_ARGUMENT`].
///
/// Everything that can be told to the parent is an answer with exit code 0; a failure means that the parent is gone or
/// asked nonsense.
#[must_use]
pub fn child_main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    if arguments.next().is_some_and(|role| role == OCR_ROLE) {
        return launch(arguments);
    }
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
    let Some((first, bytes)) = asked(&mut io::stdin().lock())? else { return Ok(()) };
    limit(&first)?;
    // Before the file system is closed; what keeps it from loading is said when it is wanted.
    formats::prepare(&first.pdfium);
    // Some containers refuse the calls that would close it; the parent hears of it and reads on.
    let files = close_files(&FONTS, false).unwrap_or(false);
    let requests = hear_the_parent()?;
    let calls = refuse_calls(Whose::Process, false).is_ok();
    let confined = Confined { files, calls };
    answer(&first, &bytes, confined)?;
    drop(bytes);
    for (request, bytes) in requests {
        limit_processor_time(&request)?;
        answer(&request, &bytes, confined)?;
    }
    Ok(())
}

/// A request with its document; `None` when the parent wants no more.
fn asked(stdin: &mut impl BufRead) -> io::Result<Option<(Request, Vec<u8>)>> {
    let mut line = String::new();
    if stdin.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let request: Request = serde_json::from_str(&line)?;
    let mut bytes = Vec::new();
    // Asked for at once, so that what does not fit fails here and not after having grown step by step.
    let length = usize::try_from(request.bytes).map_err(io::Error::other)?;
    bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    stdin.take(request.bytes).read_to_end(&mut bytes)?;
    if bytes.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((request, bytes)))
}

fn answer(request: &Request, bytes: &[u8], confined: Confined) -> io::Result<()> {
    let mut answer = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let (end, pixels) = done(request, bytes, &mut answer);
    say(&mut answer, &Said::Confined(confined))?;
    say(&mut answer, &Said::End(end))?;
    answer.write_all(&pixels)?;
    answer.flush()
}

fn say(answer: &mut impl Write, said: &Said) -> io::Result<()> {
    serde_json::to_writer(&mut *answer, said)?;
    writeln!(answer)
}

/// Reads a document in this process, without limits of the kernel: for fuzzing alone, where a crash is what is looked for.
/// PDFs are answered with an error, as their parser is not ours.
///
/// # Errors
/// See [`Error`].
#[cfg(fuzzing)]
pub fn read_here(name: &str, bytes: &[u8]) -> Result<Vec<protocol::document::Page>, Error> {
    let (limits, pdfium) = (crate::config::Limits::default(), Err(Error::Empty));
    let mut read = Vec::new();
    let mut hear = |said: Said| {
        if let Said::Page { page, .. } = said {
            read.push(*page);
        }
        Ok(())
    };
    let file = File { bytes, name, password: None, pdfium: &pdfium };
    formats::read(&file, Pages::new(&limits, None, 1, &mut hear)).map(|_| read)
}

/// Does what was asked; what is to be said at the end, and the pixels that follow.
fn done(request: &Request, bytes: &[u8], answer: &mut impl Write) -> (Result<End, Error>, Vec<u8>) {
    let Request { deed, name, password, pdfium, limits, .. } = request;
    let file = File { bytes, name, password: password.as_deref(), pdfium };
    match deed {
        Deed::Read { wanted, from } => {
            let mut hear = |said: Said| {
                let said_so = say(answer, &said);
                // The parent must know of a page before this process may end because of it.
                let flushed =
                    if matches!(said, Said::Begin(_)) { said_so.and_then(|()| answer.flush()) } else { said_so };
                flushed.map_err(|error| Error::io("answering", &error))
            };
            let pages = Pages::new(limits, wanted.as_ref(), *from, &mut hear);
            (formats::read(&file, pages).map(End::Read), Vec::new())
        }
        Deed::Picture(wish) => match formats::picture(&file, wish) {
            Ok(Picture { placement, pixels }) => (Ok(End::Picture(placement)), pixels),
            Err(error) => (Err(error), Vec::new()),
        },
    }
}

/// What the kernel holds this process to from here on, whatever the parser is talked into.
fn limit(request: &Request) -> io::Result<()> {
    let Request { limits, documents, .. } = request;
    let set = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    set(Resource::As, limits.memory_bytes)?;
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Nofile, OPEN_FILES)?;
    // A second between the two, so that the end comes with the signal that names the cause; and a second more for each
    // document, as the time used before it counts in whole seconds.
    let most = (limits.cpu_seconds + 1).saturating_mul(u64::from(*documents)).saturating_add(1);
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(limits.cpu_seconds), maximum: Some(most) })?)
}

/// Allows so much processor time for one more document.
fn limit_processor_time(request: &Request) -> io::Result<()> {
    let current = processor_seconds().saturating_add(request.limits.cpu_seconds);
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = maximum.map_or(current, |maximum| current.min(maximum));
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?)
}

/// How much processor time this process has used, in seconds, rounded up.
fn processor_seconds() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(used.tv_sec).unwrap_or(0) + 1
}

/// Hears what the parent asks for next, and ends this process when the parent does, however that ends: the kernel then
/// closes our standard input.
///
/// The kernel's own parent-death signal is tied to the *thread* that started us, and a runtime may retire threads.
fn hear_the_parent() -> io::Result<Receiver<(Request, Vec<u8>)>> {
    const STACK: usize = 64 * 1024;
    let (send, requests) = channel();
    let listen = move || {
        let mut stdin = io::stdin().lock();
        // Nobody takes it when the process is about to end.
        while let Ok(Some(asked)) = asked(&mut stdin) {
            if send.send(asked).is_err() {
                break;
            }
        }
        // Not an orderly exit: the parser may be anywhere, and nobody waits for an answer.
        let _ = kill_process(getpid(), Signal::KILL);
    };
    thread::Builder::new().stack_size(STACK).spawn(listen)?;
    Ok(requests)
}
