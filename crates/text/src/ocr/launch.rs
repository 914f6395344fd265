//! Becomes tesseract, after having limited itself: the limits hold for whatever it does.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::confinement::{Whose, close_files, refuse_calls};

/// What stands before what tesseract could not be started for. No other output of it begins so.
pub(super) const NOT_STARTED: &str = "not started: ";

/// Where programs, their libraries and their data are.
const PROGRAMS: [&str; 8] =
    ["/usr", "/lib", "/lib64", "/bin", "/opt", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives"];

/// `MEMORY_BYTES CPU_SECONDS PROGRAM ARGUMENTS…`. Returns only when that fails.
pub(crate) fn launch(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let error = become_it(arguments).unwrap_or_else(|error| error);
    // Nobody is left to tell when this fails as well.
    let _ = io::Write::write_all(&mut io::stderr(), format!("{NOT_STARTED}{error}\n").as_bytes());
    ExitCode::FAILURE
}

fn become_it(mut arguments: impl Iterator<Item = OsString>) -> Result<io::Error, io::Error> {
    let missing = || io::Error::other("arguments are missing");
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let (memory, seconds) = (number().ok_or_else(missing)?, number().ok_or_else(missing)?);
    let program = arguments.next().ok_or_else(missing)?;
    let set = |resource, current, most| setrlimit(resource, Rlimit { current: Some(current), maximum: Some(most) });
    set(Resource::As, memory, memory)?;
    set(Resource::Core, 0, 0)?;
    // It writes to its standard output and nowhere else.
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Cpu, seconds, seconds + 1)?;
    let places = PROGRAMS.iter().map(PathBuf::from);
    let beside = Path::new(&program).parent().map(Path::to_owned);
    let data = std::env::var_os("TESSDATA_PREFIX").map(PathBuf::from);
    let readable: Vec<PathBuf> = places.chain(beside).chain(data).collect();
    // Kernels that lack one of the two have the other, or the limits alone.
    let _ = close_files(&readable, true);
    let _ = refuse_calls(Whose::Thread, true);
    Ok(Command::new(program).args(arguments).exec())
}
