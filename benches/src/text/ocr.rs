//! How well characters are recognised on pages whose text is known: pages of the corpus, rendered and degraded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use protocol::document::{Document as Pages, Origin};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::corpus::Document;
use super::engine::Engine;
use super::score::{Bag, character_accuracy, consensus, f1, mean, words};
use super::session::{Places, Run, ask};

/// A page with fewer words says little.
const LEAST_WORDS: usize = 50;

/// A page with more takes long.
const MOST_WORDS: usize = 700;

/// Pages on which poppler and MuPDF agree less have no text that is known.
const LEAST_AGREEMENT: f64 = 0.95;

/// Recognition over rendered pages.
#[derive(Debug, Serialize)]
pub struct Rendered {
    /// The documents whose first pages were rendered.
    pub pages: Vec<String>,
    /// By engine and way of degrading.
    pub rows: Vec<Row>,
}

/// One engine on all pages, degraded one way.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Who.
    pub engine: Engine,
    /// How the pages were degraded.
    pub kind: String,
    /// How many pages.
    pub pages: usize,
    /// On how many of them anything was recognised.
    pub recognised: usize,
    /// Mean F1 of the words against those that poppler and MuPDF agree on.
    pub f1: f64,
    /// Mean accuracy of the characters against the better of the two; the order counts.
    pub characters: f64,
    /// Processor seconds for a page.
    pub cpu_s: f64,
    /// What went wrong, most frequent first, with how often.
    pub failures: Vec<(String, usize)>,
}

/// A page whose text is known.
struct Known<'a> {
    document: &'a Document,
    texts: [Vec<String>; 2],
}

#[derive(Serialize)]
struct Wanted<'a> {
    index: usize,
    path: &'a Path,
    page: u32,
}

/// A rendered page.
#[derive(Deserialize)]
struct Picture {
    index: usize,
    kind: String,
    picture: PathBuf,
    pdf: PathBuf,
}

/// Renders `count` pages and has ours and tesseract read them.
///
/// # Errors
/// When the pages cannot be rendered or a reader fails as a whole.
pub(super) async fn measured(
    documents: &[Document],
    runs: &[Run],
    count: usize,
    places: &Places,
) -> anyhow::Result<Rendered> {
    let known = spread(known_pages(documents, runs), count);
    let folder = places.work.join("pictures");
    std::fs::create_dir_all(&folder)?;
    let mut render = Command::new(places.peers.join("bin/python"));
    render.arg(places.sources.join("render.py")).arg(&folder);
    let wanted = known.iter().enumerate().map(|(index, known)| Wanted { index, path: &known.document.path, page: 1 });
    let pictures = ask(&mut render, wanted).await.context("rendering pages")?;
    let pictures: Vec<Picture> = pictures.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;

    let pdfs: Vec<&Path> = pictures.iter().map(|picture| picture.pdf.as_path()).collect();
    let images: Vec<&Path> = pictures.iter().map(|picture| picture.picture.as_path()).collect();
    let mut rows = Vec::new();
    for (engine, files) in [(Engine::OursBoxes, pdfs), (Engine::Tesseract, images)] {
        let run = Run::of(engine, &files, places).await?;
        rows.extend(rows_of(&run, &pictures, &known));
    }
    Ok(Rendered { pages: known.iter().map(|known| known.document.name.clone()).collect(), rows })
}

/// First pages whose text is known, and is in Latin letters: tesseract knows English.
fn known_pages<'a>(documents: &'a [Document], runs: &[Run]) -> Vec<Known<'a>> {
    let page = |engine: Engine, index: usize| {
        let text = runs.iter().find(|run| run.engine == engine)?.text(index, "txt")?;
        Some(words(text.split(Pages::PAGE_END).next()?))
    };
    let known = |(index, document): (usize, &'a Document)| {
        let texts = [page(Engine::Pdftotext, index)?, page(Engine::Pymupdf, index)?];
        let [poppler, mupdf] = &texts;
        let agree = f1(&Bag::of(poppler), &Bag::of(mupdf)) >= LEAST_AGREEMENT;
        let readable = (LEAST_WORDS..=MOST_WORDS).contains(&poppler.len()) && poppler.iter().all(|word| is_latin(word));
        (agree && readable).then_some(Known { document, texts })
    };
    documents.iter().enumerate().filter_map(known).collect()
}

