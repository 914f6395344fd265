//! Pages that are pictures, read by a real tesseract.

use std::collections::HashMap;
use std::sync::Mutex;

use protocol::document::Origin;
use text::{Ocr, OcrMode, Picture, Wish};

use super::*;

/// A file whose pages are these pictures, in grey, without any text.
fn scanned(pictures: &[&Picture]) -> Vec<u8> {
    let kids: Vec<String> = (0..pictures.len()).map(|page| format!("{} 0 R", 3 + 3 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pictures.len()).into_bytes(),
    ];
    for (page, picture) in pictures.iter().enumerate() {
        let text::Placement { width, height, page_width, page_height, turns, .. } = picture.placement;
        let (w, h) = if turns % 2 == 1 { (page_height, page_width) } else { (page_width, page_height) };
        let (content, image) = (4 + 3 * page, 5 + 3 * page);
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {w} {h}] /Contents {content} 0 R \
                 /Resources << /XObject << /X {image} 0 R >> >> >>"
            )
            .into_bytes(),
        );
        objects.push(pdf::stream("", format!("{w} 0 0 {h} 0 0 cm /X Do").as_bytes()));
        let entries = format!(
            "/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray /BitsPerComponent 8"
        );
        objects.push(pdf::stream(&entries, &picture.pixels));
    }
    pdf::file(&objects)
}

fn invoice() -> Source {
    Source::file(repository().join("examples/invoice.pdf"))
}

async fn drawn(turns: u8) -> Picture {
    let wish = Wish { grey: true, turns, ..Wish::page(1, 200.0) };
    Extractor::new(config()).picture(&invoice(), wish).await.unwrap()
}

/// The picture as a sheet that lies askew on the glass shows it: every row shifted, every column too.
fn askew(picture: &Picture, degrees: f32) -> Picture {
    let (width, height) = (picture.placement.width as i32, picture.placement.height as i32);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (middle_x, middle_y) = (width as f32 / 2.0, height as f32 / 2.0);
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (x as f32 - middle_x, y as f32 - middle_y);
            let (x, y) = ((dx * cos + dy * sin + middle_x) as i32, (dy * cos - dx * sin + middle_y) as i32);
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            pixels.push(if inside { picture.pixels[(y * width + x) as usize] } else { 255 });
        }
    }
    Picture { pixels, ..picture.clone() }
}

/// Which part of the words of the invoice is among what was read, words that occur often as often.
async fn share_found(read: &Document) -> f32 {
    let truth = Extractor::new(config()).extract(&invoice()).await.unwrap().document;
    let mut found: HashMap<&str, i32> = HashMap::new();
    for word in words(read) {
        *found.entry(&word.text).or_default() += 1;
    }
    let count = words(&truth).count();
    let hits = words(&truth).filter(|word| {
        let left = found.entry(word.text.as_str()).or_default();
        *left -= 1;
        *left >= 0
    });
    hits.count() as f32 / count as f32
}

#[tokio::test]
async fn a_scan_is_read_with_the_boxes_of_its_words_however_it_lies() {
    let upright = drawn(0).await;
    let truth = Extractor::new(config()).extract(&invoice()).await.unwrap().document;
    let number = words(&truth).find(|word| word.text == "NI-2026-00417").unwrap();
    let cases = [
        ("upright", upright.clone()),
        ("askew", askew(&upright, 3.0)),
        ("on its side", drawn(1).await),
        ("on its head", drawn(2).await),
    ];
    for (name, picture) in cases {
        let Extracted { document, extractor, warnings } = read("scan.pdf", &scanned(&[&picture])).await.unwrap();
        let share = share_found(&document).await;
        assert!(share > 0.85, "{name}: {share} of the words, {warnings:?}");
        assert_eq!((extractor.as_str(), document.pages[0].origin), ("pdfium+tesseract", Origin::Ocr), "{name}");
        assert!(words(&document).all(|word| word.confidence.is_some_and(|sure| (0.0..=1.0).contains(&sure))));
        if name == "upright" {
            let read = words(&document).find(|word| word.text == "NI-2026-00417").unwrap();
            assert!(number.bbox.holds(read.bbox), "{:?} in {:?}", read.bbox, number.bbox);
            let row = document.text();
            let row = row.lines().find(|line| line.contains("Tide gauge")).unwrap();
            assert!(row.ends_with("2,480.00"), "columns share their line: {row:?}");
        }
    }
}

