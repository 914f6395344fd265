//! Boxes are where the words are: proven on real documents, against their pictures and against another reader.
//!
//! `make setup` obtains the documents and pdftotext, which shares no code with PDFium.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use protocol::document::{BBox, Document, Word};
use text::{CHILD_ARGUMENT, ChildCommand, Config, Extractor, Picture, Source, Wish};
use unicode_normalization::UnicodeNormalization;

/// Fewer documents than these would prove little.
const DOCUMENTS: usize = 12;

fn documents() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../documents");
    let files = std::fs::read_dir(&folder).map(|files| files.map(|file| file.unwrap().path()).collect::<Vec<_>>());
    let mut files = files.unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pdf"));
    files.sort();
    assert!(files.len() >= DOCUMENTS, "{} has {} documents: run `make setup` first", folder.display(), files.len());
    files
}

fn extractor() -> Extractor {
    let named = std::env::var_os("FLOTILLA_PDFIUM").map(PathBuf::from);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pdfium = named.unwrap_or_else(|| repository.join(".tools/pdfium/libpdfium.so"));
    let child =
        ChildCommand { program: env!("CARGO_BIN_EXE_text-child").into(), arguments: vec![CHILD_ARGUMENT.to_owned()] };
    Extractor::new(Config { child, pdfium: Some(pdfium), documents_per_child: 64, ..Config::discover().unwrap() })
}

async fn read(extractor: &Extractor, file: &Path) -> Document {
    extractor.extract(&Source::file(file)).await.unwrap().document
}

/// The words of each page that have a letter or a digit; of leaders and rules each reader makes words of its own.
fn words(document: &Document) -> impl Iterator<Item = (usize, &Word)> {
    let pages = document.pages.iter().enumerate();
    let words = pages
        .flat_map(|(page, of)| of.lines.iter().flat_map(move |line| line.words.iter().map(move |word| (page, word))));
    words.filter(|(_, word)| word.text.chars().any(char::is_alphanumeric))
}

#[tokio::test]
async fn there_is_ink_in_the_box_of_every_word() {
    let extractor = extractor();
    let (mut all, mut blank) = (0, Vec::new());
    for file in documents() {
        let document = read(&extractor, &file).await;
        for (index, page) in document.pages.iter().enumerate() {
            let wish = Wish { grey: true, ..Wish::page(page.number, 150.0) };
            let picture = extractor.picture(&Source::file(&file), wish).await.unwrap();
            for (_, word) in words(&document).filter(|(of, _)| *of == index) {
                all += 1;
                if !has_ink(&picture, word.bbox) {
                    blank.push(format!("{} page {}: {}", file.display(), page.number, word.text));
                }
            }
            // The margin of a page is blank, so the check can fail.
            assert!(!has_ink(&picture, BBox::new(0.0, 0.0, 4.0, 4.0)), "{} page {}", file.display(), page.number);
        }
    }
    println!("{all} words, {} without ink", blank.len());
    assert!(all > 5_000, "{all} words are too few to prove anything");
    // Ten words are values of form fields that the file leaves to the viewer to draw.
    assert!(blank.len() * 500 <= all, "of {all} words these have no ink in their boxes: {blank:#?}");
}

/// Whether the pixels of a box differ: print on any background does.
fn has_ink(picture: &Picture, bbox: BBox) -> bool {
    const CONTRAST: u8 = 32;
    let placement = picture.placement;
    let scale = placement.width as f32 / placement.page_width;
    let [x0, y0, x1, y1] = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|edge| (edge.max(0.0) * scale) as usize);
    let rows = picture.pixels.chunks_exact(placement.width as usize).skip(y0).take(y1 - y0 + 1);
    let pixels: Vec<u8> = rows.flat_map(|row| row.iter().skip(x0).take(x1 - x0 + 1)).copied().collect();
    let (low, high) = (pixels.iter().min(), pixels.iter().max());
    low.zip(high).is_some_and(|(low, high)| high - low >= CONTRAST)
}

#[tokio::test]
async fn another_reader_finds_the_same_words_in_the_same_places() {
    let extractor = extractor();
    let (mut all, mut same) = (0, 0);
    for file in documents() {
        let document = read(&extractor, &file).await;
        let theirs = of_poppler(&file);
        let (mut of_file, mut missing) = (0, Vec::new());
        for (page, word) in words(&document) {
            of_file += 1;
            let there = theirs.get(&(page, normalised(&word.text)));
            if there.is_some_and(|boxes| boxes.iter().any(|bbox| is_same_place(word.bbox, *bbox))) {
                same += 1;
            } else {
                missing.push(&word.text);
            }
        }
        all += of_file;
        let name = file.file_name().unwrap().to_string_lossy();
        println!("{name}: {of_file} words, not found by pdftotext in their places: {missing:?}");
        assert!(
            missing.len() <= 1 + of_file / 20,
            "{name}: {} of {of_file} words are elsewhere: {missing:?}",
            missing.len()
        );
    }
    println!("{same} of {all}");
    assert!(all > 5_000, "{all} words are too few to prove anything");
    assert!(same * 1_000 >= all * 995, "only {same} of {all} words are found in their places");
}

/// Each holds the middle of the other.
fn is_same_place(ours: BBox, theirs: BBox) -> bool {
    ours.holds(theirs) && theirs.holds(ours)
}

/// As it is compared: without the dots of a leader, which some readers make part of the word before it.
fn normalised(text: &str) -> String {
    text.nfkc().collect::<String>().trim_end_matches('.').to_owned()
}

/// The boxes of words as pdftotext has them, by page and text.
fn of_poppler(file: &Path) -> HashMap<(usize, String), Vec<BBox>> {
    let output = Command::new("pdftotext").args(["-bbox", "-cropbox"]).arg(file).arg("-").output();
    let output = output.expect("pdftotext is missing: run `make setup` first");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words: HashMap<(usize, String), Vec<BBox>> = HashMap::new();
    let mut pages = 0;
    for line in listing.lines().map(str::trim) {
        if line.starts_with("<page ") {
            pages += 1;
        }
        let Some(word) = line.strip_prefix("<word ").and_then(|line| line.strip_suffix("</word>")) else { continue };
        let (attributes, text) = word.split_once('>').unwrap();
        let edges: Vec<f32> = attributes.split('"').filter_map(|part| part.parse().ok()).collect();
        let [x0, y0, x1, y1] = edges[..] else { panic!("four edges in {line}") };
        let text = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&amp;", "&")]
            .iter()
            .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant));
        words.entry((pages - 1, normalised(&text))).or_default().push(BBox::new(x0, y0, x1, y1));
    }
    words
}
