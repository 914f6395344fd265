//! Children that wait for their next document, so that not every document pays for the start of a process.
//!
//! A child is asked again only after a document it could read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::metrics::{counter, gauge};
use tokio::fs::File;

use crate::config::ChildCommand;
use crate::error::{Error, Limit};
use crate::process::{Heard, Reader};
use crate::wire::{End, Request};

/// Children by `state`: `busy`, `idle`.
const CHILDREN: &str = "flotilla_children";
/// Children that ended or were ended, by `reason`: `tasks` (they had read as many documents as they may), `memory` (they had
/// grown, or their document wanted too much), `timeout` (wall time or processor time), `crash` (they died or were killed),
/// `unreadable` (their document could not be read).
const RECYCLED: &str = "flotilla_child_recycled_total";

/// A child that has kept more than this share of its memory after a document leaves too little for the next.
const SHARE_OF_MEMORY: u64 = 2;

/// The children of one extractor.
#[derive(Debug)]
pub(crate) struct Pool {
    command: ChildCommand,
    /// How many documents one child reads.
    documents: u32,
    idle: Mutex<Vec<Child>>,
}

/// A child with its history.
struct Child {
    reader: Reader,
    read: u32,
}

impl Pool {
    pub(crate) fn new(command: ChildCommand, documents: u32) -> Self {
        Self { command, documents: documents.max(1), idle: Mutex::default() }
    }

    /// Has a child do something with a document within that time. What it says goes to `heard`.
    ///
    /// `used` says whether a child may do it that has read other documents; the answer says whether one did.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        file: &mut File,
        wall: Duration,
        heard: &mut Heard,
        used: bool,
    ) -> Result<(End, bool), (Error, bool)> {
        let _busy = Counted::new("busy");
        let idle = if used { self.take_idle() } else { None };
        let was_used = idle.is_some();
        let mut child = match idle {
            Some(child) => child,
            None => Child { reader: Reader::start(&self.command).map_err(|error| (error, false))?, read: 0 },
        };
        let outcome = child.reader.ask(request, file, wall, heard).await;
        child.read += 1;
        let most = request.limits.memory_bytes / SHARE_OF_MEMORY;
        let reason = match &outcome {
            Ok(_) if child.read >= self.documents => "tasks",
            Ok(_) if child.reader.memory().is_some_and(|kept| kept > most) => "memory",
            Ok(_) => {
                self.keep(child);
                return outcome.map(|end| (end, was_used)).map_err(|error| (error, was_used));
            }
            Err(error) => reason(error),
        };
        counter!(RECYCLED, "reason" => reason).increment(1);
        outcome.map(|end| (end, was_used)).map_err(|error| (error, was_used))
    }

    /// A child that waits and lives.
    fn take_idle(&self) -> Option<Child> {
        loop {
            let mut child = self.lock().pop()?;
            gauge!(CHILDREN, "state" => "idle").decrement(1.0);
            if child.reader.is_alive() {
                return Some(child);
            }
            counter!(RECYCLED, "reason" => "crash").increment(1);
        }
    }

    fn keep(&self, child: Child) {
        gauge!(CHILDREN, "state" => "idle").increment(1.0);
        self.lock().push(child);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        gauge!(CHILDREN, "state" => "idle").decrement(self.lock().len() as f64);
    }
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Child").field("read", &self.read).finish_non_exhaustive()
    }
}

/// Why a child that ended with this error is not asked again.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::TooComplex { limit: Limit::MemoryBytes(_) | Limit::OutputBytes(_), .. } => "memory",
        Error::TooComplex { limit: Limit::Wall(_) | Limit::CpuSeconds(_), .. } => "timeout",
        Error::Crashed { .. } | Error::Killed => "crash",
        _ => "unreadable",
    }
}

/// A child in a state, until dropped.
struct Counted(&'static str);

impl Counted {
    fn new(state: &'static str) -> Self {
        gauge!(CHILDREN, "state" => state).increment(1.0);
        Self(state)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(CHILDREN, "state" => self.0).decrement(1.0);
    }
}
