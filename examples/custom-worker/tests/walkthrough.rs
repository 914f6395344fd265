//! What `docs/adding-a-task.md` shows is what this crate does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use protocol::Workflow;

const WALKTHROUGH: &str = include_str!("../../../docs/adding-a-task.md");

/// Stands before a block that is copied from a file: `<!-- src/split.rs -->`.
const MARK: &str = "<!-- ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Every marked block with the file that it is copied from.
fn copied() -> Vec<(String, String)> {
    let marked = WALKTHROUGH.split(MARK).skip(1);
    marked
        .map(|rest| {
            let (file, rest) = rest.split_once(" -->\n").expect("a mark names a file on a line of its own");
            let (_, block) = rest.split_once("```").and_then(|(_, rest)| rest.split_once('\n')).unwrap();
            let (block, _) = block.split_once("```").expect("a block ends");
            (file.to_owned(), block.trim_end().to_owned())
        })
        .collect()
}

#[test]
fn every_block_of_the_walkthrough_is_a_part_of_its_file() {
    let copied = copied();
    for (file, block) in &copied {
        let code = std::fs::read_to_string(folder().join(file)).unwrap();
        for part in block.split("\n…\n") {
            assert!(code.contains(part), "{file} does not hold what the walkthrough shows of it:\n{part}");
        }
    }
    let files: BTreeSet<&str> = copied.iter().map(|(file, _)| file.as_str()).collect();
    let shown =
        ["Cargo.toml", "run.json", "src/main.rs", "src/matching.rs", "src/report.rs", "src/split.rs", "workflow.json"];
    assert_eq!(files, BTreeSet::from(shown));
}

#[test]
fn the_registered_workflow_is_the_one_in_code() {
    let text = std::fs::read_to_string(folder().join("workflow.json")).unwrap();
    assert_eq!(Workflow::read(serde_json::from_str(&text).unwrap()), Ok(payments::workflow()));
}
