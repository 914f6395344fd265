//! How many tasks may be handed out at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most tasks that may be handed out at a time before runs wait in line. Clones share it.
///
/// What lies at the broker is worked on in the order it came, whoever owns it; what waits in line is released in turns.
/// So a fleet is fair when not much more lies at the broker than its workers can take.
#[derive(Clone, Debug)]
pub struct Window(Arc<AtomicUsize>);

impl Window {
    /// A window of that many tasks.
    #[must_use]
    pub fn of(tasks: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(tasks)))
    }

    /// How many it is now.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes it wider or narrower.
    pub fn set(&self, tasks: usize) {
        self.0.store(tasks, Ordering::Relaxed);
    }
}

impl Default for Window {
    /// Everything is handed out at once.
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}
