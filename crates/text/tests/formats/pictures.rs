//! Pictures of documents.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::made::{attachment, email};
use super::*;

/// The grey at a place of the picture, given in parts of its sides.
fn grey(picture: &Picture, x: f32, y: f32) -> u8 {
    let placement = picture.placement;
    let at = |part: f32, side: u32| ((side as f32 * part) as u32).min(side - 1);
    let pixel = at(y, placement.height) * placement.width + at(x, placement.width);
    picture.pixels[pixel as usize * usize::from(placement.channels)]
}

#[tokio::test]
async fn a_picture_is_a_page_without_words_that_can_be_drawn() {
    // The upper left quarter of all of them is black; one is turned by its Exif tag.
    let upright = (595.2, 841.9);
    let cases = [
        ("scan.png", "image/png", upright, (0.25, 0.25)),
        ("print.jpg", "image/jpeg", upright, (0.25, 0.25)),
        ("turned.jpg", "image/jpeg", (841.9, 595.2), (0.75, 0.25)),
        ("palette.bmp", "image/bmp", (45.0, 60.0), (0.25, 0.25)),
        ("small.webp", "image/webp", (28.8, 38.4), (0.25, 0.25)),
    ];
    for (name, media_type, size, black) in cases {
        let bytes = fixture(name);
        let Extracted { document, extractor, .. } = read("a", &bytes).await.unwrap();
        assert_eq!((extractor.as_str(), document.media_type.as_str()), ("picture", media_type));
        let [page] = &document.pages[..] else { panic!("{name}: {} pages", document.pages.len()) };
        assert!((page.width - size.0).abs() < 0.1 && (page.height - size.1).abs() < 0.1, "{name}: {page:?}");
        assert!(page.lines.is_empty());
        for is_grey in [false, true] {
            let picture = picture("a", &bytes, Wish { grey: is_grey, ..Wish::page(1, 100.0) }).await.unwrap();
            let placement = picture.placement;
            assert_eq!(placement.channels, if is_grey { 1 } else { 3 });
            assert_eq!(placement.bytes(), picture.pixels.len() as u64);
            assert_eq!((placement.page_width, placement.page_height), (page.width, page.height));
            assert!(grey(&picture, black.0, black.1) < 8, "{name}");
            assert!(grey(&picture, 1.0 - black.0, 0.75) > 247, "{name}");
        }
    }
}

#[tokio::test]
async fn the_pages_of_a_fax_are_pages_with_square_pixels() {
    let bytes = fixture("fax.tif");
    let Extracted { document, warnings, .. } = read("a.tif", &bytes).await.unwrap();
    let sizes: Vec<(f32, f32)> = document.pages.iter().map(|page| (page.width.round(), page.height.round())).collect();
    assert_eq!(sizes, [(219.0, 644.0), (109.0, 322.0)]);
    assert!(warnings[0].starts_with("pages 1–2: without a text layer"), "{warnings:?}");
    let picture = picture("a.tif", &bytes, Wish::page(2, 300.0)).await.unwrap();
    let placement = picture.placement;
    let (x, y) = (placement.width as f32 / placement.page_width, placement.height as f32 / placement.page_height);
    assert!((x / y - 1.0).abs() < 0.01, "{placement:?}");
    assert!(grey(&picture, 0.25, 0.25) < 8 && grey(&picture, 0.75, 0.25) > 247);
}

#[tokio::test]
async fn fewer_dots_are_given_where_fewer_are_wanted() {
    let picture = picture("a", &fixture("scan.png"), Wish::page(1, 37.5)).await.unwrap();
    assert_eq!((picture.placement.width, picture.placement.height), (310, 438));
}

#[tokio::test]
async fn what_is_clear_is_white_and_sixteen_bits_are_eight() {
    for name in ["clear.png", "deep.png"] {
        for is_grey in [false, true] {
            let wish = Wish { grey: is_grey, ..Wish::page(1, 150.0) };
            let picture = picture("a", &fixture(name), wish).await.unwrap();
            assert!(picture.pixels.iter().all(|pixel| *pixel == 255), "{name}");
        }
    }
}

#[tokio::test]
async fn a_page_that_is_not_there_is_named() {
    let error = picture("a", &fixture("scan.png"), Wish::page(2, 150.0)).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("page 2")), ("file_corrupt", true));
    let error = picture("a", b"text", Wish::page(1, 150.0)).await.unwrap_err();
    assert_eq!(error.code(), "picture_unavailable");
}

#[tokio::test]
async fn the_words_of_a_picture_are_recognised_alone_and_in_an_e_mail() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/invoice.pdf");
    let extractor = Extractor::new(Config { ocr: Ocr::default(), ..config() });
    let drawn = extractor.picture(&Source::file(example), Wish::page(1, 200.0)).await.unwrap();
    let pixels = RgbImage::from_raw(drawn.placement.width, drawn.placement.height, drawn.pixels).unwrap();
    let mut scan = Cursor::new(Vec::new());
    DynamicImage::from(pixels).write_to(&mut scan, ImageFormat::Png).unwrap();
    let attached = email(&[attachment("scan.png", scan.get_ref())]);
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, number) in [("scan.png", scan.get_ref(), 1), ("a.eml", &attached, 2)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let Extracted { document, .. } = extractor.extract(&Source::file(path)).await.unwrap();
        let page = document.page(number).unwrap();
        assert_eq!(page.origin, Origin::Ocr);
        assert!(lines(page).iter().any(|line| line.contains("NI-2026-00417")), "{name}: {:?}", lines(page));
    }
}
