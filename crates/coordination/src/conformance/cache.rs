//! Values that are kept for a while.

use std::time::Duration;

use super::{LONG, SHORT, Store, after};

/// A value is there until its time is over.
pub async fn a_cached_value_is_found_until_it_ends(store: Store) {
    assert_eq!(cached(&store, "key").await, None);
    cache(&store, "key", b"value", SHORT).await;
    assert_eq!(cached(&store, "key").await.as_deref(), Some(&b"value"[..]));
    after(SHORT).await;
    assert_eq!(cached(&store, "key").await, None);
}

/// The last value counts, and its time.
pub async fn caching_again_replaces_value_and_end(store: Store) {
    cache(&store, "key", b"old", SHORT).await;
    cache(&store, "key", b"new", LONG).await;
    after(SHORT).await;
    assert_eq!(cached(&store, "key").await.as_deref(), Some(&b"new"[..]));
}

/// Neither keys nor values have to be plain text.
pub async fn any_key_and_any_bytes_can_be_cached(store: Store) {
    for (key, value) in [("", &b"empty key"[..]), ("ключ with spaces\n", &[0, 255, 10]), ("empty value", b"")] {
        cache(&store, key, value, LONG).await;
        assert_eq!(cached(&store, key).await.as_deref(), Some(value), "{key:?}");
    }
}

async fn cache(store: &Store, key: &str, value: &[u8], ttl: Duration) {
    store.cache(key, value, ttl).await.expect("the store is there");
}

async fn cached(store: &Store, key: &str) -> Option<Vec<u8>> {
    store.cached(key).await.expect("the store is there")
}
