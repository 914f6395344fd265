//! Has the pictures of pages read whose text is missing or not to be trusted, as many at once as there may be children.

use std::collections::VecDeque;

use protocol::document::PageFailure;
use tokio::task::JoinSet;

use super::{Extractor, Source};
use crate::config::OcrMode;
use crate::error::Error;
use crate::ocr::{self, Recognised};
use crate::range::spoken;
use crate::reading::Reading;
use crate::wire::Scan;

/// A page that is recognised less surely than this is worth a look.
const DOUBTFUL: f32 = 0.6;

/// The reading with what its pictures say.
pub(super) async fn pictures(
    extractor: &Extractor,
    source: &Source,
    mut reading: Reading,
    tell: &(impl Fn(u32, u32) + Send + Sync),
) -> Result<Reading, Error> {
    let all = u32::try_from(reading.pages.len()).unwrap_or(u32::MAX);
    let waiting = waiting(&reading, extractor.config.ocr.mode);
    let mut done = all.saturating_sub(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
    if waiting.is_empty() || extractor.config.ocr.mode == OcrMode::Never {
        let numbers = waiting.iter().map(|at| reading.pages[*at].0.number).collect::<Vec<_>>();
        if !numbers.is_empty() {
            let pages = spoken(&numbers);
            reading
                .summary
                .warnings
                .push(format!("{pages}: without a text layer, and reading scans (OCR) is turned off"));
        }
        return Ok(reading);
    }
    tell(done, all);
    let mut notes = Notes::default();
    let mut waiting = VecDeque::from(waiting);
    let mut under_way = JoinSet::new();
    loop {
        // No more than can run: the others would wait for a permit with a picture in hand.
        while under_way.len() < extractor.config.children.max(1) {
            let Some(at) = waiting.pop_front() else { break };
            let (extractor, source, number) = (extractor.clone(), source.clone(), reading.pages[at].0.number);
            under_way.spawn(async move { (at, read(&extractor, &source, number).await) });
        }
        let Some(finished) = under_way.join_next().await else { break };
        let (at, outcome) = finished.map_err(|error| Error::io("recognising a page", &error.into()))?;
        if let Err(Error::Io { .. } | Error::Killed) = outcome {
            // Another attempt at the document may fare better.
            return Err(outcome.err().unwrap_or(Error::Killed));
        }
        notes.take(&mut reading, at, outcome);
        done += 1;
        tell(done, all);
    }
    notes.concluded(reading)
}

/// The pages whose pictures are to be read, as indices.
fn waiting(reading: &Reading, mode: OcrMode) -> Vec<usize> {
    let failed = |number: u32| reading.failures.iter().any(|failure| failure.page == number);
    let is_wanted = |scan: Option<Scan>| scan.is_some() || mode == OcrMode::Always;
    let pages = reading.pages.iter().enumerate();
    pages.filter(|(_, (page, scan))| is_wanted(*scan) && !failed(page.number)).map(|(at, _)| at).collect()
}

async fn read(extractor: &Extractor, source: &Source, number: u32) -> Result<Recognised, Error> {
    let _permit = extractor.children.acquire().await;
    extractor.recogniser.read(number, |wish| extractor.draw(source, wish)).await
}

/// What is told of all pages together.
#[derive(Default)]
struct Notes {
    recognised: bool,
    blank: Vec<u32>,
    doubtful: Vec<(u32, f32)>,
    first: Option<Error>,
}

impl Notes {
    fn take(&mut self, reading: &mut Reading, at: usize, outcome: Result<Recognised, Error>) {
        let (page, scan) = &mut reading.pages[at];
        let number = page.number;
        match outcome {
            // A document that has no pictures had its text asked for a second time: it has the first.
            Err(Error::NoPicture { .. }) if scan.is_none() => {}
            Ok(Recognised { laid, confidence, advice }) => {
                let is_blank = laid.lines.is_empty();
                self.recognised = true;
                reading.summary.warnings.extend(advice);
                if is_blank {
                    self.blank.push(number);
                } else if confidence < DOUBTFUL {
                    self.doubtful.push((number, confidence));
                }
                // Text that cannot be trusted is still more than nothing.
                if !is_blank || page.lines.is_empty() {
                    *page = ocr::applied(std::mem::take(page), laid);
                }
            }
            Err(error) => {
                let failure = PageFailure { page: number, code: error.code().to_owned(), message: error.to_string() };
                reading.failures.push(failure);
                self.first.get_or_insert(error);
            }
        }
    }

    fn concluded(mut self, mut reading: Reading) -> Result<Reading, Error> {
        if reading.pages.iter().all(|(page, _)| page.lines.is_empty())
            && let Some(error) = self.first
        {
            return Err(error);
        }
        reading.failures.sort_by_key(|failure| failure.page);
        if self.recognised {
            reading.summary.reader.push_str("+tesseract");
        }
        let warnings = &mut reading.summary.warnings;
        if !self.blank.is_empty() {
            self.blank.sort_unstable();
            warnings.push(format!("{}: nothing could be recognised on the picture (OCR)", spoken(&self.blank)));
        }
        self.doubtful.sort_by_key(|(number, _)| *number);
        for (number, confidence) in &self.doubtful {
            let percent = confidence * 100.0;
            warnings.push(format!(
                "page {number}: recognised with a confidence of only {percent:.0} %; check what was read"
            ));
        }
        Ok(reading)
    }
}
