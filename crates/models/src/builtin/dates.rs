//! Dates by their labels.

use super::analysis::{Analysis, Dated};
use super::beside::{How, places};
use super::concept::Concept;
use super::found::{Found, best, strength};

/// Concepts whose labels claim a date for themselves.
const DATES: &[Concept] = &[
    Concept::IssueDate,
    Concept::DueDate,
    Concept::DeliveryDate,
    Concept::OrderDate,
    Concept::EffectiveDate,
    Concept::EndDate,
    Concept::RelatedInvoice,
];

/// How many words after its label a date may begin: "zahlbar innerhalb 30 Tagen netto bis 04.04.2018".
const REACH: usize = 7;

/// The date that the concept's labels stand beside.
pub(super) fn labelled(analysis: &Analysis, concept: Concept) -> Option<Found> {
    let labelled = claims(analysis, concept).map(|(date, score)| found(analysis, date, score));
    let extra: Vec<Found> = if concept == Concept::IssueDate { unlabelled(analysis) } else { Vec::new() };
    best(labelled.chain(extra))
}

fn claims(analysis: &Analysis, concept: Concept) -> impl Iterator<Item = (&Dated, f32)> {
    analysis.labels_of(concept).filter_map(move |label| {
        places(analysis, label).into_iter().find_map(|place| {
            let date = analysis.dates_in(place.words.clone()).next()?;
            let near = date.words.start - place.words.start <= if place.how == How::Below { 0 } else { REACH };
            let page = if analysis.line_of(label.words.start).page == 0 { 0.2 } else { 0.0 };
            near.then_some((date, strength(label) + place.how.points() + page))
        })
    })
}

fn found(analysis: &Analysis, date: &Dated, score: f32) -> Found {
    let found = Found::at(analysis, date.words.clone(), date.iso.clone(), score);
    if date.ambiguous {
        Found { score: found.score - 0.4, ..found }.noted("day and month could be swapped")
    } else {
        found
    }
}

/// The date on the line of the document's title or number, else the first one near the top that no other label claims.
fn unlabelled(analysis: &Analysis) -> Vec<Found> {
    let mut candidates = Vec::new();
    for label in &analysis.labels {
        if matches!(label.concept, Concept::InvoiceTitle | Concept::InvoiceNumber) && label.leads {
            let line = analysis.line_of(label.words.start).words.clone();
            let date = analysis.dates_in(label.words.end..line.end).next();
            candidates.extend(date.map(|date| found(analysis, date, 1.0 - analysis.depth(label.words.start) * 0.5)));
        }
    }
    let others = DATES.iter().filter(|concept| **concept != Concept::IssueDate);
    let claimed: Vec<usize> =
        others.flat_map(|concept| claims(analysis, *concept)).map(|(date, _)| date.words.start).collect();
    for date in analysis.dates.iter().take_while(|date| analysis.line_of(date.words.start).page == 0) {
        let line = analysis.line_of(date.words.start);
        // German documents put the date of the title in a compound: "Handelsrechnung (380) Nr. 471102 vom 05.03.2018".
        let titled = analysis.tokens[line.tokens.clone()]
            .iter()
            .any(|token| token.text.ends_with("rechnung") || token.text == "gutschrift");
        if claimed.contains(&date.words.start) {
            continue;
        }
        if titled && analysis.depth(date.words.start) < 0.5 {
            candidates.push(found(analysis, date, 1.0));
        } else if analysis.depth(date.words.start) < 0.4 {
            // "Berlin, 3. Mai 2021" alone in the head of a letter.
            candidates.push(found(analysis, date, 0.35).noted("no label says that this is the date"));
            break;
        }
    }
    // Receipts print their one date anywhere.
    let mut free = analysis.dates.iter().filter(|date| !claimed.contains(&date.words.start));
    if let Some(only) = free.next()
        && free.all(|date| date.iso == only.iso)
    {
        candidates.push(found(analysis, only, 0.3).noted("it is the only date in the document"));
    }
    candidates
}
