//! Counts started tasks and keeps how long they waited, across processes and languages, without a server.
//!
//! One file to which every process appends eight bytes per started task: the seconds between handing in and start, as
//! a little-endian double. A write of eight bytes costs a microsecond or two, the same for everybody compared, and
//! appends of several processes do not tear. The length of the file is the count.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The environment variable that names the file to workers.
pub const VARIABLE: &str = "BENCH_PROBE";

const ENTRY: u64 = 8;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// The clock of producers and workers: seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The writing end.
#[derive(Debug)]
pub struct Probe {
    file: File,
}

impl Probe {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).create(true).open(path)? })
    }

    /// A task has started that was handed in at `sent`.
    pub fn hit(&self, sent: f64) {
        // A hit that is missing makes the measurement wait in vain and fail, so nothing is hidden.
        let _ = (&self.file).write_all(&(now() - sent).to_le_bytes());
    }
}

/// The reading end.
#[derive(Clone, Debug)]
pub struct Readings {
    path: PathBuf,
}

impl Readings {
    /// An empty file in that folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join("probe");
        File::create(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many tasks have started.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn count(&self) -> io::Result<u64> {
        Ok(std::fs::metadata(&self.path)?.len() / ENTRY)
    }

    /// How long each task waited that started after the first `known`, in seconds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn since(&self, known: u64) -> io::Result<Vec<f64>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(known * ENTRY))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|entry| f64::from_le_bytes(*entry)).collect())
    }

    /// Waits until that many tasks have started, and says when it saw that.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub async fn wait(&self, count: u64, limit: Duration) -> anyhow::Result<Instant> {
        let started = Instant::now();
        loop {
            let there = self.count()?;
            if there >= count {
                return Ok(Instant::now());
            }
            anyhow::ensure!(started.elapsed() < limit, "only {there} of {count} tasks started within {limit:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_writers_append_is_counted_and_read_back() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let readings = Readings::create(folder.path())?;
        let (one, other) = (Probe::open(readings.path())?, Probe::open(readings.path())?);
        one.hit(now() - 1.0);
        other.hit(now() - 2.0);
        one.hit(now() - 3.0);
        assert_eq!(readings.count()?, 3);
        let waited: Vec<f64> = readings.since(1)?.into_iter().map(f64::floor).collect();
        assert_eq!(waited, [2.0, 3.0]);
        Ok(())
    }
}
