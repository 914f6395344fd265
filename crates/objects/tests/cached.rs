//! A store with a memory keeps every promise of the port, and fetches what it knows only once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use std::sync::Arc;

use objects::cached::Cached;
use objects::conformance::Opened;
use objects::filesystem::Filesystem;
use objects::{Error, Objects};
use protocol::ArtifactRef;

const BINARY: &str = "application/octet-stream";

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Filesystem::new(folder.path().to_owned()));
    Opened { objects: Arc::new(Cached::new(store, 1 << 20)), keep: Box::new(folder) }
}

objects::conformance_suite!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    open
);

/// A store, and the same one behind a memory of so many bytes.
fn beside(most: usize) -> (tempfile::TempDir, Arc<Filesystem>, Cached) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Filesystem::new(folder.path().to_owned()));
    let cached = Cached::new(Arc::clone(&store) as Arc<dyn Objects>, most);
    (folder, store, cached)
}

/// Whether it is answered without the store, which has lost the object.
async fn is_remembered(store: &Filesystem, cached: &Cached, artifact: &ArtifactRef) -> bool {
    let bytes = store.get(&artifact.key).await.unwrap();
    store.delete(&artifact.key).await.unwrap();
    let answer = cached.get_checked(artifact).await;
    store.put(&artifact.key, &bytes, BINARY).await.unwrap();
    match answer {
        Ok(answer) => {
            assert_eq!(answer, bytes);
            true
        }
        Err(Error::NotFound(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn what_was_stored_or_fetched_here_is_not_fetched_again() {
    let (_folder, store, cached) = beside(1000);
    let stored = cached.put("stored", b"abc", BINARY).await.unwrap();
    assert!(is_remembered(&store, &cached, &stored).await);
    let elsewhere = store.put("elsewhere", b"def", BINARY).await.unwrap();
    assert!(!is_remembered(&store, &cached, &elsewhere).await);
    cached.get_checked(&elsewhere).await.unwrap();
    assert!(is_remembered(&store, &cached, &elsewhere).await);
}

#[tokio::test]
async fn what_was_used_longest_ago_makes_room_and_what_is_too_large_is_not_kept() {
    let (_folder, store, cached) = beside(1000);
    let mut artifacts = Vec::new();
    for key in ["a", "b", "c"] {
        artifacts.push(cached.put(key, &[0; 300], BINARY).await.unwrap());
    }
    cached.get_checked(&artifacts[0]).await.unwrap();
    let next = cached.put("d", &[1; 300], BINARY).await.unwrap();
    for (artifact, expected) in [(&artifacts[1], false), (&artifacts[0], true), (&artifacts[2], true), (&next, true)] {
        assert_eq!(is_remembered(&store, &cached, artifact).await, expected, "{}", artifact.key);
    }
    let large = cached.put("large", &[2; 1001], BINARY).await.unwrap();
    assert!(!is_remembered(&store, &cached, &large).await);
    assert!(is_remembered(&store, &cached, &next).await, "nothing makes room for what is not kept");
}

#[tokio::test]
async fn bytes_that_somebody_else_replaced_are_neither_mixed_up_nor_passed_off() {
    let (_folder, store, cached) = beside(1000);
    let ours = cached.put("key", b"ours", BINARY).await.unwrap();
    let theirs = store.put("key", b"theirs", BINARY).await.unwrap();
    assert_eq!(cached.get("key").await.unwrap(), b"theirs");
    assert_eq!(cached.get_checked(&theirs).await.unwrap(), b"theirs");
    // The reference names its bytes, which nobody has any more.
    assert!(matches!(cached.get_checked(&ours).await, Err(Error::Mismatch { .. })));
}