#[tokio::test]
async fn only_the_pages_without_text_are_recognised_and_it_is_told_how_many_are_done() {
    let picture = drawn(0).await;
    // A page of text before the scan: the content of the first page of a scan is replaced.
    let mut objects = scanned(&[&picture, &picture]);
    let draws = b"/X Do";
    let at = objects.windows(draws.len()).position(|window| window == draws).unwrap();
    objects[at..at + draws.len()].copy_from_slice(b"     ");
    let told = Mutex::new(Vec::new());
    let (_folder, source) = written("mixed.pdf", &objects);
    let extractor = Extractor::new(config());
    let read = extractor.extract_telling(&source, |done, all| told.lock().unwrap().push((done, all))).await.unwrap();
    let origins: Vec<Origin> = read.document.pages.iter().map(|page| page.origin).collect();
    assert_eq!(origins, [Origin::Text, Origin::Ocr]);
    assert_eq!(*told.lock().unwrap(), [(1, 2), (2, 2)]);
}

fn with_ocr(ocr: Ocr) -> Config {
    Config { ocr, ..config() }
}

#[tokio::test]
async fn without_tesseract_a_scan_is_an_error_that_says_what_to_install_and_text_is_read_all_the_same() {
    let missing = Ocr { program: Some("/nowhere/tesseract".into()), ..Ocr::default() };
    let scan = scanned(&[&drawn(0).await]);
    let error = read_with(with_ocr(missing.clone()), "scan.pdf", &scan).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("ocr_unavailable", ErrorClass::Permanent));
    let read = Extractor::new(with_ocr(missing)).extract(&invoice()).await.unwrap();
    assert!(read.document.failures.is_empty());

    let unknown = Ocr { languages: vec!["eng".into(), "tlh".into()], ..Ocr::default() };
    let error = read_with(with_ocr(unknown), "scan.pdf", &scan).await.unwrap_err();
    assert!(error.to_string().contains("\"tlh\""), "{error}");
}

#[tokio::test]
async fn a_page_that_takes_too_long_to_recognise_fails_alone() {
    let hasty = Ocr { wall: Duration::from_millis(1), ..Ocr::default() };
    let error = read_with(with_ocr(hasty), "scan.pdf", &scanned(&[&drawn(0).await])).await.unwrap_err();
    assert_eq!(error.code(), "file_too_complex");
}

#[tokio::test]
async fn recognising_can_be_turned_off_and_asked_for_everywhere() {
    let never = with_ocr(Ocr { mode: OcrMode::Never, ..Ocr::default() });
    let read = read_with(never, "scan.pdf", &scanned(&[&drawn(0).await])).await.unwrap();
    assert!(read.document.is_blank() && read.warnings[0].contains("turned off"), "{:?}", read.warnings);

    let always = with_ocr(Ocr { mode: OcrMode::Always, ..Ocr::default() });
    let read = Extractor::new(always.clone()).extract(&invoice()).await.unwrap();
    assert_eq!(read.document.pages[0].origin, Origin::Ocr);
    assert!(share_found(&read.document).await > 0.85);
    let read = read_with(always, "a.txt", b"no picture of this").await.unwrap();
    assert_eq!(lines(&read.document), ["no picture of this"]);
}

#[tokio::test]
async fn a_tesseract_that_complains_without_end_is_listened_to() {
    use std::os::unix::fs::PermissionsExt;
    // More complaints than a pipe holds: whoever is not listened to would wait for ever.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tesseract");
    let script = "#!/bin/sh\ncat >/dev/null\nhead -c 300000 /dev/zero >&2\necho 'List (1):'\necho eng\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = with_ocr(Ocr { program: Some(path), wall: Duration::from_secs(20), ..Ocr::default() });
    let read = read_with(config, "scan.pdf", &scanned(&[&drawn(0).await])).await.unwrap();
    assert_eq!(read.warnings, ["page 1: nothing could be recognised on the picture (OCR)"]);
}
