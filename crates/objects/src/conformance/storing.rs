//! Storing, reading, replacing, deleting.

use std::fs;
use std::io::Write;

use protocol::ArtifactRef;

use super::{BINARY, Store, get, put};
use crate::Error;

/// The reference describes the bytes, and the bytes come back, plain and checked.
pub async fn what_was_stored_is_returned_and_described(store: Store) {
    let stored = put(&store, "runs/1/text.json", b"abc").await;
    let expected = ArtifactRef {
        key: "runs/1/text.json".to_owned(),
        // Known from FIPS 180-4.
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
        size: 3,
        media_type: BINARY.to_owned(),
    };
    assert_eq!(stored, expected);
    assert_eq!(get(&store, "runs/1/text.json").await, b"abc");
    assert_eq!(store.get_checked(&stored).await.expect("the hash fits"), b"abc");
    assert!(store.exists("runs/1/text.json").await.expect("the store is there"));
}

/// No bytes are not the same as no object.
pub async fn an_empty_object_is_an_object(store: Store) {
    let stored = put(&store, "empty", b"").await;
    assert_eq!(stored.size, 0);
    assert!(store.exists("empty").await.expect("the store is there"));
    assert_eq!(store.get_checked(&stored).await.expect("the hash fits"), b"");
}

/// A file and its bytes make the same object.
pub async fn a_stored_file_equals_stored_bytes(store: Store) {
    let mut file = tempfile::NamedTempFile::new().expect("there is room");
    file.write_all(b"abc").expect("there is room");
    let from_file = store.put_file("file", file.path(), BINARY).await.expect("storing works");
    let from_bytes = put(&store, "bytes", b"abc").await;
    assert_eq!((from_file.sha256, from_file.size), (from_bytes.sha256, from_bytes.size));
    assert_eq!(get(&store, "file").await, b"abc");
    assert!(file.path().exists(), "the source was taken away");
}

/// Size is no reason for a difference: many chunks, and a last one that is not full.
pub async fn a_large_file_is_stored_whole(store: Store) {
    let bytes: Vec<u8> = (0..10_000_019_u32).map(|number| (number % 251) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().expect("there is room");
    file.write_all(&bytes).expect("there is room");
    let stored = store.put_file("large", file.path(), BINARY).await.expect("storing works");
    assert_eq!(stored.size, bytes.len() as u64);
    assert!(store.get_checked(&stored).await.expect("the hash fits") == bytes, "other bytes came back");
}

/// A program that needs a path gets one with the same bytes.
pub async fn a_local_file_has_the_bytes(store: Store) {
    put(&store, "documents/a.pdf", b"abc").await;
    let local = store.local_file("documents/a.pdf").await.expect("the object is there");
    assert_eq!(fs::read(&local.path).expect("the file is there"), b"abc");
    let (path, is_copy) = (local.path.clone(), local.is_copy());
    drop(local);
    assert_eq!(path.exists(), !is_copy, "a copy goes with its guard, an original stays");
}

/// The same key names the latest bytes.
pub async fn storing_again_replaces_the_object(store: Store) {
    put(&store, "key", b"a long first version").await;
    let second = put(&store, "key", b"second").await;
    assert_eq!(store.get_checked(&second).await.expect("the hash fits"), b"second");
}

/// Whoever reads while the object is replaced gets the old bytes or the new ones.
pub async fn readers_never_see_a_mixture(store: Store) {
    let versions = [vec![b'a'; 300_000], vec![b'b'; 500_000]];
    put(&store, "key", &versions[0]).await;
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, versions) = (store.clone(), versions.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    let read = get(&store, "key").await;
                    assert!(versions.contains(&read), "{} bytes of a mixture", read.len());
                }
            })
        })
        .collect();
    let mut round = 0;
    while !readers.iter().all(tokio::task::JoinHandle::is_finished) {
        round += 1;
        put(&store, "key", &versions[round % 2]).await;
    }
    for reader in readers {
        reader.await.expect("no reader saw a mixture");
    }
}

/// Of several writers one wins, whole.
pub async fn writers_of_one_key_leave_one_whole_object(store: Store) {
    let writers: Vec<_> = (0..8_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, "new/folder/key", &vec![number; 100_000]).await })
        })
        .collect();
    let mut references = Vec::new();
    for writer in writers {
        references.push(writer.await.expect("writers do not disturb each other"));
    }
    let left = get(&store, "new/folder/key").await;
    assert_eq!(left.len(), 100_000);
    assert!(left.iter().all(|byte| *byte == left[0]), "a mixture is left");
}

/// What is deleted is gone; deleting it again or deleting nothing is fine.
pub async fn deleting_is_repeatable_and_final(store: Store) {
    put(&store, "a/b", b"abc").await;
    put(&store, "a/c", b"abc").await;
    for key in ["a/b", "a/b", "never/there"] {
        store.delete(key).await.expect("deleting works");
    }
    assert!(!store.exists("a/b").await.expect("the store is there"));
    assert!(matches!(store.get("a/b").await, Err(Error::NotFound(_))));
    assert_eq!(get(&store, "a/c").await, b"abc");
}

/// Everything below a folder goes, however deep; names that only begin alike stay.
pub async fn deleting_below_a_folder_leaves_what_lies_elsewhere(store: Store) {
    for key in ["texts/a/1", "texts/a/deep/er/2", "texts/ab/1", "texts/b"] {
        put(&store, key, b"abc").await;
    }
    for folder in ["texts/a", "texts/a", "texts/b", "never/there"] {
        store.delete_below(folder).await.expect("deleting works");
    }
    for (key, stays) in [("texts/a/1", false), ("texts/a/deep/er/2", false), ("texts/ab/1", true), ("texts/b", true)] {
        assert_eq!(store.exists(key).await.expect("the store is there"), stays, "{key}");
    }
    assert!(matches!(store.delete_below("../a").await, Err(Error::InvalidKey(_))));
    put(&store, "texts/a/1", b"again").await;
    assert_eq!(get(&store, "texts/a/1").await, b"again");
}
