//! The largest documents that are allowed take little memory, in the child and in the process that asked for them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use text::{CHILD_ARGUMENT, ChildCommand, Config, Error, Extractor, Limit, Limits, Source};

const MIB: u64 = 1024 * 1024;

/// What reading may take on either side.
const MOST: u64 = 300 * MIB;

#[tokio::test]
async fn the_largest_texts_are_read_or_refused_within_their_memory() {
    let (words, lines) = (500_000, 300_000);
    let largest = "w w\n".repeat(words - lines) + &"w\n".repeat(2 * lines - words);
    let refused = "w ".repeat(8 << 20);
    let arguments = vec![CHILD_ARGUMENT.to_owned()];
    let child = ChildCommand { program: env!("CARGO_BIN_EXE_text-child").into(), arguments };
    // The kernel holds the child to it: to its address space, which is more than the memory it uses.
    let limits = Limits { memory_bytes: MOST, ..Limits::default() };
    let extractor = Extractor::new(Config { child, limits, ..Config::discover().unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let read = extractor.extract(&file(folder.path(), &largest)).await.unwrap();
    assert_eq!(read.document.pages.len(), 5_000);
    let error = extractor.extract(&file(folder.path(), &refused)).await.unwrap_err();
    assert_eq!(error, Error::TooComplex { limit: Limit::Words(500_000), page: Some(2) });
    assert!(peak() < MOST, "{} MiB", peak() / MIB);
}

#[tokio::test]
async fn the_largest_answer_of_a_child_is_taken_within_its_memory() {
    // As many words as are allowed, each on a line of its own, which takes the most memory for its length.
    let line = r#"{"text":"w","bbox":[1.5,2.5,3.5,4.5],"words":[{"text":"w","bbox":[100.25,200.25,120.25,212.25]}]}"#;
    let page = format!(r#"{{"number":1,"width":1,"height":1,"lines":[{}]}}"#, vec![line; 500_000].join(","));
    let end = r#"{"End":{"Ok":{"Read":{"reader":"","media_type":"","warnings":[]}}}}"#;
    let answer = format!("{{\"Page\":{{\"page\":{page},\"scan\":null}}}}\n{end}\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer");
    std::fs::write(&path, answer).unwrap();
    let child = ChildCommand { program: "/bin/cat".into(), arguments: vec![path.to_str().unwrap().to_owned()] };
    let extractor = Extractor::new(Config { child, ..Config::discover().unwrap() });
    let read = extractor.extract(&file(folder.path(), "any")).await.unwrap();
    assert_eq!(read.document.pages[0].lines.len(), 500_000);
    assert!(peak() < MOST, "{} MiB", peak() / MIB);
}

#[tokio::test]
async fn a_page_that_nobody_understands_is_not_missing_in_silence() {
    let end = r#"{"End":{"Ok":{"Read":{"reader":"","media_type":"","warnings":[]}}}}"#;
    let page = r#"{"Page":{"page":{"number":1,"width":null,"height":1,"lines":[]},"scan":null}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer");
    std::fs::write(&path, format!("{page}\n{end}\n")).unwrap();
    let child = ChildCommand { program: "/bin/cat".into(), arguments: vec![path.to_str().unwrap().to_owned()] };
    let extractor = Extractor::new(Config { child, ..Config::discover().unwrap() });
    let error = extractor.extract(&file(folder.path(), "any")).await.unwrap_err();
    assert_eq!(error.code(), "extractor_crashed");
}

fn file(folder: &Path, text: &str) -> Source {
    let path = folder.join("a.txt");
    std::fs::write(&path, text).unwrap();
    Source::file(path)
}

/// The most memory this process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
