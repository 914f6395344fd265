//! Pictures of pages → words, by tesseract.
//!
//! A page is drawn in grey and straightened by a child, as the document is a stranger's, and goes to tesseract as plain
//! pixels: no image format of a stranger is read by it. It is read with the languages that are configured, or with what
//! Latin script takes. Where that goes badly, tesseract is asked how the page lies and in which script it is written, and
//! the page is read once more that way; the better reading stays.

use std::sync::Arc;

use protocol::document::{BBox, Origin, Page, Word};
use tokio::sync::OnceCell;

use self::scripts::Orientation;
use self::tesseract::Tesseract;
use self::tsv::Found;
use crate::config::{ChildCommand, Ocr, find_tesseract};
use crate::error::Error;
use crate::layout::{self, Laid};
use crate::picture::{Picture, Placement, Wish};

pub(crate) mod launch;
mod scripts;
mod tesseract;
mod tsv;

/// A page that is read more surely than this is not looked at again.
const SURE: f32 = 0.8;

/// With fewer letters a page tells nothing about its orientation.
const FEW_LETTERS: usize = 8;

/// Reads pictures.
#[derive(Debug)]
pub(crate) struct Recogniser {
    config: Ocr,
    launcher: ChildCommand,
    /// Found out with the first picture.
    tesseract: OnceCell<(Tesseract, Vec<String>)>,
}

/// What was recognised on a page.
pub(crate) struct Recognised {
    pub(crate) laid: Laid,
    /// How surely, from 0 to 1.
    pub(crate) confidence: f32,
    /// What a person should know.
    pub(crate) advice: Option<String>,
}

/// One attempt at a page.
struct Attempt {
    placement: Placement,
    words: Vec<Found>,
}

impl Attempt {
    fn confidence(&self) -> f32 {
        tsv::confidence(&self.words)
    }

    fn letters(&self) -> usize {
        self.words.iter().map(|word| word.text.chars().count()).sum()
    }

    /// Letters that can be relied on.
    #[expect(clippy::cast_precision_loss, reason = "a page has few letters")]
    fn yield_(&self) -> f32 {
        self.letters() as f32 * self.confidence().powi(2)
    }
}

impl Recogniser {
    pub(crate) const fn new(config: Ocr, launcher: ChildCommand) -> Self {
        Self { config, launcher, tesseract: OnceCell::const_new() }
    }

    async fn tesseract(&self) -> Result<&(Tesseract, Vec<String>), Error> {
        let find = || async {
            let program = find_tesseract(self.config.program.as_deref())?;
            let (launcher, limits) = (self.launcher.clone(), self.config.clone());
            let tesseract = Tesseract { launcher, program, limits };
            let installed = tesseract.installed().await?;
            Ok((tesseract, installed))
        };
        self.tesseract.get_or_try_init(find).await
    }

    /// What a page of that number is to be read with at first.
    fn data(&self, installed: &[String]) -> Result<String, Error> {
        let lacking = |what: &str| Error::OcrUnavailable {
            detail: format!(
                "tesseract lacks language data: {what}; install it, such as with apt-get install tesseract-ocr-eng"
            ),
        };
        if self.config.languages.is_empty() {
            return scripts::first(installed).ok_or_else(|| lacking("there is none at all"));
        }
        let is_missing = |language: &&String| !installed.contains(language);
        match self.config.languages.iter().find(is_missing) {
            Some(language) => Err(lacking(&format!("{language:?} is not among {}", installed.join(", ")))),
            None => Ok(self.config.languages.join("+")),
        }
    }

