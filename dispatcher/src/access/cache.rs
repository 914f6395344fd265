//! What was looked up lately.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look-up is believed: a revocation or a new limit takes effect everywhere within this.
const BELIEVED: Duration = Duration::from_secs(3);

/// How much is remembered at most.
const MOST: usize = 10_000;

/// Look-ups of the last moments.
pub(super) struct Cache<K, V> {
    found: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self { found: Mutex::new(HashMap::new()) }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(key).filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, value)| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MOST {
            found.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        if found.len() < MOST {
            found.insert(key, (Instant::now(), value));
        }
    }

    pub(super) fn forget(&self) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
