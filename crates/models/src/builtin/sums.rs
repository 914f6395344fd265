//! Net, tax, total and amount due: the sums that must agree with each other.

use rust_decimal::Decimal;
use values::number::decimal_to_json;

use super::analysis::{Analysis, Label, Numbered};
use super::beside::{How, places};
use super::concept::Concept;
use super::found::{Found, strength};
use super::tables::ItemTable;

/// How many candidates per sum are tried against each other.
const MOST: usize = 10;
/// What agreement of net, tax and total is worth, in points.
const AGREEMENT: f32 = 1.5;

/// A number that may be a sum.
#[derive(Clone, Debug)]
struct Candidate<'a> {
    number: &'a Numbered,
    value: Decimal,
    score: f32,
}

/// The sums of a document.
#[derive(Debug, Default)]
pub(super) struct Sums {
    net: Option<Found>,
    tax: Option<Found>,
    total: Option<Found>,
    due: Option<Found>,
}

impl Sums {
    /// The one that is asked for.
    pub(super) fn of(&self, concept: Concept) -> Option<Found> {
        match concept {
            Concept::Net => self.net.clone(),
            Concept::Tax => self.tax.clone(),
            Concept::AmountDue => self.due.clone(),
            _ => self.total.clone(),
        }
    }

    /// Reads them all at once, because they explain each other.
    pub(super) fn read(analysis: &Analysis, tables: &[ItemTable]) -> Self {
        let net = candidates(analysis, tables, Concept::Net);
        let tax = candidates(analysis, tables, Concept::Tax);
        let due = candidates(analysis, tables, Concept::AmountDue);
        let mut total = candidates(analysis, tables, Concept::Total);
        // Where nothing is called total, the amount due is it.
        total.extend(due.iter().map(|candidate| Candidate { score: candidate.score - 0.35, ..*candidate }));
        total.extend(total_rows(analysis));
        let total = ranked(total);
        let (net, tax, total, agreed) = agreeing(&net, &tax, &total);
        let note = |candidate: &Candidate<'_>| found(analysis, candidate, if agreed { AGREEMENT / 2.0 } else { 0.0 });
        let mut sums = Self {
            net: net.as_ref().map(note),
            tax: tax.as_ref().map(note),
            total: total.as_ref().map(note),
            due: None,
        };
        sums.complete(analysis, tables, net.as_ref(), tax.as_ref(), total.as_ref());
        let due = due.into_iter().reduce(|best, next| if next.score > best.score { next } else { best });
        sums.due = due.map(|due| found(analysis, &due, 0.0)).or_else(|| sums.due_from_total(analysis));
        sums
    }

    /// The third of net, tax and total when two are known and it stands in the document.
    fn complete(
        &mut self,
        analysis: &Analysis,
        tables: &[ItemTable],
        net: Option<&Candidate<'_>>,
        tax: Option<&Candidate<'_>>,
        total: Option<&Candidate<'_>>,
    ) {
        let Some(total) = total else { return };
        let standing = |value: Decimal| {
            let mut standing = analysis.numbers.iter().filter(|number| number.money && number.number.value == value);
            standing.next_back().map(|number| Candidate { number, value, score: 0.3 })
        };
        match (net, tax) {
            (None, Some(tax)) if tax.value.is_zero() => {
                self.net =
                    Some(found(analysis, total, -0.3).noted("no tax is charged, so the net amount is the total"));
            }
            (None, Some(tax)) if tax.value < total.value => {
                self.net =
                    standing(total.value - tax.value).map(|net| found(analysis, &net, 0.0).noted("total less tax"));
            }
            (Some(net), None) if net.value < total.value => {
                self.tax = standing(total.value - net.value)
                    .map(|tax| found(analysis, &tax, 0.0).noted("total less net amount"));
            }
            (None, None) if tables.iter().any(|table| table.is_net() && table.sum() == Some(total.value)) => {
                self.net = Some(found(analysis, total, -0.3).noted("the items are net and add up to the total"));
            }
            _ => {}
        }
    }

    /// Nothing was paid yet: what is due is the total.
    fn due_from_total(&self, analysis: &Analysis) -> Option<Found> {
        let paid = analysis.labels_of(Concept::Paid).any(|label| {
            let text = values::fold::fold_words(&analysis.text(label.words.clone()));
            let payment = ["paid", "paye", "anzahlung", "acompte", "deposit", "betaald", "acconto", "pagado"]
                .iter()
                .any(|word| text.contains(word));
            payment
                && places(analysis, label).iter().any(|place| {
                    analysis
                        .numbers_in(place.words.clone())
                        .any(|number| number.money && !number.number.value.is_zero())
                })
        });
        let total = self.total.clone().filter(|_| !paid)?;
        Some(
            Found { score: total.score - 0.4, ..total }.noted("nothing says that another amount than the total is due"),
        )
    }
}

