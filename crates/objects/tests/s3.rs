//! The S3 store keeps every promise of the port against a real server, and leaves no parts behind.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Region};
use objects::conformance::Opened;
use objects::s3::{Config, S3};
use objects::{Error, Objects};
use server::Server;

#[path = "s3/server.rs"]
mod server;

const BINARY: &str = "application/octet-stream";

async fn open() -> Opened {
    let (store, server) = empty().await;
    Opened { objects: Arc::new(store), keep: Box::new(server) }
}

objects::conformance_suite!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    open
);

#[tokio::test]
async fn a_prefix_parts_the_objects_of_two_fleets() {
    let (config, _server) = bucket().await;
    let [ours, theirs] =
        ["ours/", "theirs/"].map(|prefix| S3::open(Config { prefix: prefix.to_owned(), ..config.clone() }).unwrap());
    ours.put("key", b"ours", BINARY).await.unwrap();
    assert!(!theirs.exists("key").await.unwrap());
    assert_eq!(S3::open(config).unwrap().get("ours/key").await.unwrap(), b"ours");

    let too_long_with_it = format!("{0}/{0}/{0}/{0}", "a".repeat(255));
    assert!(matches!(ours.put(&too_long_with_it, b"", BINARY).await, Err(Error::InvalidKey(_))));
}

#[tokio::test]
async fn bytes_around_the_size_of_a_part_are_stored_whole() {
    const PART: usize = 8 * 1024 * 1024;
    let (store, _server) = empty().await;
    for size in [PART - 1, PART, PART + 1, 3 * PART] {
        let bytes: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let stored = store.put("large", &bytes, BINARY).await.unwrap();
        assert_eq!(stored.size, size as u64);
        assert!(store.get_checked(&stored).await.unwrap() == bytes, "{size} bytes came back as others");
        let local = store.local_file("large").await.unwrap();
        assert!(local.is_copy() && std::fs::read(&local.path).unwrap() == bytes);
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_stored_is_refused_and_leaves_no_parts() {
    let (config, _server) = bucket().await;
    let store = S3::open(config.clone()).unwrap();
    let mut file = large_file();
    let path = file.path().to_owned();
    let storing = tokio::spawn(async move { store.put_file("large", &path, BINARY).await });
    let mut writes = 0_u64;
    while !storing.is_finished() {
        writes += 1;
        file.write_all(&writes.to_le_bytes()).unwrap();
        tokio::task::yield_now().await;
    }
    let refused = storing.await.unwrap();
    assert!(matches!(&refused, Err(Error::Io { .. })), "{refused:?}");
    wait_for_uploads(&config, 0).await;
    assert!(!S3::open(config).unwrap().exists("large").await.unwrap());
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_no_parts() {
    let (config, _server) = bucket().await;
    let store = S3::open(config.clone()).unwrap();
    let file = large_file();
    let path = file.path().to_owned();
    let storing = tokio::spawn(async move { store.put_file("large", &path, BINARY).await });
    wait_for_uploads(&config, 1).await;
    storing.abort();
    wait_for_uploads(&config, 0).await;
    assert!(!S3::open(config).unwrap().exists("large").await.unwrap());
}

#[tokio::test]
async fn a_missing_bucket_and_a_wrong_secret_are_failures_and_not_missing_objects() {
    let (config, _server) = bucket().await;
    let nowhere = S3::open(Config { bucket: "nowhere".to_owned(), ..config.clone() }).unwrap();
    let stranger = S3::open(Config { credentials: Some(server::credentials("wrong")), ..config.clone() }).unwrap();
    for store in [nowhere, stranger] {
        let results = [
            store.put("key", b"abc", BINARY).await.err(),
            store.get("key").await.err(),
            store.local_file("key").await.err(),
        ];
        for error in results {
            assert!(matches!(error, Some(Error::Io { .. })), "{error:?}");
        }
        assert!(!store.is_available().await);
    }
    assert!(S3::open(config).unwrap().is_available().await);
}

#[tokio::test]
async fn a_server_that_is_away_is_a_failure() {
    let credentials = Some(server::credentials("secret"));
    // Nothing can listen on port 0.
    let config = Config { endpoint: Some("http://127.0.0.1:0".to_owned()), credentials, ..Config::new("bucket") };
    let error = S3::open(config).unwrap().get("key").await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

#[test]
fn secrets_are_not_shown() {
    let config = Config { credentials: Some(server::credentials("swordfish")), ..Config::new("bucket") };
    let store = S3::open(config.clone()).unwrap();
    assert!(!format!("{config:?} {store:?}").contains("swordfish"));
}

async fn empty() -> (S3, Arc<Server>) {
    let (config, server) = bucket().await;
    (S3::open(config).unwrap(), server)
}

/// A bucket for one test.
async fn bucket() -> (Config, Arc<Server>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = Server::shared().await;
    let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    (server.bucket(&name).await, server)
}

fn large_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(200 * 1024 * 1024).unwrap();
    file
}

/// Waits until so many uploads in parts are under way.
async fn wait_for_uploads(config: &Config, expected: usize) {
    let client = client(config);
    let reached = async {
        loop {
            let listed = client.list_multipart_uploads().bucket(&config.bucket).send().await.unwrap();
            if listed.uploads().len() == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("uploads begin and end");
}

/// Sees what the store does not show.
fn client(config: &Config) -> aws_sdk_s3::Client {
    let sdk = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(aws_sdk_s3::config::Credentials::new("id", "secret", None, None, "test"))
        .region(Region::new(config.region.clone()))
        .endpoint_url(config.endpoint.clone().unwrap())
        .force_path_style(config.path_style);
    aws_sdk_s3::Client::from_conf(sdk.build())
}
