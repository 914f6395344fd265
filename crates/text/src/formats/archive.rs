//! Archives of files, which is what office documents are.

use std::cell::Cell;
use std::io::{Cursor, Read};
use std::rc::Rc;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{Error, Limit, Protection};

/// Entries of one archive. The largest workbooks and presentations have hundreds.
const ENTRIES: u32 = 10_000;

/// How many bytes may still be inflated, by all archives of a document together.
#[derive(Clone)]
pub(crate) struct Budget {
    left: Rc<Cell<u64>>,
    most: u64,
}

impl Budget {
    /// So many bytes.
    pub(crate) fn new(most: u64) -> Self {
        Self { left: Rc::new(Cell::new(most)), most }
    }

    /// Takes some of them.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Error> {
        let left = self.left.get().checked_sub(bytes).ok_or(Limit::InflatedBytes(self.most))?;
        self.left.set(left);
        Ok(())
    }
}

/// An archive in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    budget: Budget,
}

impl<'a> Archive<'a> {
    /// Whether it begins like one.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04")
    }

    /// Reads what an archive says it contains.
    pub(super) fn open(bytes: &'a [u8], budget: Budget) -> Result<Self, Error> {
        // Asked before any of them is read, because each takes memory.
        if declared_entries(bytes) > u64::from(ENTRIES) {
            return Err(Limit::Entries(ENTRIES).into());
        }
        let zip = ZipArchive::new(Cursor::new(bytes));
        let zip = zip.map_err(|error| Error::corrupt(format!("its archive is cut off or broken: {error}")))?;
        if zip.len() > ENTRIES as usize {
            return Err(Limit::Entries(ENTRIES).into());
        }
        Ok(Self { zip, budget })
    }

    /// The content of a file; `None` if there is none of that name.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(index) = self.index(name) else { return Ok(None) };
        let broken = |error: &dyn std::fmt::Display| Error::corrupt(format!("{name}: {error}"));
        let entry = match self.zip.by_index(index) {
            Ok(entry) => entry,
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword) => {
                return Err(Error::Encrypted(Protection::PasswordUnused));
            }
            Err(error) => return Err(broken(&error)),
        };
        let most = self.budget.left.get();
        let mut content = Vec::new();
        // One byte more than is left, so that what is too large is noticed; what the archive declares proves nothing.
        let mut bounded = entry.take(most.saturating_add(1));
        bounded.read_to_end(&mut content).map_err(|error| broken(&error))?;
        self.budget.take(content.len() as u64)?;
        Ok(Some(content))
    }

    /// The content of a file that must be there.
    pub(super) fn require(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        self.read(name)?.ok_or_else(|| Error::corrupt(format!("it has no {name}")))
    }

    /// Whether there is a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    /// Names are compared as office programs do: without regard to case.
    fn index(&self, name: &str) -> Option<usize> {
        let name = name.trim_start_matches('/');
        let is_same = |other: &[u8]| other.eq_ignore_ascii_case(name.as_bytes());
        self.zip.index_for_name(name).or_else(|| self.zip.file_names_raw().position(is_same))
    }
}

/// How many entries the end of an archive says that there are.
fn declared_entries(bytes: &[u8]) -> u64 {
    /// The end record without its comment, and the longest comment.
    const RECORD: usize = 22;
    const COMMENT: usize = 65_535;
    let from = bytes.len().saturating_sub(RECORD + COMMENT);
    let end = bytes[from..].windows(4).rposition(|window| window == b"PK\x05\x06").map(|at| from + at);
    let Some(end) = end else { return 0 };
    let number = |at: usize, length: usize| {
        let digits = bytes.get(at..at + length).unwrap_or_default();
        digits.iter().rev().fold(0, |number, digit| number << 8 | u64::from(*digit))
    };
    match number(end + 10, 2) {
        // The real number is in a record of its own.
        0xffff => {
            let near = end.saturating_sub(4096);
            let record = bytes[near..end].windows(4).rposition(|window| window == b"PK\x06\x06");
            record.map_or(0xffff, |at| number(near + at + 32, 8))
        }
        count => count,
    }
}
