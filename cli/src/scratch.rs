//! The state folder of a run that keeps nothing.

use std::fs::{DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// How the names of such folders begin.
const PREFIX: &str = "flotilla-";

/// A younger folder may belong to a process that has yet to lock it.
const STARTING: Duration = Duration::from_secs(60);

/// A folder that goes with the guard. Those of processes that were killed go as well.
pub(crate) fn folder() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
    let owner = folder.path().metadata()?.uid();
    let neighbours = std::fs::read_dir(std::env::temp_dir())?;
    for neighbour in neighbours.flatten() {
        // Another process may have been faster; what stays is tried again by the next.
        if let Err(error) = remove_if_abandoned(&neighbour, owner) {
            tracing::debug!(folder = ?neighbour.path(), error = %error, "cannot tell whether it is in use, or remove it");
        }
    }
    Ok(folder)
}

/// Removes such a folder of the same user when the process that locked it is gone.
fn remove_if_abandoned(entry: &DirEntry, owner: u32) -> io::Result<()> {
    if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
        return Ok(());
    }
    let metadata = entry.metadata()?;
    let lock = entry.path().join("lock");
    if !metadata.is_dir() || metadata.uid() != owner || !lock.is_file() {
        return Ok(());
    }
    let lock = File::open(lock)?;
    let age = SystemTime::now().duration_since(lock.metadata()?.modified()?).unwrap_or_default();
    if age > STARTING && lock.try_lock().is_ok() {
        std::fs::remove_dir_all(entry.path())?;
    }
    Ok(())
}
