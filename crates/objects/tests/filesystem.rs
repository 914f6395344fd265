//! The file system store keeps every promise of the port, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use objects::Objects;
use objects::conformance::Opened;
use objects::filesystem::Filesystem;

async fn open() -> Opened {
    let folder = tempfile::tempdir().expect("there is room");
    let objects = Arc::new(Filesystem::new(folder.path().join("not/made/yet")));
    Opened { objects, keep: Box::new(folder) }
}

objects::conformance_suite!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    open
);

#[tokio::test]
async fn a_write_leaves_one_file_at_the_key_and_a_failed_one_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Filesystem::new(folder.path().to_owned());
    store.put("runs/1/a.json", b"abc", "application/json").await.unwrap();
    // A folder opens as a file and cannot be read as one: this fails with the temporary file half written.
    store.put_file("runs/1/b.json", folder.path(), "application/json").await.unwrap_err();
    assert_eq!(files_below(folder.path()), ["runs/1/a.json"]);
}

#[tokio::test]
async fn a_local_file_is_the_object_itself() {
    let folder = tempfile::tempdir().unwrap();
    let store = Filesystem::new(folder.path().to_owned());
    store.put("a", b"abc", "text/plain").await.unwrap();
    let local = store.local_file("a").await.unwrap();
    assert!(!local.is_copy());
    assert_eq!(local.path, folder.path().join("a"));
}

#[tokio::test]
async fn what_killed_writers_left_is_removed_and_what_others_write_now_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let incoming = folder.path().join("~incoming");
    fs::create_dir(&incoming).unwrap();
    let abandoned = File::create(incoming.join("abandoned")).unwrap();
    abandoned.set_modified(SystemTime::now() - Duration::from_secs(2 * 3600)).unwrap();
    File::create(incoming.join("current")).unwrap();

    Filesystem::new(folder.path().to_owned()).put("a", b"abc", "text/plain").await.unwrap();
    let mut files = files_below(folder.path());
    files.sort();
    assert_eq!(files, ["a", "~incoming/current"]);
}

fn files_below(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    files
}
