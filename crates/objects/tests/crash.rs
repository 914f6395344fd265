//! A writer that is killed at any moment leaves whole objects.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use objects::Objects;
use objects::filesystem::Filesystem;

const ROOT: &str = "CRASH_TEST_ROOT";
const SIZES: [usize; 2] = [3_000_000, 5_000_000];

#[test]
#[expect(clippy::disallowed_methods, reason = "the moment of the kill is what the rounds vary")]
fn a_killed_writer_leaves_the_old_object_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_that_gets_killed", "--ignored", "--nocapture"])
            .env(ROOT, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed at another point of a write each time, and never before the first one.
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("stored")), "the writer does not write");
        std::thread::sleep(Duration::from_millis(23 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();

        let left = fs::read(folder.path().join("key")).unwrap();
        let version = SIZES.iter().position(|size| *size == left.len()).expect("half an object is left");
        assert!(left.iter().all(|byte| usize::from(*byte) == version), "a mixture is left");
    }
}

#[tokio::test]
#[ignore = "the child process of the test above"]
async fn writer_that_gets_killed() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let store = Filesystem::new(root.into());
    let versions = [vec![0; SIZES[0]], vec![1; SIZES[1]]];
    for version in versions.iter().cycle() {
        store.put("key", version, "application/octet-stream").await.unwrap();
        println!("stored");
    }
}
