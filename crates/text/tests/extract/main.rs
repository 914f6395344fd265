//! Real documents through real child processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::document::{BBox, Document, Word};
use protocol::{ErrorClass, TaskError};
use tempfile::TempDir;
use text::{CHILD_ARGUMENT, ChildCommand, Config, Error, Extracted, Extractor, Limit, Protection, Source};

mod hostile;
mod pdf;
mod reuse;
mod scans;
mod views;

/// The library, which the set-up step obtains.
fn pdfium() -> PathBuf {
    let named = std::env::var_os("FLOTILLA_PDFIUM").map(PathBuf::from);
    let path = named.unwrap_or_else(|| repository().join(".tools/pdfium/libpdfium.so"));
    assert!(path.is_file(), "{} is missing: run `make setup` first", path.display());
    path
}

fn config() -> Config {
    let arguments = vec![CHILD_ARGUMENT.to_owned()];
    let child = ChildCommand { program: env!("CARGO_BIN_EXE_text-child").into(), arguments };
    Config { child, pdfium: Some(pdfium()), ..Config::discover().unwrap() }
}

/// A file of these bytes, in a folder that is gone with the guard.
fn written(name: &str, bytes: &[u8]) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, Source::file(path))
}

async fn read_with(config: Config, name: &str, bytes: &[u8]) -> Result<Extracted, Error> {
    let (_folder, source) = written(name, bytes);
    Extractor::new(config).extract(&source).await
}