/// No letter is from beyond Latin Extended-A; signs may be anything that is printed between Latin letters.
fn is_latin(word: &str) -> bool {
    word.chars().all(|character| !character.is_alphabetic() || character <= '\u{17f}')
}

/// So many of them, evenly from the beginning to the end.
fn spread<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let (length, count) = (all.len(), count.min(all.len()));
    let chosen = |index: usize| (0..count).any(|number| number * length / count == index);
    all.into_iter().enumerate().filter_map(|(index, one)| chosen(index).then_some(one)).collect()
}

fn rows_of(run: &Run, pictures: &[Picture], known: &[Known<'_>]) -> Vec<Row> {
    let mut kinds: Vec<&str> = Vec::new();
    for picture in pictures {
        if !kinds.contains(&picture.kind.as_str()) {
            kinds.push(&picture.kind);
        }
    }
    let row = |kind: &str| {
        let of_kind = || pictures.iter().enumerate().filter(|(_, picture)| picture.kind == kind);
        let read: Vec<(Read, &Known<'_>)> =
            of_kind().filter_map(|(at, picture)| Some((Read::of(run, at), known.get(picture.index)?))).collect();
        let mut failures: BTreeMap<String, usize> = BTreeMap::new();
        for failure in read.iter().filter_map(|(read, _)| read.failure.clone()) {
            *failures.entry(failure).or_default() += 1;
        }
        let mut failures: Vec<(String, usize)> = failures.into_iter().collect();
        failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Row {
            engine: run.engine,
            kind: kind.to_owned(),
            pages: read.len(),
            recognised: read.iter().filter(|(read, _)| read.recognised).count(),
            f1: mean(read.iter().map(|(read, known)| f1(&Bag::of(&read.words), &agreed(known)))),
            characters: mean(read.iter().map(|(read, known)| {
                known.texts.iter().map(|text| character_accuracy(text, &read.ordered)).fold(0.0, f64::max)
            })),
            cpu_s: mean(of_kind().map(|(at, _)| run.answers[at].cpu_s)),
            failures,
        }
    };
    kinds.into_iter().map(row).collect()
}

fn agreed(known: &Known<'_>) -> Bag {
    consensus(&known.texts.each_ref().map(|text| Bag::of(text)))
}

/// What was read on a picture.
struct Read {
    words: Vec<String>,
    /// The same in reading order.
    ordered: Vec<String>,
    recognised: bool,
    failure: Option<String>,
}

impl Read {
    fn of(run: &Run, at: usize) -> Self {
        let text = |ending: &str| words(&run.text(at, ending).unwrap_or_default());
        let failure = run.answers[at].failure.as_ref().map(|failure| failure.detail.clone());
        if run.engine == Engine::Tesseract {
            let words = text("txt");
            return Self { recognised: !words.is_empty(), ordered: words.clone(), words, failure };
        }
        let pages = run.text(at, "json").and_then(|json| serde_json::from_str::<Pages>(&json).ok()).unwrap_or_default();
        let failed = pages.failures.first().map(|failure| format!("{}: {}", failure.code, failure.message));
        Self {
            words: text("txt"),
            ordered: text("prose.txt"),
            recognised: pages.pages.iter().any(|page| page.origin == Origin::Ocr && !page.lines.is_empty()),
            failure: failure.or(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_taken_evenly() {
        assert_eq!(spread((0..10).collect(), 3), [0, 3, 6]);
        assert_eq!(spread((0..2).collect(), 5), [0, 1]);
        assert!(spread(Vec::<u32>::new(), 5).is_empty());
    }

    #[test]
    fn latin_letters_with_any_signs_are_latin() {
        assert!(["Größe", "12,50€", "●", "naïve", "œuvre"].into_iter().all(is_latin));
        assert!(!is_latin("слово") && !is_latin("中"));
    }
}
