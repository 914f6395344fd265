//! `flotilla text`: what is read of a document, in every form.

use crate::harness::{Ran, flotilla, repository};

fn text(arguments: &[&str]) -> Ran {
    let mut command = flotilla();
    command.env_remove("FLOTILLA_PASSWORD").env_remove("FLOTILLA_OCR");
    command.arg("text").args(arguments).output().unwrap().into()
}

fn invoice() -> String {
    repository("examples/invoice.pdf").to_str().unwrap().to_owned()
}

#[test]
fn the_text_is_printed_as_it_looks_unless_something_else_is_asked_for() {
    let Ran { code, stdout, stderr } = text(&[&invoice()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let row = stdout.lines().find(|line| line.contains("Tide gauge")).unwrap();
    assert!(row.ends_with("1,240.00       2,480.00"), "{row}");
    assert_eq!(text(&[&invoice(), "--layout"]).stdout, stdout);
    let prose = text(&[&invoice(), "--prose"]).stdout;
    assert!(prose.contains("NI-2026-00417") && !prose.contains("   "), "columns are no matter of prose: {prose}");
}

#[test]
fn json_has_every_word_with_its_box() {
    let read = text(&[&invoice(), "--json"]).json();
    let word = &read["document"]["pages"][0]["lines"][0]["words"][0];
    assert_eq!(word["bbox"].as_array().unwrap().len(), 4);
    assert_eq!(read["extractor"], "pdfium");
}

#[test]
fn pictures_show_every_word_in_its_frame() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let Ran { code, stdout, .. } = text(&[&invoice(), "--svg", "--output", output]);
    let path = folder.path().join("invoice-1.svg");
    assert_eq!((code, stdout.trim_end()), (0, path.to_str().unwrap()));
    let drawn = std::fs::read_to_string(path).unwrap();
    assert!(drawn.contains("<title>NI-2026-00417</title>") && drawn.contains("data:image/png;base64,"));

    assert_eq!(text(&[&invoice(), "--png", "--output", output, "--dpi", "50"]).code, 0);
    let picture = std::fs::read(folder.path().join("invoice-1.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let locked = repository("crates/text/tests/fixtures/encrypted-aes256.pdf");
    let locked = locked.to_str().unwrap();
    let Ran { code, stderr, .. } = text(&[locked]);
    assert_eq!(code, 1);
    assert!(stderr.contains("FLOTILLA_PASSWORD"), "{stderr}");

    let none = text(&[&invoice(), "--pages", "7-"]);
    assert_eq!((none.code, none.stderr.as_str()), (1, "flotilla: the document has none of these pages\n"));
    assert_eq!(text(&[&invoice(), "--pages", "0"]).code, 2);
    assert_eq!(text(&[&invoice(), "--json", "--svg"]).code, 2);
    assert!(text(&["nowhere.pdf"]).stderr.contains("nowhere.pdf"));
}
