//! How well real scans are read: pictures of receipts beside the boxes and texts that people have written down.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use protocol::document::{BBox, Document as Pages};
use serde::Serialize;

use super::engine::Engine;
use super::score::{Bag, f1, mean, words};
use super::session::{Places, Run};

/// Recognition over receipts.
#[derive(Debug, Serialize)]
pub struct Receipts {
    /// How many.
    pub receipts: usize,
    /// By engine.
    pub rows: Vec<Row>,
}

/// One engine on all receipts.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who.
    pub engine: Engine,
    /// How many receipts anything was read on.
    pub read: usize,
    /// Mean F1 of the words; capitals do not count.
    pub f1: f64,
    /// Share of the boxes of truth whose text was read within them.
    pub boxes: f64,
    /// Processor seconds for a receipt.
    pub cpu_s: f64,
    /// The largest resident memory of a process that reads, in MiB.
    pub peak_mib: f64,
    /// Receipt by receipt: F1, share of boxes, or why it was not read.
    pub receipts: Vec<(String, f64, f64, Option<String>)>,
}

/// A text in its box, in pixels of the picture.
#[derive(Clone, Debug, PartialEq)]
struct Boxed {
    bbox: BBox,
    text: String,
}

/// The receipts below some folders: each picture that has a table of boxes beside it.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn found(folders: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for folder in folders {
        super::corpus::files_below(folder, "jpg", &mut pictures)?;
    }
    pictures.retain(|picture| picture.with_extension("csv").is_file());
    Ok(pictures)
}

/// Has ours and tesseract read receipts.
///
/// # Errors
/// When a truth is damaged or a reader fails as a whole.
pub(super) async fn measured(pictures: &[PathBuf], places: &Places) -> anyhow::Result<Receipts> {
    let truths = pictures.iter().map(|picture| truth(&picture.with_extension("csv"))).collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<&Path> = pictures.iter().map(PathBuf::as_path).collect();
    // tesseract says how large a picture is, which ours tells in points.
    let tesseract = Run::of(Engine::Tesseract, &paths, places).await?;
    let tables: Vec<String> = (0..paths.len()).map(|at| tesseract.text(at, "tsv").unwrap_or_default()).collect();
    let ours = Run::of(Engine::OursBoxes, &paths, places).await?;
    let read_by_ours = (0..paths.len()).map(|at| {
        let pages = serde_json::from_str::<Pages>(&ours.text(at, "json")?).ok()?;
        Some(words_of(&pages, size(&tables[at])?))
    });
    let rows = vec![
        row(&ours, pictures, &truths, &read_by_ours.collect::<Vec<_>>()),
        row(&tesseract, pictures, &truths, &tables.iter().map(|table| Some(words_in(table))).collect::<Vec<_>>()),
    ];
    Ok(Receipts { receipts: pictures.len(), rows })
}

/// Lines of `x,y` of four corners and the text, which may hold commas.
fn truth(path: &Path) -> anyhow::Result<Vec<Boxed>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let boxed = |line: &str| {
        let fields: Vec<&str> = line.splitn(9, ',').collect();
        let corners: Vec<f32> = fields.iter().take(8).filter_map(|field| field.trim().parse().ok()).collect();
        ensure!(corners.len() == 8 && fields.len() == 9, "{} has a line that is no box: {line}", path.display());
        let corners = corners.chunks_exact(2).map(|corner| BBox::new(corner[0], corner[1], corner[0], corner[1]));
        let bbox = BBox::around(corners).context("eight numbers are four corners")?;
        Ok(Boxed { bbox, text: fields[8].trim().to_owned() })
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(boxed).collect()
}

/// Width and height of the picture, which a table of tesseract's begins with.
fn size(table: &str) -> Option<(f32, f32)> {
    let page: Vec<&str> = table.lines().nth(1)?.split('\t').collect();
    Some((page.get(8)?.parse().ok()?, page.get(9)?.parse().ok()?))
}

/// The words of a table of tesseract's.
fn words_in(table: &str) -> Vec<Boxed> {
    let word = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| fields.get(at)?.parse::<f32>().ok();
        let text = fields.get(11)?.trim();
        let (left, top) = (number(6)?, number(7)?);
        let bbox = BBox::new(left, top, left + number(8)?, top + number(9)?);
        (!text.is_empty()).then(|| Boxed { bbox, text: text.to_owned() })
    };
    table.lines().skip(1).filter_map(word).collect()
}

/// The words of the first page, in pixels of a picture of that size.
fn words_of(pages: &Pages, (width, height): (f32, f32)) -> Vec<Boxed> {
    let Some(page) = pages.pages.first() else { return Vec::new() };
    let (x, y) = (width / page.width.max(1.0), height / page.height.max(1.0));
    let words = page.lines.iter().flat_map(|line| &line.words);
    let boxed = |bbox: BBox| BBox::new(bbox.x0 * x, bbox.y0 * y, bbox.x1 * x, bbox.y1 * y);
    words.map(|word| Boxed { bbox: boxed(word.bbox), text: word.text.clone() }).collect()
}

