//! The file that a result goes to besides standard output.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Finds out before the work whether the file can be written after it.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let checked = || {
        if path.is_dir() {
            bail!("it is a folder");
        }
        if is_replaceable(path)? {
            // Has no name, so that nothing is left of it however this process ends.
            tempfile::tempfile_in(folder(path))?;
        } else if path.exists() && !path.metadata()?.file_type().is_fifo() {
            // To open a pipe that nobody reads would wait for its reader.
            OpenOptions::new().write(true).open(path)?;
        }
        Ok(())
    };
    checked().with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes a file so that nobody ever sees half of it. A device, a pipe and what a link points to are written in place.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if is_replaceable(path)? { replace(path, text) } else { Ok(writeln!(File::create(path)?, "{text}")?) }
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Whether a new file may take the place: nothing is there, or an ordinary file.
fn is_replaceable(path: &Path) -> std::io::Result<bool> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    // What the system makes of this mode is what it makes of every new file.
    let new = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(new).tempfile_in(folder(path))?;
    if let Ok(metadata) = path.metadata() {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    writeln!(file, "{text}")?;
    file.persist(path)?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