fn found(analysis: &Analysis, candidate: &Candidate<'_>, bonus: f32) -> Found {
    Found::at(analysis, candidate.number.words.clone(), decimal_to_json(candidate.value), candidate.score + bonus)
}

/// Numbers beside the labels of a sum, best first, each value once.
fn candidates<'a>(analysis: &'a Analysis, tables: &[ItemTable], concept: Concept) -> Vec<Candidate<'a>> {
    let labels = analysis.labels_of(concept).flat_map(|label| beside(analysis, tables, label));
    ranked(labels.collect())
}

fn ranked(mut candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut ranked: Vec<Candidate<'_>> = Vec::new();
    for candidate in candidates {
        match ranked.iter_mut().find(|known| known.value == candidate.value) {
            // Said twice is surer.
            Some(known) => known.score += 0.1,
            None => ranked.push(candidate),
        }
    }
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked.truncate(MOST);
    ranked
}

fn beside<'a>(analysis: &'a Analysis, tables: &[ItemTable], label: &Label) -> Vec<Candidate<'a>> {
    let line = analysis.words[label.words.start].line;
    let in_table = tables.iter().any(|table| table.covers(line));
    let base = strength(label) - if in_table { 1.2 } else { 0.0 }
        + analysis.line_of(label.words.start).page as f32 * 0.05
        + analysis.depth(label.words.start) * 0.1;
    let mut candidates = Vec::new();
    for place in places(analysis, label) {
        // Under the header of a column stand the values of items.
        if place.how == How::Below && (in_table || !candidates.is_empty()) {
            break;
        }
        let numbers: Vec<&Numbered> =
            analysis.numbers_in(place.words.clone()).filter(|number| !number.number.percent).collect();
        let last = numbers.len().saturating_sub(1);
        for (at, number) in numbers.into_iter().enumerate() {
            // The first number after a label is its own; the last one closes the row.
            let order = if at == 0 {
                0.0
            } else if at == last {
                -0.15
            } else {
                -0.5
            };
            let below = if place.how == How::Below && at > 0 { -0.5 } else { 0.0 };
            let money = if number.money { 0.3 } else { -0.5 };
            candidates.push(Candidate {
                number,
                value: number.number.value,
                score: base + place.how.points() + order + below + money,
            });
        }
    }
    candidates
}

/// Rows that end with net, tax and their sum: "Total  1  278.61  40.39  319.00".
fn total_rows(analysis: &Analysis) -> Vec<Candidate<'_>> {
    let rows = analysis.labels_of(Concept::Total).filter(|label| label.leads);
    let sums = rows.filter_map(|label| {
        let numbers: Vec<&Numbered> = analysis
            .numbers_in(label.words.end..analysis.line_of(label.words.start).words.end)
            .filter(|number| number.money)
            .collect();
        match numbers[..] {
            [.., net, tax, total] if net.number.value + tax.number.value == total.number.value => Some(total),
            _ => None,
        }
    });
    sums.map(|number| Candidate { number, value: number.number.value, score: 0.9 }).collect()
}

type Chosen<'a> = Option<Candidate<'a>>;

/// The three that fit best; and whether net and tax make the total.
fn agreeing<'a>(
    net: &[Candidate<'a>],
    tax: &[Candidate<'a>],
    total: &[Candidate<'a>],
) -> (Chosen<'a>, Chosen<'a>, Chosen<'a>, bool) {
    let cent = Decimal::new(2, 2);
    let most = total.iter().map(|candidate| candidate.value).max();
    let or_none = |candidates: &[Candidate<'a>]| candidates.iter().cloned().map(Some).chain([None]).collect::<Vec<_>>();
    let mut best: Option<(f32, Chosen<'a>, Chosen<'a>, Chosen<'a>, bool)> = None;
    for total in or_none(total) {
        for net in or_none(net) {
            for tax in or_none(tax) {
                let points = |chosen: &Chosen<'a>| chosen.as_ref().map_or(0.0, |chosen| chosen.score);
                let mut score = points(&net) + points(&tax) + points(&total);
                let mut agreed = false;
                if let (Some(net), Some(tax), Some(total)) = (&net, &tax, &total) {
                    // Zero and zero make anything: agreement of nothing proves nothing.
                    agreed = (net.value + tax.value - total.value).abs() <= cent && !total.value.is_zero();
                    score += if agreed { AGREEMENT } else { -0.8 };
                } else if let (Some(part), Some(total)) = (net.as_ref().or(tax.as_ref()), &total)
                    && part.value > total.value
                {
                    score -= 1.0;
                }
                // The total is the largest of what is called one.
                score += if total.as_ref().is_some_and(|total| Some(total.value) == most) { 0.2 } else { 0.0 };
                if best.as_ref().is_none_or(|(known, ..)| score > *known) {
                    best = Some((score, net.clone(), tax, total.clone(), agreed));
                }
            }
        }
    }
    best.map_or((None, None, None, false), |(_, net, tax, total, agreed)| (net, tax, total, agreed))
}
