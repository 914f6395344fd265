//! Values of labels that no lexicon knows: found by the wording of the question.

use std::ops::Range;

use protocol::document::BBox;
use protocol::request::OutputType;
use serde_json::Value;

use super::analysis::{Analysis, Label};
use super::beside::{How, Place, places};
use super::concept::Concept;
use super::found::{Found, best, strength};
use super::question::Ask;

/// The value beside the first label of one of these wordings, in the asked type.
pub(super) fn read(analysis: &Analysis, wordings: &[Vec<String>], kind: OutputType) -> Option<Found> {
    let found = wordings.iter().enumerate().flat_map(|(rank, wording)| {
        let labels = labels(analysis, wording);
        labels.into_iter().filter_map(move |(label, exact)| {
            let found = beside(analysis, &label, kind)?;
            Some(Found { score: found.score - 0.15 * rank as f32 - if exact { 0.0 } else { 0.2 }, ..found })
        })
    });
    best(found).filter(|found| found.score > 0.2)
}

/// Where the words of a wording stand in a row, spelling mistakes forgiven; and whether none was needed.
fn labels(analysis: &Analysis, wording: &[String]) -> Vec<(Label, bool)> {
    let mut labels = Vec::new();
    for line in &analysis.lines {
        let tokens = &analysis.tokens[line.tokens.clone()];
        for window in tokens.windows(wording.len()) {
            let exact = window.iter().zip(wording).all(|(token, word)| token.text == *word);
            if !exact && !window.iter().zip(wording).all(|(token, word)| alike(&token.text, word)) {
                continue;
            }
            let words = window[0].word..window[window.len() - 1].word + 1;
            let segment = analysis.segment_of(words.start);
            if words.end > segment.words.end {
                continue;
            }
            let colon = analysis.words[words.end - 1].text.ends_with(':')
                || analysis.words.get(words.end).is_some_and(|next| next.text == ":");
            let label = Label {
                concept: Concept::Title,
                length: wording.len(),
                weak: false,
                colon,
                leads: words.start == segment.words.start,
                ends: words.end == segment.words.end,
                words,
            };
            labels.push((label, exact));
        }
    }
    labels
}

/// Whether two folded words are the same to a person: `number` and `no`, or a letter apart.
fn alike(a: &str, b: &str) -> bool {
    const NUMBER: &[&str] = &["number", "no", "nr", "num", "nummer", "numero", "id", "code"];
    if a == b || (NUMBER.contains(&a) && NUMBER.contains(&b)) {
        return true;
    }
    let length = a.chars().count().min(b.chars().count());
    let plural = length > 3 && (a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a));
    plural || (length > 5 && strsim::levenshtein(a, b) <= 1 + usize::from(length > 9))
}

fn beside(analysis: &Analysis, label: &Label, kind: OutputType) -> Option<Found> {
    let base = strength(label);
    places(analysis, label).into_iter().find_map(|place| {
        let score = base + place.how.points();
        value_in(analysis, label, &place, kind, score)
    })
}

fn value_in(analysis: &Analysis, label: &Label, place: &Place, kind: OutputType, score: f32) -> Option<Found> {
    let words = place.words.clone();
    match kind {
        OutputType::Number => {
            let number = analysis.numbers_in(words.clone()).next()?;
            // "Deposit (see clause 4) …": a number far from its label is another's.
            let far = number.words.start - words.start > 4;
            (!far).then(|| Found::at(analysis, number.words.clone(), number.number.to_json(), score))
        }
        OutputType::Date => {
            let date = analysis.dates_in(words).next()?;
            Some(Found::at(analysis, date.words.clone(), date.iso.clone(), score))
        }
        OutputType::Email => {
            let at = words.clone().find(|at| values::email::parse(&analysis.words[*at].text).is_some())?;
            Some(Found::at(analysis, at..at + 1, values::email::parse(&analysis.words[at].text)?, score))
        }
        OutputType::Boolean => {
            let at = words.clone().take(3).find(|at| values::boolean::parse(&analysis.words[*at].text).is_some())?;
            Some(Found::at(analysis, at..at + 1, values::boolean::parse(&analysis.words[at].text)?, score))
        }
        OutputType::Json | OutputType::Table | OutputType::LineItem => None,
        OutputType::Text => text_in(analysis, label, place).map(|(words, text)| {
            let prose = if place.how == How::After && !label.colon && words.len() > 6 { 0.4 } else { 0.0 };
            Found::at(analysis, words, Value::String(text), score - prose)
        }),
    }
}

/// The text of a place: one segment; a sentence ends with its first full stop.
fn text_in(analysis: &Analysis, label: &Label, place: &Place) -> Option<(Range<usize>, String)> {
    let mut words = place.words.start..place.words.end.min(analysis.segment_of(place.words.start).words.end);
    let first = &analysis.words[words.start].text;
    // Another label stands there.
    let another =
        analysis.words[words.clone()].iter().take(5).any(|word| word.text.ends_with(':') && word.text.len() > 1);
    // "the policy number is printed on …" has no value; "Policy number is P-77" has.
    if place.how == How::After && matches!(first.as_str(), "is" | "ist" | "est" | "lautet") {
        words.start += 1;
    }
    if place.how == How::After {
        words.end = end_of_sentence(analysis, words.clone());
    }
    if another || words.is_empty() || (!label.leads && !label.colon && place.how != How::After) {
        return None;
    }
    let text = analysis.text(words.clone());
    let text = text.trim_matches([' ', ',', ';', ':', '|']).to_owned();
    (!text.is_empty() && text.chars().any(char::is_alphanumeric)).then_some((words, text))
}

