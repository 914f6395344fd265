//! Sums that say beside their name whether tax is in them: "Total sales (excluding GST)", "Summe inkl. 19 % MwSt."

use super::analysis::Analysis;
use super::concept::Concept;

const WITH: &[&str] = &[
    "incl",
    "including",
    "inclusive",
    "inc",
    "included",
    "inkl",
    "inklusive",
    "ttc",
    "inclus",
    "incluido",
    "inclusief",
    "con",
    "com",
    "compreso",
    "mit",
    "with",
];
const WITHOUT: &[&str] = &[
    "excl",
    "excluding",
    "exclusive",
    "ex",
    "exc",
    "exkl",
    "exklusive",
    "ekskl",
    "exclusief",
    "ohne",
    "hors",
    "sans",
    "sin",
    "sem",
    "senza",
    "escluso",
    "zonder",
    "without",
    "before",
    "bez",
    "fara",
];
const TAXES: &[&str] = &[
    "tax",
    "taxes",
    "vat",
    "gst",
    "hst",
    "mwst",
    "ust",
    "umsatzsteuer",
    "mehrwertsteuer",
    "steuer",
    "tva",
    "taxe",
    "btw",
    "iva",
    "impuestos",
    "moms",
    "mva",
    "alv",
    "dph",
    "afa",
    "ppn",
    "sst",
];
/// How many words after its name a sum may say so.
const REACH: usize = 6;

/// Turns totals without tax into net amounts and the other way round.
pub(super) fn settle(analysis: &mut Analysis) {
    let mut labels = std::mem::take(&mut analysis.labels);
    for label in &mut labels {
        if !matches!(label.concept, Concept::Total | Concept::Net) {
            continue;
        }
        let line = analysis.line_of(label.words.start);
        let segment = analysis.segment_of(label.words.start).words.clone();
        let tokens = &analysis.tokens[line.tokens.clone()];
        let after = tokens
            .iter()
            .skip_while(|token| token.word < label.words.end)
            .take_while(|token| token.word < segment.end)
            .take(REACH);
        let after: Vec<_> = after.collect();
        let Some(tax) = after.iter().position(|token| TAXES.contains(&token.text.as_str())) else { continue };
        let near = &after[..after.len().min(tax + 2)];
        let said = |words: &[&str]| near.iter().any(|token| words.contains(&token.text.as_str()));
        let concept = match (said(WITHOUT), said(WITH)) {
            (true, _) => Concept::Net,
            (false, true) => Concept::Total,
            _ => continue,
        };
        label.concept = concept;
        label.length += 2;
        label.words.end = after[near.len() - 1].word + 1;
        label.ends = label.words.end == segment.end;
        label.colon |= analysis.words[label.words.end - 1].text.ends_with(':')
            || analysis.words.get(label.words.end).is_some_and(|next| next.text == ":");
    }
    // What a sum took in is no label of its own: the "GST" of "Total excluding GST".
    let taken: Vec<_> = labels
        .iter()
        .filter(|label| matches!(label.concept, Concept::Total | Concept::Net))
        .map(|label| label.words.clone())
        .collect();
    labels.retain(|label| !taken.iter().any(|taken| taken.start < label.words.start && label.words.end <= taken.end));
    analysis.labels = labels;
}
