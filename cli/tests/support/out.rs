//! The file of `--out`: whole, with the right mode, and never in place of something else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Ran, repository, run_json};

fn run_to(out: &Path) -> Ran {
    run_json(&repository("examples/contract.md"), &["--out", out.to_str().unwrap()])
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_file_holds_the_object_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("result.json");

    let ran = run_to(&out);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(json(&out), ran.json());
}

#[test]
fn a_new_file_gets_the_mode_of_the_umask_and_an_existing_one_keeps_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("new.json"), folder.path().join("old.json"));
    fs::write(&old, "old").unwrap();
    fs::set_permissions(&old, Permissions::from_mode(0o604)).unwrap();
    for out in [&new, &old] {
        let status = Command::new("sh")
            .args(["-c", "umask 027; exec \"$0\" \"$@\" >/dev/null", env!("CARGO_BIN_EXE_flotilla"), "run"])
            .arg(repository("examples/contract.md"))
            .arg("--out")
            .arg(out)
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(json(out)["status"], "succeeded");
    }
    assert_eq!(mode(&new), 0o640);
    assert_eq!(mode(&old), 0o604);
}

#[test]
fn a_link_stays_a_link_and_what_it_points_to_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (link, target) = (folder.path().join("link"), folder.path().join("target"));
    for exists in [false, true] {
        let _ = fs::remove_file(&link);
        symlink(&target, &link).unwrap();

        let ran = run_to(&link);

        assert_eq!(ran.code, 0, "target exists: {exists}: {}", ran.stderr);
        assert!(link.is_symlink());
        assert_eq!(json(&target), ran.json());
    }
}

#[test]
fn a_pipe_gets_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for reading and writing, so that nothing hangs even when nobody writes.
    let mut reader = fs::File::options().read(true).write(true).open(&pipe).unwrap();

    let ran = run_to(&pipe);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut begin = [0];
    assert!(!pipe.is_file(), "the pipe was replaced");
    std::io::Read::read_exact(&mut reader, &mut begin).unwrap();
    assert_eq!(&begin, b"{");
}

#[test]
fn a_device_that_is_full_loses_nothing_of_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("full");
    symlink("/dev/full", &link).unwrap();

    let ran = run_to(&link);

    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
    assert!(link.is_symlink());
    assert_eq!(ran.json()["status"], "succeeded");
}

#[test]
fn what_cannot_be_written_is_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    for out in [folder.path().join("missing/result.json"), folder.path().to_path_buf(), "/proc/result.json".into()] {
        let ran = run_to(&out);
        assert_eq!(ran.code, 2, "{}", out.display());
        assert_eq!(ran.stdout, "", "{}", out.display());
        assert!(ran.stderr.contains(out.to_str().unwrap()), "{}", ran.stderr);
    }
}
