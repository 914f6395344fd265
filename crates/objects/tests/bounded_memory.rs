//! Alone in its process, because it measures the process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs::File;

use objects::Objects;
use objects::filesystem::Filesystem;

#[tokio::test]
async fn a_large_file_is_stored_with_little_memory() {
    const SIZE: u64 = 32 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    File::create(&source).unwrap().set_len(SIZE).unwrap();

    let store = Filesystem::new(folder.path().join("store"));
    let before = peak_kib();
    let stored = store.put_file("large", &source, "application/octet-stream").await.unwrap();
    let grown = peak_kib() - before;
    assert_eq!(stored.size, SIZE);
    assert!(grown < 4 * 1024, "storing {SIZE} bytes took {grown} KiB");
}

/// The most memory that this process had so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
