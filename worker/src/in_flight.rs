//! How many jobs a worker runs at this moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A count that its clones share.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicU32>);

/// Counts as one until it is dropped.
#[derive(Debug)]
pub(crate) struct One(InFlight);

impl InFlight {
    /// How many there are now.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self.clone())
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
