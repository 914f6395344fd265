//! How good the text is: the words of each engine beside those that poppler, PDFium and MuPDF agree on.
//!
//! Whoever is a part of the reference is like it in its own mistakes, too; so everybody is also held to those two that it is
//! not made of.

use std::collections::BTreeMap;

use protocol::document::{Document as Pages, Page};
use serde::Serialize;

use super::corpus::Document;
use super::engine::{Engine, FailureKind};
use super::score::{Bag, consensus, f1, mean, order, words};
use super::session::{Places, Run};

/// What the consensus is made of.
const OF_THREE: [Engine; 3] = [Engine::Pdftotext, Engine::Pymupdf, Engine::Pypdfium2];

/// Two of them, and who is held to these: ours reads with PDFium.
const PAIRS: [([Engine; 2], &[Engine]); 3] = [
    (NEUTRAL, &[Engine::Ours, Engine::OursShared, Engine::Pypdfium2, Engine::Pdfminer]),
    ([Engine::Pymupdf, Engine::Pypdfium2], &[Engine::Pdftotext, Engine::PdftotextLayout]),
    ([Engine::Pdftotext, Engine::Pypdfium2], &[Engine::Pymupdf]),
];

/// The two that ours is not made of.
const NEUTRAL: [Engine; 2] = [Engine::Pdftotext, Engine::Pymupdf];

/// A document with fewer words says little about who reads well.
const LEAST_WORDS: usize = 20;

/// Documents whose references are less alike have no truth that can be known.
const LEAST_AGREEMENT: f64 = 0.8;

/// Below this a document counts as badly read.
pub(super) const GOOD: f64 = 0.9;

/// Quality over all documents.
#[derive(Debug, Serialize)]
pub struct Quality {
    /// Each text of each engine against each reference.
    pub rows: Vec<Row>,
    /// Documents that no quality was measured on, and why.
    pub left_out: Vec<LeftOut>,
    /// Documents in which ours, where it may recognise pages (OCR), does so although poppler reads text on them; and on how
    /// many pages.
    pub recognised: Vec<(String, usize)>,
}

/// A text of an engine.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The engine, and which of its texts.
    pub title: &'static str,
    /// Against poppler, PDFium and MuPDF.
    pub of_three: Scores,
    /// Against poppler and MuPDF.
    pub neutral: Scores,
    /// Against those two of the three that it is not made of.
    pub others: Scores,
}

/// One text against one reference.
#[derive(Debug, Default, Serialize)]
pub struct Scores {
    /// Mean of the F1 of words.
    pub f1: f64,
    /// Mean similarity of the order to the reference that is most like it.
    pub order: f64,
    /// Each document, by name.
    pub documents: BTreeMap<String, Score>,
}

/// One document.
#[derive(Debug, Serialize)]
pub struct Score {
    /// F1 of its words.
    pub f1: f64,
    /// Similarity of their order.
    pub order: f64,
    /// Words of the reference that were not read, most frequent first; a few.
    pub missing: Vec<(String, usize)>,
    /// Words that were read and are not in the reference; a few.
    pub surplus: Vec<(String, usize)>,
}

/// A document without a score.
#[derive(Debug, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Scores {
    /// Documents read worse than well, worst first.
    #[must_use]
    pub fn bad(&self) -> Vec<(&str, &Score)> {
        let mut bad: Vec<(&str, &Score)> = self.documents.iter().map(|(name, score)| (name.as_str(), score)).collect();
        bad.retain(|(_, score)| score.f1 < GOOD);
        bad.sort_by(|a, b| a.1.f1.total_cmp(&b.1.f1));
        bad
    }
}

/// What the references say about a document.
struct Truth {
    words: Bag,
    orders: Vec<Vec<String>>,
}

/// The texts that are scored: whose, their ending, their title.
const TEXTS: [(Engine, &str, &str); 8] = [
    (Engine::Ours, "txt", "Flotilla, text"),
    (Engine::Ours, "prose.txt", "Flotilla, prose"),
    (Engine::OursShared, "txt", "Flotilla, text, many documents a child"),
    (Engine::Pdftotext, "txt", "pdftotext"),
    (Engine::PdftotextLayout, "txt", "pdftotext -layout"),
    (Engine::Pypdfium2, "txt", "pypdfium2"),
    (Engine::Pdfminer, "txt", "pdfminer.six"),
    (Engine::Pymupdf, "txt", "PyMuPDF (AGPL)"),
];

/// Scores what the engines have read.
///
/// # Errors
/// When ours cannot be asked once more, to recognise pages that it distrusts.
pub(super) async fn measured(documents: &[Document], runs: &[Run], places: &Places) -> anyhow::Result<Quality> {
    let truths = |engines: &[Engine]| -> Vec<Result<Truth, String>> {
        (0..documents.len()).map(|index| truth(index, engines, runs)).collect()
    };
    let of_three = truths(&OF_THREE);
    let of_pairs = PAIRS.map(|(engines, held)| (truths(&engines), held));
    let neutral = &of_pairs[0].0;
    let row = |(engine, ending, title): &(Engine, &str, &'static str)| {
        let run = runs.iter().find(|run| run.engine == *engine)?;
        let read = |index| run.text(index, ending).map(|text| words(&text)).unwrap_or_default();
        let texts: Vec<Vec<String>> = (0..documents.len()).map(read).collect();
        let others = of_pairs.iter().find(|(_, held)| held.contains(engine)).map(|(truths, _)| truths);
        Some(Row {
            title,
            of_three: scores(documents, &texts, &of_three),
            neutral: scores(documents, &texts, neutral),
            others: others.map(|truths| scores(documents, &texts, truths)).unwrap_or_default(),
        })
    };
    let left_out = neutral.iter().zip(documents).filter_map(|(truth, document)| {
        let reason = truth.as_ref().err()?.clone();
        Some(LeftOut { name: document.name.clone(), reason })
    });
    let known: Vec<usize> = (0..documents.len()).filter(|index| neutral[*index].is_ok()).collect();
    Ok(Quality {
        rows: TEXTS.iter().filter_map(row).collect(),
        left_out: left_out.collect(),
        recognised: recognised(&known, documents, runs, places).await?,
    })
}

