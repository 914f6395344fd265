//! Documents of all kinds but PDF, through real child processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use protocol::document::{Document, Origin, Page, Table};
use text::{
    CHILD_ARGUMENT, ChildCommand, Config, Error, Extracted, Extractor, Limit, Limits, Ocr, OcrMode, Picture, Source,
    Wish,
};

mod email;
mod hostile;
mod made;
mod office;
mod pictures;
mod words;

fn config() -> Config {
    let arguments = vec![CHILD_ARGUMENT.to_owned()];
    let child = ChildCommand { program: env!("CARGO_BIN_EXE_text-child").into(), arguments };
    // What pictures show is specified where they are read.
    let ocr = Ocr { mode: OcrMode::Never, ..Ocr::default() };
    Config { child, ocr, ..Config::discover().unwrap() }
}

async fn read_with(limits: Limits, name: &str, bytes: &[u8]) -> Result<Extracted, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Extractor::new(Config { limits, ..config() }).extract(&Source::file(path)).await
}

async fn read(name: &str, bytes: &[u8]) -> Result<Extracted, Error> {
    read_with(Limits::default(), name, bytes).await
}

async fn picture(name: &str, bytes: &[u8], wish: Wish) -> Result<Picture, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Extractor::new(config()).picture(&Source::file(path), wish).await
}

/// A document made by another program, see the folder's README.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

fn lines(page: &Page) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

/// The texts of all lines that are not blank.
fn texts(document: &Document) -> Vec<&str> {
    document.pages.iter().flat_map(lines).filter(|text| !text.is_empty()).collect()
}

fn cells(table: &Table) -> Vec<Vec<&str>> {
    table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect()).collect()
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_what_can() {
    let error = read("a.rtf", b"{\\rtf1 text}").await.unwrap_err();
    assert_eq!(error.code(), "file_unsupported");
    let message = error.to_string();
    assert!(message.starts_with("the file is an RTF document; PDF, Word (.docx), Excel"), "{message}");
    let manual = include_str!("../../../../docs/formats.md");
    let readable = message.split_once("; ").unwrap().1.trim_end_matches(" can be read");
    for kind in readable.replace(" and ", ", ").split(", ") {
        let kind = kind.split(" (").next().unwrap().trim_matches(['(', ')']);
        assert!(manual.contains(kind), "docs/formats.md does not tell of {kind}");
    }
}