async fn read(name: &str, bytes: &[u8]) -> Result<Extracted, Error> {
    read_with(config(), name, bytes).await
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fixture(name: &str) -> Source {
    Source::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
}

fn words(document: &Document) -> impl Iterator<Item = &Word> {
    document.pages.iter().flat_map(|page| &page.lines).flat_map(|line| &line.words)
}

fn lines(document: &Document) -> Vec<&str> {
    document.pages.iter().flat_map(|page| &page.lines).map(|line| line.text.as_str()).collect()
}

#[track_caller]
fn assert_near(actual: BBox, expected: [f32; 4], reach: f32) {
    let actual: [f32; 4] = actual.into();
    let is_near = actual.iter().zip(expected).all(|(actual, expected)| (actual - expected).abs() <= reach);
    assert!(is_near, "{actual:?} is not within {reach} of {expected:?}");
}

#[tokio::test]
async fn the_example_invoice_is_read_with_its_columns_and_boxes() {
    let source = Source::file(repository().join("examples/invoice.pdf"));
    // Without a word about the library: it is found.
    let config = Config { pdfium: None, ..config() };
    let Extracted { document, extractor, warnings } = Extractor::new(config).extract(&source).await.unwrap();

    assert_eq!((extractor.as_str(), warnings.len(), document.media_type.as_str()), ("pdfium", 0, "application/pdf"));
    let page = &document.pages[0];
    assert_eq!((page.number, page.width, page.height), (1, 595.0, 842.0));
    // The number is set flush right at 539, on a baseline 170 below the top, in 9.5 points.
    let number = words(&document).find(|word| word.text == "NI-2026-00417").unwrap();
    assert_near(number.bbox, [475.6, 161.0, 539.0, 172.5], 1.0);

    let text = document.text();
    let row = |label: &str| text.lines().find(|line| line.contains(label)).unwrap();
    assert!(row("Invoice number").starts_with("Bill to   "), "words on one baseline share a line");
    assert!(row("Invoice number").ends_with("  NI-2026-00417"));
    assert_eq!(row("Invoice number").find("Invoice"), row("Due date").find("Due"), "columns stay under each other");
    assert!(row("Tide gauge").ends_with("1,240.00       2,480.00"), "{}", row("Tide gauge"));
}

#[tokio::test]
async fn boxes_are_where_a_reader_sees_them_whatever_the_rotation_and_crop() {
    // In Courier a character is 0.6 of the size wide: "Hello" spans 50 × 60 points from (100, 300) on the content.
    let content = pdf::stream("", b"BT /F 20 Tf 100 300 Td (Hello again) Tj ET");
    // The crop box cuts 50 off the left and 100 off the bottom and leaves 300 × 400.
    let expected = [
        (0, (300.0, 400.0), [50.0, 183.0, 110.0, 206.0]),
        (90, (400.0, 300.0), [194.0, 50.0, 217.0, 110.0]),
        (180, (300.0, 400.0), [190.0, 194.0, 250.0, 217.0]),
        (270, (400.0, 300.0), [183.0, 190.0, 206.0, 250.0]),
    ];
    for (rotation, size, bbox) in expected {
        let entries = format!("/MediaBox [0 0 400 600] /CropBox [50 100 350 500] /Rotate {rotation}");
        let Extracted { document, .. } =
            read("a.pdf", &pdf::page(&entries, content.clone(), Vec::new())).await.unwrap();
        let page = &document.pages[0];
        assert_eq!((page.width, page.height), size, "{rotation}");
        assert_eq!(lines(&document), ["Hello again"], "{rotation}");
        assert_near(words(&document).next().unwrap().bbox, bbox, 3.0);
    }
}

#[tokio::test]
async fn text_in_other_directions_leaves_the_lines_whole() {
    let content = b"BT /F 10 Tf 20 100 Td (first line) Tj 0 -14 Td (second line) Tj ET \
                    BT /F 10 Tf 0 1 -1 0 60 40 Tm (sideways words) Tj ET \
                    BT /F 10 Tf 0.7 0.7 -0.7 0.7 60 60 Tm (DRAFT) Tj ET";
    let bytes = pdf::page("/MediaBox [0 0 200 200]", pdf::stream("", content), Vec::new());
    let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
    let found = lines(&document);
    assert_eq!(found[..2], ["first line", "second line"]);
    assert!(found.contains(&"sideways words") && found.contains(&"DRAFT"), "{found:?}");
}

#[tokio::test]
async fn form_fields_and_annotations_are_text_of_the_page() {
    let entries = "/MediaBox [0 0 200 200] /Annots [6 0 R]";
    let field =
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada) /F 4 /Rect [54 95 154 110] /AP << /N 7 0 R >> >>";
    let look = pdf::stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 100 15] /Resources << /Font << /F 5 0 R >> >>",
        b"BT /F 10 Tf 2 5 Td (Ada) Tj ET",
    );
    let content = pdf::stream("", b"BT /F 10 Tf 20 100 Td (Name:) Tj ET");
    let bytes = pdf::page(entries, content, vec![field.to_vec(), look]);
    let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
    assert_eq!(lines(&document), ["Name: Ada"]);
}

#[tokio::test]
async fn a_form_field_is_read_although_nothing_draws_its_value_unless_it_is_hidden() {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R 6 0 R] /NeedAppearances true >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Annots [5 0 R 6 0 R] >>",
        "null",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (Grace Hopper) /Rect [20 150 180 162] >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (b) /V (unseen) /F 2 /Rect [20 100 180 112] >>",
    ];
    let bytes = pdf::file(&objects.map(|object| object.as_bytes().to_vec()));
    let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
    assert_eq!(lines(&document), ["Grace Hopper"]);
    assert_near(words(&document).next().unwrap().bbox, [20.0, 38.0, 50.0, 50.0], 1.0);
}

#[tokio::test]
async fn a_page_without_text_is_blank_and_said_to_be() {
    let bytes = pdf::page("/MediaBox [0 0 100 100]", pdf::stream("", b"0 0 50 50 re f"), Vec::new());
    let Extracted { document, warnings, .. } = read("scan.pdf", &bytes).await.unwrap();
    assert!(document.is_blank());
    assert_eq!(document.pages.len(), 1);
    assert_eq!(warnings, ["page 1: nothing could be recognised on the picture (OCR)"]);
}