/// A sentence that its line cuts off goes on in the next one, which then begins in lower case.
fn end_of_sentence(analysis: &Analysis, words: Range<usize>) -> usize {
    const MOST_LINES: usize = 3;
    let mut end = words.end;
    for _ in 1..MOST_LINES {
        let line = analysis.line_of(end - 1);
        let ended = analysis.words[end - 1].text.ends_with(['.', ';', ':', '!', '?']);
        let Some(next) = analysis.lines.get(analysis.words[end - 1].line + 1) else { break };
        let lower = analysis.words.get(next.words.start).is_some_and(|word| word.text.starts_with(char::is_lowercase));
        let close = next.page == line.page
            && next.bbox.y0 - line.bbox.y1 < 0.8 * line.bbox.height()
            && next.bbox.x0 <= line.bbox.x0 + 1.0;
        if ended || end != line.words.end || !lower || !close || next.segments.len() > 1 || words.len() < 3 {
            break;
        }
        let stop = next.words.clone().find(|at| analysis.words[*at].text.ends_with('.'));
        end = stop.map_or(next.words.end, |at| at + 1);
    }
    end
}

/// The largest heading near the top: the title of a document that names none.
pub(super) fn title(analysis: &Analysis) -> Option<Found> {
    let height = |bbox: BBox| bbox.height();
    let top = analysis
        .segments
        .iter()
        .filter(|segment| analysis.lines[segment.line].page == 0 && analysis.depth(segment.words.start) < 0.5)
        .take(60);
    let wordy = top.filter(|segment| {
        analysis.words[segment.words.clone()]
            .iter()
            .any(|word| word.text.chars().filter(|ch| ch.is_alphabetic()).count() > 2)
    });
    let largest = wordy.reduce(|best, next| if height(next.bbox) > height(best.bbox) * 1.1 { next } else { best })?;
    let words = largest.words.clone();
    let first = words.clone().find(|at| analysis.words[*at].text.chars().any(char::is_alphanumeric))?;
    let text = analysis.text(first..words.end);
    Some(Found::at(analysis, first..words.end, text.trim_matches(['*', '#', ' ', '_']).to_owned(), 0.5))
}

/// What a contract says after a phrase such as "governed by the laws of", up to the end of the clause.
pub(super) fn clause(analysis: &Analysis, concept: Concept) -> Option<Found> {
    const ENDS: &[&str] = &[
        "without",
        "and",
        "ohne",
        "sans",
        "und",
        "et",
        "zonder",
        "sin",
        "senza",
        "sem",
        "unless",
        "excluding",
        "unter",
    ];
    let found = analysis.labels_of(concept).filter_map(|label| {
        let line = analysis.words[label.words.start].line;
        let mut start = label.words.end;
        while analysis.words.get(start).is_some_and(|word| {
            matches!(
                values::fold::fold_words(&word.text).as_str(),
                "the"
                    | "of"
                    | "by"
                    | ""
                    | "laws"
                    | "law"
                    | "der"
                    | "des"
                    | "le"
                    | "la"
                    | "de"
                    | "du"
                    | "is"
                    | "shall"
                    | "be"
                    | "courts"
                    | "in"
                    | "a"
                    | "will"
            )
        }) {
            start += 1;
        }
        let mut end = start;
        while end < analysis.words.len() && analysis.words[end].line <= line + 2 && end - start < 12 {
            let text = &analysis.words[end].text;
            if ENDS.contains(&text.to_lowercase().as_str()) {
                break;
            }
            end += 1;
            if text.ends_with(['.', ',', ';', ')']) {
                break;
            }
        }
        let text = analysis.text(start..end);
        let text = text.trim_matches(['.', ',', ';', ':', '*', ' ', ')']).to_owned();
        let named = text.starts_with(|ch: char| ch.is_uppercase() || ch.is_ascii_digit())
            || concept == Concept::Term
            || concept == Concept::TerminationNotice;
        // A heading names the matter; what is said of it follows elsewhere.
        let heading = label.ends && label.leads && !label.colon;
        (named && !heading && end > start).then(|| {
            let specific = label.length as f32 * 0.2;
            Found::at(analysis, start..end, text, 0.4 + specific + if label.colon { 0.3 } else { 0.0 })
        })
    });
    best(found)
}

impl Ask {
    /// The wordings that are looked for when a known thing has no label of its own lexicon in the document.
    pub(super) fn wordings(&self) -> &[Vec<String>] {
        match self {
            Self::Labelled(wordings) => wordings,
            Self::Known(_) => &[],
        }
    }
}
