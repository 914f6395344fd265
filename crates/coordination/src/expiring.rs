//! A map whose entries end by themselves.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use crate::FOREVER;

#[derive(Debug)]
pub(crate) struct Expiring<K, V> {
    entries: HashMap<K, (V, Instant)>,
    /// The same keys by their end, so that dropping what is over costs nothing when nothing is.
    by_end: BTreeSet<(Instant, K)>,
}

impl<K: Clone + Hash + Ord, V> Expiring<K, V> {
    pub(crate) fn new() -> Self {
        Self { entries: HashMap::new(), by_end: BTreeSet::new() }
    }

    /// What is under a key and not over yet.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).filter(|(_, end)| *end > Instant::now()).map(|(value, _)| value)
    }

    /// Sets what is under a key for `ttl` from now; returns what was there.
    pub(crate) fn insert(&mut self, key: K, value: V, ttl: Duration) -> Option<V> {
        let end = Instant::now() + ttl.min(FOREVER);
        let before = self.remove(&key);
        self.by_end.insert((end, key.clone()));
        self.entries.insert(key, (value, end));
        before
    }

    /// Everything that is not over yet, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        let now = Instant::now();
        self.entries.values().filter(move |(_, end)| *end > now).map(|(value, _)| value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (value, end) = self.entries.remove(key)?;
        self.by_end.remove(&(end, key.clone()));
        Some(value)
    }

    /// Drops the entry that ends first if it is over by now; returns what it held.
    pub(crate) fn pop_over(&mut self) -> Option<V> {
        let (end, _) = self.by_end.first()?;
        if *end <= Instant::now() { self.pop_first() } else { None }
    }

    /// Drops the entry that ends first, over or not; returns what it held.
    pub(crate) fn pop_first(&mut self) -> Option<V> {
        let (_, key) = self.by_end.pop_first()?;
        self.entries.remove(&key).map(|(value, _)| value)
    }
}
