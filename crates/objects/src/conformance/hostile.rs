//! Wrong keys, missing objects, changed bytes.

use std::path::Path;

use protocol::ArtifactRef;

use super::{BINARY, Store, get, put};
use crate::Error;

/// Who asks for what is not there is told the key, also where a part of the path is an object or a folder.
pub async fn a_missing_object_is_named(store: Store) {
    let there = put(&store, "folder/object", b"abc").await;
    for key in ["nothing", "folder", "folder/object/below", "folder/other"] {
        let reference = ArtifactRef { key: key.to_owned(), ..there.clone() };
        let errors =
            [store.get(key).await.err(), store.get_checked(&reference).await.err(), store.local_file(key).await.err()];
        for error in errors {
            assert!(matches!(&error, Some(Error::NotFound(named)) if named == key), "{key:?}: {error:?}");
        }
        assert!(!store.exists(key).await.expect("asking is fine"), "{key:?} exists");
    }
}

/// Keys that are not plain relative paths are refused by every operation, before anything happens.
pub async fn a_key_that_could_leave_the_store_is_refused(store: Store) {
    let too_long = "a/".repeat(512) + "a";
    let too_long_segment = "a".repeat(256);
    let keys = [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../up",
        "a/../../up",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\0b",
        "a\\b",
        "a b",
        "~tmp",
        "C:a",
        "ü",
        "a\n",
        &too_long,
        &too_long_segment,
    ];
    let file = tempfile::NamedTempFile::new().expect("there is room");
    for key in keys {
        let reference =
            ArtifactRef { key: key.to_owned(), sha256: String::new(), size: 0, media_type: BINARY.to_owned() };
        let errors = [
            store.put(key, b"abc", BINARY).await.err(),
            store.put_file(key, file.path(), BINARY).await.err(),
            store.get(key).await.err(),
            store.get_checked(&reference).await.err(),
            store.local_file(key).await.err(),
            store.exists(key).await.err(),
            store.delete(key).await.err(),
        ];
        for error in errors {
            assert!(matches!(&error, Some(Error::InvalidKey(named)) if named == key), "{key:?}: {error:?}");
        }
    }
}

/// Dots, case and length within the rules make different objects.
pub async fn every_plain_key_works(store: Store) {
    let long_segment = "a".repeat(255);
    let longest = format!("{long_segment}/{long_segment}/{long_segment}/{}/a", "a".repeat(254));
    let keys = ["a", "A-b_c.9", "...", ".hidden", "a.b/c..d/-", "0/1/2/3/4/5/6/7/8/9", &longest];
    for key in keys {
        put(&store, key, key.as_bytes()).await;
    }
    for key in keys {
        assert_eq!(get(&store, key).await, key.as_bytes(), "{key:?}");
    }
}

/// A reference whose bytes were replaced since yields an error with both hashes.
pub async fn changed_bytes_are_noticed(store: Store) {
    let stored = put(&store, "key", b"abc").await;
    let other = put(&store, "key", b"abd").await;
    match store.get_checked(&stored).await {
        Err(Error::Mismatch { key, expected, found }) => {
            assert_eq!((key, expected, found), (stored.key, stored.sha256, other.sha256));
        }
        result => panic!("changed bytes came back as {result:?}"),
    }
}

/// Storing a file that cannot be read fails and leaves what was there.
pub async fn a_missing_source_file_stores_nothing(store: Store) {
    put(&store, "old", b"abc").await;
    for key in ["old", "new"] {
        let result = store.put_file(key, Path::new("/nonexistent/source"), BINARY).await;
        assert!(matches!(&result, Err(Error::Io { key: named, .. }) if named == key), "{result:?}");
    }
    assert_eq!(get(&store, "old").await, b"abc");
    assert!(!store.exists("new").await.expect("the store is there"));
}

/// Another's object is fetched up to the size that is asked for, and a name can neither leave the store nor be made up.
pub async fn what_others_put_there_is_fetched_up_to_a_size(store: Store) {
    put(&store, "imports/acme/scan.pdf", b"abcd").await;
    let copy = store.import("imports/acme/scan.pdf", 4).await.expect("it is there");
    assert_eq!(std::fs::read(&copy.path).expect("the file is there"), b"abcd");
    let large = store.import("imports/acme/scan.pdf", 3).await.err();
    assert!(matches!(&large, Some(Error::TooLarge { most: 3, .. })), "{large:?}");
    for key in ["imports/acme/M\u{e4}rz 2026 (1).pdf", "imports/acme", "nothing"] {
        let missing = store.import(key, 4).await.err();
        assert!(matches!(&missing, Some(Error::NotFound(named)) if named == key), "{key:?}: {missing:?}");
    }
    for key in ["", "/a", "../a", "a/../b", "a//b", "a\0b", "a\\b", "~incoming/x", "a/"] {
        let refused = store.import(key, 4).await.err();
        assert!(matches!(&refused, Some(Error::InvalidKey(named)) if named == key), "{key:?}: {refused:?}");
    }
}
