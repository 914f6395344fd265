//! Alone in its process, because it measures the process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs::File;

use objects::Objects;
use objects::s3::S3;
use server::Server;

#[path = "s3/server.rs"]
mod server;

#[tokio::test]
async fn a_large_file_is_stored_and_fetched_with_bounded_memory() {
    const SIZE: u64 = 100 * 1024 * 1024;
    let server = Server::shared().await;
    let store = S3::open(server.bucket("large").await).unwrap();
    let source = tempfile::NamedTempFile::new().unwrap();
    File::options().write(true).open(source.path()).unwrap().set_len(SIZE).unwrap();

    let before = peak_kib();
    let stored = store.put_file("large", source.path(), "application/octet-stream").await.unwrap();
    let grown = peak_kib() - before;
    assert_eq!(stored.size, SIZE);
    assert!(grown < 64 * 1024, "storing {SIZE} bytes took {grown} KiB");

    let before = peak_kib();
    let local = store.local_file("large").await.unwrap();
    let grown = peak_kib() - before;
    assert_eq!(std::fs::metadata(&local.path).unwrap().len(), SIZE);
    assert!(grown < 16 * 1024, "fetching {SIZE} bytes took {grown} KiB");
}

/// The most memory that this process had so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