    /// Reads a page that `draw` draws.
    pub(crate) async fn read<D, F>(&self, page: u32, draw: D) -> Result<Recognised, Error>
    where
        D: Fn(Wish) -> F,
        F: Future<Output = Result<Picture, Error>>,
    {
        let (tesseract, installed) = self.tesseract().await?;
        let data = self.data(installed)?;
        let wish = Wish { page, dpi: self.config.dpi, grey: true, deskew: true, turns: 0, native: true };
        let picture = draw(wish.clone()).await?;
        let first = attempt(tesseract, &picture, page, &data).await?;
        let can_orient = installed.iter().any(|name| name == "osd");
        if first.confidence() >= SURE && first.letters() >= FEW_LETTERS || !can_orient {
            return Ok(recognised(first, None));
        }
        let said = tesseract.orientation(&picture, page).await?;
        let Some(Orientation { turns, script }) = Orientation::parse(&said) else {
            return Ok(recognised(first, None));
        };
        let of_script =
            if self.config.languages.is_empty() { scripts::data(&script, installed) } else { Some(data.clone()) };
        let advice = of_script.is_none().then(|| {
            format!("page {page}: its script seems to be {script}, for which tesseract has no language data here")
        });
        let of_script = of_script.unwrap_or_else(|| data.clone());
        if turns == 0 && of_script == data {
            return Ok(recognised(first, advice));
        }
        let picture = if turns == 0 { picture } else { draw(Wish { turns, ..wish }).await? };
        let second = attempt(tesseract, &picture, page, &of_script).await?;
        let better = if second.yield_() > first.yield_() { second } else { first };
        Ok(recognised(better, advice))
    }
}

async fn attempt(tesseract: &Tesseract, picture: &Picture, page: u32, data: &str) -> Result<Attempt, Error> {
    let words = tsv::words(&tesseract.words(picture, page, data).await?);
    Ok(Attempt { placement: picture.placement, words })
}

fn recognised(attempt: Attempt, advice: Option<String>) -> Recognised {
    let confidence = attempt.confidence();
    Recognised { laid: laid(&attempt), confidence, advice }
}

/// The page as the upright, straightened picture is laid out, with boxes as on the page.
fn laid(Attempt { placement, words }: &Attempt) -> Laid {
    // The layout is that of the picture, whose lines are level; in points, as all layout.
    let scale = 72.0 / placement.dpi();
    let on_picture = |[x0, y0, x1, y1]: [f32; 4]| BBox::new(x0 * scale, y0 * scale, x1 * scale, y1 * scale);
    let placed = words.iter().map(|word| {
        let confidence = Some((word.confidence * 100.0).round() / 100.0);
        let placed = Word { text: word.text.clone(), bbox: on_picture(word.edges), confidence };
        (placed, baseline(words, word.line) * scale)
    });
    let mut laid = layout::page_of_words(placed.collect());
    for line in &mut laid.lines {
        for word in &mut line.words {
            word.bbox = on_page(placement, word.bbox, scale);
        }
        line.bbox = BBox::around(line.words.iter().map(|word| word.bbox)).unwrap_or(line.bbox);
    }
    for block in &mut laid.blocks {
        block.bbox = on_page(placement, block.bbox, scale);
    }
    for table in &mut laid.tables {
        table.bbox = on_page(placement, table.bbox, scale);
        for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
            cell.bbox = on_page(placement, cell.bbox, scale);
        }
    }
    laid
}

/// Where the words of a line stand: most of them have no letter that goes below.
fn baseline(words: &[Found], line: [u32; 3]) -> f32 {
    let mut lower: Vec<f32> = words.iter().filter(|word| word.line == line).map(|word| word.edges[3]).collect();
    lower.sort_by(f32::total_cmp);
    lower.get(lower.len() / 2).copied().unwrap_or_default()
}

fn on_page(placement: &Placement, bbox: BBox, scale: f32) -> BBox {
    let corners = [(bbox.x0, bbox.y0), (bbox.x1, bbox.y0), (bbox.x0, bbox.y1), (bbox.x1, bbox.y1)];
    let corners = corners.map(|(x, y)| placement.on_page(x / scale, y / scale));
    BBox::around(corners.map(|(x, y)| BBox::new(x, y, x, y))).unwrap_or(bbox)
}

/// The page with what was recognised on it instead of what was read.
pub(crate) fn applied(page: Page, Laid { lines, blocks, tables }: Laid) -> Page {
    Page { lines, blocks, tables, origin: Origin::Ocr, ..page }
}

/// Shared by everything that reads pictures for one extractor.
pub(crate) type Shared = Arc<Recogniser>;