#[tokio::test]
async fn an_encrypted_file_opens_with_its_password_alone() {
    for name in ["encrypted-aes256.pdf", "encrypted-rc4.pdf"] {
        let extractor = Extractor::new(config());
        let mut source = fixture(name);
        let without = extractor.extract(&source).await.unwrap_err();
        assert_eq!(without, Error::Encrypted(Protection::PasswordNeeded), "{name}");
        source.password = Some("guess".to_owned());
        assert_eq!(extractor.extract(&source).await.unwrap_err(), Error::Encrypted(Protection::PasswordWrong));
        source.password = Some("open-sesame".to_owned());
        let opened = extractor.extract(&source).await.unwrap();
        assert!(opened.document.text().contains("NI-2026-00417"), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_named_permanent_error() {
    let invoice = std::fs::read(repository().join("examples/invoice.pdf")).unwrap();
    let xfa = pdf::file(&[
        b"<< /Type /Catalog /Pages 2 0 R /NeedsRendering true >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 10 10] >>".to_vec(),
    ]);
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty.pdf", b"", "file_empty"),
        ("truncated.pdf", &invoice[..300], "file_corrupt"),
        ("no-pdf.pdf", b"hello", "file_corrupt"),
        ("scan.png", b"\x89PNG\r\n\x1a\n0000", "file_corrupt"),
        ("letter.docx", b"PK\x03\x04", "file_corrupt"),
        ("letter.rtf", b"{\\rtf1 text}", "file_unsupported"),
        ("form.pdf", &xfa, "file_xfa_only"),
    ];
    for (name, bytes, code) in cases {
        let error = TaskError::from(read(name, bytes).await.unwrap_err());
        assert_eq!((error.code.as_str(), error.class), (code, ErrorClass::Permanent), "{name}: {error}");
    }
    let missing = Extractor::new(config()).extract(&Source::file("/no/such/file.pdf")).await.unwrap_err();
    assert_eq!((missing.code(), missing.class()), ("io", ErrorClass::Transient));
}

#[tokio::test]
async fn a_damaged_page_costs_only_itself() {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R 9 0 R] /Count 2 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
        "<< /Length 36 >>\nstream\nBT /F 10 Tf 20 50 Td (legible) Tj ET\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ];
    let bytes = pdf::file(&objects.map(|object| object.as_bytes().to_vec()));
    let Extracted { document, warnings, .. } = read("a.pdf", &bytes).await.unwrap();
    assert_eq!((document.pages.len(), lines(&document)), (2, vec!["legible"]));
    assert_eq!(warnings, ["page 2: left out (file_corrupt): the file is damaged: what the page draws cannot be read"]);
}

#[tokio::test]
async fn a_missing_library_is_named_with_the_command_that_obtains_it() {
    let config = Config { pdfium: Some("/no/such/libpdfium.so".into()), ..config() };
    let error = read_with(config.clone(), "a.pdf", b"%PDF-1.7").await.unwrap_err();
    assert_eq!(error.code(), "pdfium_missing");
    let message = error.to_string();
    assert!(message.contains("/no/such/libpdfium.so") && message.contains("make setup"), "{message}");
    assert!(read_with(config, "a.txt", b"text needs no library").await.is_ok());
}

#[tokio::test]
async fn markdown_is_read_line_by_line() {
    let source = Source::file(repository().join("examples/contract.md"));
    let Extracted { document, extractor, .. } = Extractor::new(config()).extract(&source).await.unwrap();
    assert_eq!((document.media_type.as_str(), extractor.as_str()), ("text/markdown", "plain-text"));
    assert_eq!(document.pages[0].lines[2].text, "Agreement number: SA-2026-031");
}

#[test]
fn the_example_requests_are_valid() {
    for name in ["invoice", "contract"] {
        let path = repository().join(format!("examples/{name}.request.json"));
        let request = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let request = protocol::request::ExtractionRequest::parse(&request).unwrap();
        assert!(request.outputs.len() >= 10);
        assert!(repository().join("examples").join(request.file_name).is_file());
    }
}

/// Waits until `condition` holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
