//! Numbers that name something: invoice, order, customer, contract.

use std::ops::Range;

use super::analysis::{Analysis, Label};
use super::beside::{How, places};
use super::concept::Concept;
use super::found::{Found, best, strength};

/// How many words into its place an id may begin.
const FIRST_WORDS: usize = 4;

/// The id that the concept's labels stand beside.
pub(super) fn labelled(analysis: &Analysis, concept: Concept) -> Option<Found> {
    let labels = analysis.labels_of(concept).flat_map(|label| beside(analysis, label, strength(label)));
    let titles: Vec<Found> = match concept {
        // "Invoice 2024-17", "Rechnung # 5 vom …": the title is the label.
        Concept::InvoiceNumber => titles(analysis).collect(),
        _ => Vec::new(),
    };
    best(labels.chain(titles))
}

fn beside(analysis: &Analysis, label: &Label, strength: f32) -> Option<Found> {
    for place in places(analysis, label) {
        let id = id_in(analysis, place.words.clone(), place.how);
        if let Some((words, id)) = id {
            let page = if analysis.line_of(words.start).page == 0 { 0.2 } else { 0.0 };
            return Some(Found::at(analysis, words, id, strength + place.how.points() + page));
        }
        // Something else stands where the id belongs; only below an empty place there may be one.
        if place.how == How::After && place.words.len() < 3 && label.colon {
            return None;
        }
    }
    None
}

fn titles(analysis: &Analysis) -> impl Iterator<Item = Found> {
    let compound = |label: &&Label| label.concept == Concept::InvoiceTitle;
    let titles = analysis.labels.iter().filter(compound).cloned();
    // German titles are compounds without end: Handelsrechnung, Abschlagsrechnung.
    let compounds =
        analysis.tokens.iter().filter(|token| token.text.len() > 8 && token.text.ends_with("rechnung")).map(|token| {
            let segment = analysis.segment_of(token.word);
            Label {
                concept: Concept::InvoiceTitle,
                words: token.word..token.word + 1,
                length: 1,
                weak: false,
                colon: false,
                leads: segment.words.start == token.word,
                ends: segment.words.end == token.word + 1,
            }
        });
    titles.chain(compounds).filter_map(|label| {
        let found = beside(analysis, &label, strength(&label) - 0.3)?;
        // Prose speaks of invoices, too: a title stands high up.
        let prose = if label.leads { 0.0 } else { 0.5 };
        Some(Found { score: found.score - analysis.depth(label.words.start) * 0.8 - prose, ..found })
    })
}

fn id_in(analysis: &Analysis, words: Range<usize>, how: How) -> Option<(Range<usize>, String)> {
    let mut looked_at = 0;
    let mut at = words.start;
    let mut marked = false;
    while at < words.end && looked_at < FIRST_WORDS {
        let text = analysis.words[at].text.as_str();
        if is_number_sign(text) {
            marked = true;
            at += 1;
            continue;
        }
        // "(380)" is a code of the kind of document.
        let aside = text.starts_with('(') && text.ends_with(')');
        if !aside {
            // Two words are one id when the first is its letters: "RE 2024-17".
            let prefix = (1..=4).contains(&text.len()) && text.chars().all(|ch| ch.is_ascii_uppercase());
            if prefix && at + 1 < words.end && is_id(analysis, at + 1) && !is_number_sign(&analysis.words[at + 1].text)
            {
                return Some((at..at + 2, format!("{text} {}", clean(&analysis.words[at + 1].text))));
            }
            if is_id(analysis, at) {
                return Some((at..at + 1, clean(text).to_owned()));
            }
            // Below a label another label or a sentence may stand: the id must come at once there.
            if how == How::Below && !marked {
                return None;
            }
            looked_at += 1;
        }
        at += 1;
    }
    None
}

/// `#`, `No.`, `N°`, `Nr.:`
fn is_number_sign(word: &str) -> bool {
    matches!(
        values::fold::fold_words(word).as_str(),
        "" | "no" | "nr" | "n" | "num" | "number" | "nummer" | "numero" | "nro" | "id" | "ref" | "c" | "cislo"
    )
}

fn is_id(analysis: &Analysis, word: usize) -> bool {
    let text = clean(&analysis.words[word].text);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let odd = text.contains(['@', '%', '€', '$', '£', '"']) || text.contains("://");
    let in_date = analysis.dates.binary_search_by(|date| {
        if date.words.end <= word {
            std::cmp::Ordering::Less
        } else if date.words.start > word {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
    let money = analysis.numbers_in(word..word + 1).any(|number| number.money);
    digits > 0 && !odd && text.len() <= 40 && in_date.is_err() && !money && !(digits < 3 && text.ends_with(['.', ')']))
}

fn clean(word: &str) -> &str {
    word.trim_start_matches(['#', ':', '(', '['])
        .trim_end_matches([',', ';', ':', ']', '.'])
        .trim_end_matches(|ch| ch == ')' && !word.contains('('))
}
