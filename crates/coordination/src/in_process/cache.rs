//! A cache of values that end by themselves, within a bound of bytes.

use std::time::Duration;

use crate::expiring::Expiring;

#[derive(Debug)]
pub(super) struct Cache {
    values: Expiring<String, Vec<u8>>,
    bytes: usize,
    bound: usize,
}

impl Cache {
    pub(super) fn new(bound: usize) -> Self {
        Self { values: Expiring::new(), bytes: 0, bound }
    }

    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.values.get(&key.to_owned()).cloned()
    }

    /// Keeps a value for `ttl`. Too full, it lets go of what would end first; what is larger than the bound is not
    /// kept at all.
    pub(super) fn insert(&mut self, key: &str, value: &[u8], ttl: Duration) {
        let mut dropped = self.values.remove(&key.to_owned());
        while let Some(value) = dropped {
            self.bytes -= value.len();
            dropped = self.values.pop_over();
        }
        if value.len() > self.bound {
            return;
        }
        while self.bytes + value.len() > self.bound {
            let Some(first) = self.values.pop_first() else { break };
            self.bytes -= first.len();
        }
        self.bytes += value.len();
        self.values.insert(key.to_owned(), value.to_vec(), ttl);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_full_cache_lets_go_of_what_would_end_first() {
        let mut cache = Cache::new(10);
        cache.insert("long", b"12345", 2 * HOUR);
        cache.insert("short", b"12345", HOUR);
        cache.insert("new", b"12345", HOUR);
        assert_eq!(cache.get("short"), None);
        assert!(cache.get("long").is_some() && cache.get("new").is_some());
    }

    #[test]
    fn overwriting_does_not_use_up_the_room() {
        let mut cache = Cache::new(10);
        for _ in 0..100 {
            cache.insert("same", b"12345", HOUR);
        }
        cache.insert("other", b"12345", HOUR);
        assert!(cache.get("same").is_some() && cache.get("other").is_some());
    }

    #[test]
    fn a_value_above_the_bound_is_not_kept() {
        let mut cache = Cache::new(10);
        cache.insert("other", b"12345", HOUR);
        cache.insert("huge", b"12345678901", HOUR);
        assert_eq!(cache.get("huge"), None);
        assert!(cache.get("other").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_makes_room_before_what_is_not() {
        let mut cache = Cache::new(10);
        cache.insert("over", b"12345", HOUR);
        cache.insert("lasting", b"12345", 3 * HOUR);
        tokio::time::advance(2 * HOUR).await;
        cache.insert("new", b"12345", HOUR);
        assert!(cache.get("lasting").is_some() && cache.get("new").is_some());
    }
}