fn row(run: &Run, pictures: &[PathBuf], truths: &[Vec<Boxed>], read: &[Option<Vec<Boxed>>]) -> Row {
    let mut receipts = Vec::new();
    for (at, (picture, truth)) in pictures.iter().zip(truths).enumerate() {
        let read = read[at].as_deref().unwrap_or_default();
        let name = picture.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failure = run.answers[at].failure.as_ref().map(|failure| failure.detail.clone());
        receipts.push((name, f1(&bag(read), &bag(truth)), share_found(truth, read), failure));
    }
    Row {
        engine: run.engine,
        read: read.iter().flatten().filter(|words| !words.is_empty()).count(),
        f1: mean(receipts.iter().map(|(_, f1, ..)| *f1)),
        boxes: mean(receipts.iter().map(|(_, _, boxes, _)| *boxes)),
        cpu_s: run.cpu_s() / pictures.len().max(1) as f64,
        peak_mib: run.peak_kib().0 as f64 / 1024.0,
        receipts,
    }
}

fn bag(boxed: &[Boxed]) -> Bag {
    let all: Vec<&str> = boxed.iter().map(|boxed| boxed.text.as_str()).collect();
    Bag::of(&words(&all.join(" ").to_uppercase()))
}

/// Share of the boxes in which their text was read: the words whose centre lies within, half the box's height around it
/// allowed, hold the text; spaces and capitals do not count.
fn share_found(truth: &[Boxed], read: &[Boxed]) -> f64 {
    let plain =
        |text: &str| -> String { text.chars().filter(|ch| !ch.is_whitespace()).collect::<String>().to_uppercase() };
    let found = truth.iter().filter(|truth| {
        let around = truth.bbox.height() / 2.0;
        let BBox { x0, y0, x1, y1 } = truth.bbox;
        let place = BBox::new(x0 - around, y0 - around, x1 + around, y1 + around);
        let within = read.iter().filter(|word| place.holds(word.bbox));
        within.map(|word| plain(&word.text)).collect::<String>().contains(&plain(&truth.text))
    });
    found.count() as f64 / truth.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(text: &str, x0: f32, y0: f32, x1: f32, y1: f32) -> Boxed {
        Boxed { bbox: BBox::new(x0, y0, x1, y1), text: text.to_owned() }
    }

    #[test]
    fn a_truth_is_four_corners_and_a_text_with_commas() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("1.csv");
        std::fs::write(&path, "72,25,326,25,326,64,72,64,TAN, WOON\n\n")?;
        assert_eq!(truth(&path)?, [boxed("TAN, WOON", 72.0, 25.0, 326.0, 64.0)]);
        std::fs::write(&path, "72,25,326,TAN")?;
        assert!(truth(&path).is_err_and(|error| error.to_string().contains("no box: 72,25,326,TAN")));
        Ok(())
    }

    #[test]
    fn a_table_of_tesseract_s_has_the_size_and_words_with_boxes() {
        let table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                     1\t1\t0\t0\t0\t0\t0\t0\t400\t900\t-1\t\n\
                     5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t96.1\tTOTAL\n";
        assert_eq!(size(table), Some((400.0, 900.0)));
        assert_eq!(words_in(table), [boxed("TOTAL", 10.0, 20.0, 40.0, 60.0)]);
    }

    #[test]
    fn a_box_is_found_when_the_words_in_its_place_hold_its_text() {
        let truth = [boxed("TOTAL 5.00", 0.0, 0.0, 100.0, 10.0), boxed("CASH", 0.0, 50.0, 40.0, 60.0)];
        // Both words of the first; the second's text, but elsewhere.
        let read = [
            boxed("total", 1.0, 1.0, 40.0, 9.0),
            boxed("5.00", 50.0, 1.0, 90.0, 9.0),
            boxed("CASH", 0.0, 90.0, 40.0, 99.0),
        ];
        assert_eq!(share_found(&truth, &read), 0.5);
        assert_eq!(share_found(&truth, &[]), 0.0);
    }

    #[test]
    fn points_become_pixels_of_the_picture() {
        use protocol::document::{Line, Page, Word};
        let words = vec![Word::new("A".to_owned(), BBox::new(10.0, 20.0, 20.0, 30.0))];
        let page =
            Page { width: 100.0, height: 200.0, lines: vec![Line { words, ..Line::default() }], ..Page::default() };
        let pages = Pages { pages: vec![page], ..Pages::default() };
        assert_eq!(words_of(&pages, (200.0, 600.0)), [boxed("A", 20.0, 60.0, 40.0, 90.0)]);
    }
}