/// Whether tesseract read it. A text layer that somebody else's recognition left in the file knows no confidences.
fn was_recognised(page: &Page) -> bool {
    page.lines.iter().flat_map(|line| &line.words).any(|word| word.confidence.is_some())
}

/// The documents among `known` in which ours recognises pages that poppler reads text on.
async fn recognised(
    known: &[usize],
    documents: &[Document],
    runs: &[Run],
    places: &Places,
) -> anyhow::Result<Vec<(String, usize)>> {
    let paths: Vec<_> = known.iter().map(|index| documents[*index].path.as_path()).collect();
    let ours = Run::of(Engine::OursBoxes, &paths, places).await?;
    let mut recognised = Vec::new();
    for (at, index) in known.iter().enumerate() {
        let Some(json) = ours.text(at, "json") else { continue };
        let pages: Pages = serde_json::from_str(&json)?;
        let poppler = runs.iter().find(|run| run.engine == Engine::Pdftotext);
        let text = poppler.and_then(|run| run.text(*index, "txt")).unwrap_or_default();
        let pairs = pages.pages.iter().zip(text.split(Pages::PAGE_END));
        let count = pairs.filter(|(page, text)| was_recognised(page) && words(text).len() >= LEAST_WORDS).count();
        if count > 0 {
            recognised.push((documents[*index].name.clone(), count));
        }
    }
    Ok(recognised)
}

/// What these engines say about a document; why there is no saying, otherwise.
fn truth(index: usize, engines: &[Engine], runs: &[Run]) -> Result<Truth, String> {
    let failures: Vec<_> = runs.iter().filter_map(|run| run.answers[index].failure.as_ref()).collect();
    if failures.len() == runs.len() {
        let password = failures.iter().any(|failure| failure.kind == FailureKind::Password);
        return Err(if password { "it needs a password" } else { "every engine refuses it" }.to_owned());
    }
    let references = || engines.iter().filter_map(|engine| runs.iter().find(|run| run.engine == *engine));
    if let Some((by, failure)) =
        references().find_map(|run| Some((run.engine.title(), run.answers[index].failure.as_ref()?)))
    {
        let what = if failure.kind == FailureKind::Password { "wants a password for" } else { "refuses" };
        return Err(format!("{by} {what} it"));
    }
    let orders: Vec<Vec<String>> = references().map(|run| words(&run.text(index, "txt").unwrap_or_default())).collect();
    if orders.iter().any(|words| words.len() < LEAST_WORDS) {
        return Err(format!("a reference has fewer than {LEAST_WORDS} words"));
    }
    let bags: Vec<Bag> = orders.iter().map(|words| Bag::of(words)).collect();
    let pairs = || bags.iter().enumerate().flat_map(|(at, a)| bags[..at].iter().map(move |b| f1(a, b)));
    let agreement = pairs().fold(1.0, f64::min);
    if agreement < LEAST_AGREEMENT {
        return Err(format!("the references agree on {agreement:.2} only"));
    }
    Ok(Truth { words: consensus(&bags), orders })
}

fn scores(documents: &[Document], texts: &[Vec<String>], truths: &[Result<Truth, String>]) -> Scores {
    let scored = documents
        .iter()
        .zip(texts)
        .zip(truths)
        .filter_map(|((document, text), truth)| Some((document.name.clone(), score(text, truth.as_ref().ok()?))));
    let documents: BTreeMap<String, Score> = scored.collect();
    Scores {
        f1: mean(documents.values().map(|score| score.f1)),
        order: mean(documents.values().map(|score| score.order)),
        documents,
    }
}

fn score(text: &[String], truth: &Truth) -> Score {
    const A_FEW: usize = 12;
    let bag = Bag::of(text);
    let few = |mut words: Vec<(String, usize)>| {
        words.truncate(A_FEW);
        words
    };
    Score {
        f1: f1(&bag, &truth.words),
        order: truth.orders.iter().map(|reference| order(text, reference)).fold(0.0, f64::max),
        missing: few(truth.words.beyond(&bag)),
        surplus: few(bag.beyond(&truth.words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_to_the_reference_most_like_it() {
        let text = |text: &str| words(text);
        let orders = vec![text("a b c d"), text("c d a b")];
        let truth = Truth { words: Bag::of(&orders[0]), orders };
        let score = score(&text("c d a x"), &truth);
        // Three of four words are right; the second order shares three of them in sequence.
        assert_eq!((score.f1, score.order), (0.75, 0.75));
        assert_eq!(score.missing, [("b".to_owned(), 1)]);
        assert_eq!(score.surplus, [("x".to_owned(), 1)]);
    }

    #[test]
    fn a_document_that_was_not_read_counts_as_nothing_read() {
        let truth = Truth { words: Bag::of(&words("a b")), orders: vec![words("a b")] };
        let document = Document { name: "x.pdf".to_owned(), path: "x.pdf".into() };
        let scores = scores(&[document], &[Vec::new()], &[Ok(truth)]);
        assert_eq!((scores.f1, scores.order), (0.0, 0.0));
        assert_eq!(scores.bad().len(), 1);
    }
}
