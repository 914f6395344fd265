//! Who sells and who buys: by labels, by blocks of addresses, by who the letterhead and footer belong to.

use std::ops::Range;

use values::fold::{fold_alphanumeric, fold_words};

use super::analysis::{Analysis, Label};
use super::beside::{How, skip_separators};
use super::concept::Concept;
use super::found::{Found, strength};
use super::patterns;

mod blocks;
mod names;

use blocks::Block;

/// Seller and buyer of a document.
#[derive(Debug, Default)]
pub(super) struct Parties {
    pub(super) seller: Option<Found>,
    pub(super) buyer: Option<Found>,
}

/// A name that may be a party's.
#[derive(Clone, Debug)]
struct Candidate {
    words: Range<usize>,
    name: String,
    score: f32,
}

impl Parties {
    /// Reads both at once: who is one of them is not the other.
    pub(super) fn read(analysis: &Analysis) -> Self {
        let blocks = blocks::read(analysis, blocks::SET_SOLID);
        let mut sellers = labelled(analysis, Concept::Seller);
        let mut buyers = labelled(analysis, Concept::Buyer);
        buyers.extend(
            labelled(analysis, Concept::ShipTo)
                .into_iter()
                .map(|candidate| Candidate { score: candidate.score - 0.6, ..candidate }),
        );
        let claimed: Vec<String> =
            buyers.iter().filter(|buyer| buyer.score > 0.8).map(|buyer| fold_alphanumeric(&buyer.name)).collect();
        sellers.extend(
            letterheads(analysis, &blocks)
                .into_iter()
                .filter(|seller| !claimed.contains(&fold_alphanumeric(&seller.name))),
        );
        let seller = strongest(sellers);
        let seller_key = seller.as_ref().map(|seller| fold_alphanumeric(&seller.name)).unwrap_or_default();
        let same = |name: &str| {
            let key = fold_alphanumeric(name);
            !seller_key.is_empty() && (key.starts_with(&seller_key) || seller_key.starts_with(&key))
        };
        buyers.extend(addressees(analysis, &blocks, same));
        // Typewriters leave a line free before the town.
        let loose = addressees(analysis, &blocks::read(analysis, blocks::SPACED), same);
        buyers.extend(loose.into_iter().map(|candidate| Candidate { score: candidate.score - 0.25, ..candidate }));
        buyers.retain(|buyer| !same(&buyer.name));
        let buyer = strongest(buyers);
        let found = |candidate: Candidate| Found::at(analysis, candidate.words, candidate.name, candidate.score);
        Self { seller: seller.map(found), buyer: buyer.map(found) }
    }
}

/// The best candidate; a name that stands there several times is surer.
fn strongest(candidates: Vec<Candidate>) -> Option<Candidate> {
    let keys: Vec<String> = candidates.iter().map(|candidate| fold_alphanumeric(&candidate.name)).collect();
    let scored = candidates.into_iter().enumerate().map(|(at, candidate)| {
        let said = keys.iter().filter(|key| **key == keys[at]).count();
        Candidate { score: candidate.score + 0.1 * (said.min(4) as f32 - 1.0), ..candidate }
    });
    scored.reduce(|best, next| if next.score > best.score { next } else { best }).filter(|best| best.score > 0.3)
}

/// Names beside or below the labels of a party.
fn labelled(analysis: &Analysis, concept: Concept) -> Vec<Candidate> {
    let labels = analysis.labels_of(concept).filter(|label| announces(analysis, label));
    labels
        .filter_map(|label| {
            let strength = strength(label)
                - if label.weak { 0.2 } else { 0.0 }
                - analysis.line_of(label.words.start).page as f32 * 0.05;
            beside(analysis, label, strength)
        })
        .collect()
}

/// Whether a word such as "client" or "to" is a label here and not a part of a sentence or of a name.
fn announces(analysis: &Analysis, label: &Label) -> bool {
    let alone = label.leads && label.ends;
    let said = label.length >= 2 && label.words.len() >= 2 && !label.weak;
    let next = analysis.words.get(label.words.end).map(|word| word.text.as_str());
    let firm = next.is_some_and(names::is_legal_form);
    !firm && (label.colon || alone || (said && (label.leads || !label.ends)))
}

fn beside(analysis: &Analysis, label: &Label, strength: f32) -> Option<Candidate> {
    let line_end = analysis.line_of(label.words.start).words.end;
    let start = skip_separators(analysis, label.words.end, line_end);
    let segment_end = analysis.segment_of(label.words.start).words.end;
    let candidate = |words: Range<usize>, how: How| {
        names::name_in(analysis, words).map(|(words, name)| Candidate { words, name, score: strength + how.points() })
    };
    if start < segment_end {
        // "Invoice to pay by wire" is a sentence, "Invoice to Jo Doe" is not.
        let proper =
            label.colon || analysis.words[start].text.starts_with(|ch: char| ch.is_uppercase() || ch.is_ascii_digit());
        return proper.then(|| candidate(start..segment_end, How::After)).flatten();
    }
    if let Some(named) = names::in_form_below(analysis, label) {
        return candidate(named, How::After);
    }
    let bbox = analysis.bbox(label.words.clone());
    let below = || {
        let mut segments = analysis.below(label.words.start, bbox, 7.0).take(3);
        segments.find_map(|segment| candidate(segment.words.clone(), How::Below))
    };
    let right = || {
        let segment = (start < line_end).then(|| analysis.segment_of(start))?;
        // What stands to the right of a heading of a column is the heading of the next one.
        let heading = analysis.labels_in(segment.words.clone()).any(|other| other.leads && other.ends);
        (!heading).then(|| candidate(segment.words.clone(), How::Right)).flatten()
    };
    // A heading has its block below, a label in a form its value beside; a colon alone does not tell which.
    if label.colon { right().or_else(below) } else { below().or_else(right) }
}

/// Companies that the letterhead, the sender's line or the footer name.
fn letterheads(analysis: &Analysis, blocks: &[Block]) -> Vec<Candidate> {
    let domains = patterns::domains(analysis);
    let says =
        |concepts: &[Concept]| analysis.labels.iter().any(|label| label.leads && concepts.contains(&label.concept));
    let sums = says(&[Concept::Total, Concept::AmountDue])
        && says(&[Concept::InvoiceTitle, Concept::InvoiceNumber, Concept::Net, Concept::Tax, Concept::Paid]);
    let invoice = sums && !says(&[Concept::ContractNumber]);
    let mut candidates = Vec::new();
    for block in blocks {
        let facts = if block.has_facts(analysis) { 0.5 } else { 0.0 };
        for (at, segment) in block.segments.iter().enumerate() {
            let words = analysis.segments[*segment].words.clone();
            let sentence = words.len() > 14;
            let Some((words, name)) = names::name_in(analysis, words).filter(|_| !sentence) else { continue };
            let depth = analysis.depth(words.start);
            let page = analysis.line_of(words.start).page;
            let firm = names::has_legal_form(&name);
            let key = fold_alphanumeric(&name);
            let core = fold_alphanumeric(&names::without_legal_form(&name));
            let domain = core.len() > 3
                && domains.iter().any(|domain| {
                    *domain == core
                        || (domain.len() > 4 && core.contains(domain.as_str()))
                        || (core.len() > 4 && domain.contains(core.as_str()))
                });
            // The first line of a document is its sender when something of a sender stands below it, or when it is an invoice.
            let first = at == 0 && page == 0 && depth < 0.3 && (facts > 0.0 || invoice);
            // "14 Market Hall" is where the sender is, unless it comes first of all.
            let street = !firm && words.start > 0 && name.starts_with(|ch: char| ch.is_ascii_digit());
            if !(firm || domain || first) || street || key.is_empty() {
                continue;
            }
            let place = match depth {
                ..0.25 if page == 0 => 0.4 - depth * 0.4,
                0.82.. => 0.25,
                _ => 0.0,
            };
            let score = if firm { 0.5 } else { 0.15 } + if domain { 0.6 } else { 0.0 } + facts + place
                - if at > 3 { 0.3 } else { 0.0 };
            candidates.push(Candidate { words, name, score });
        }
    }
    candidates
}

/// First lines of blocks that hold a postal address and nothing that only a sender prints.
fn addressees(analysis: &Analysis, blocks: &[Block], is_seller: impl Fn(&str) -> bool) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for block in blocks {
        let first = analysis.segments[block.segments[0]].words.start;
        if analysis.line_of(first).page > 0 || analysis.depth(first) > 0.55 {
            continue;
        }
        let postal = block.postal_line(analysis).filter(|at| *at > 0);
        // Not every country has postal codes: a company with three more lines below it is an address, too.
        let Some(end) = postal.or((block.segments.len() > 3).then_some(1)) else { continue };
        // The sender's line above the window belongs to the seller.
        let mut names = block.segments[..end]
            .iter()
            .filter_map(|segment| names::name_in(analysis, analysis.segments[*segment].words.clone()));
        let name = names.find(|(_, name)| !is_seller(name));
        let Some((words, name)) = name.filter(|(_, name)| postal.is_some() || names::has_legal_form(name)) else {
            continue;
        };
        let facts = if block.has_facts(analysis) { 0.7 } else { 0.0 };
        candidates.push(Candidate {
            words,
            name,
            score: if postal.is_some() { 0.9 } else { 0.6 } - facts - analysis.depth(first) * 0.2,
        });
    }
    candidates
}

/// Who a contract calls by a role: `Harrow Ltd ("the Client")`.
pub(super) fn in_role(analysis: &Analysis, role: &str) -> Option<Found> {
    const QUOTES: &[char] = &['"', '“', '”', '„', '«', '»', '\''];
    // Words that may come between the bracket and the role: ("hereinafter the Client").
    const BETWEEN: usize = 4;
    let quoted = |word: usize| analysis.words[word].text.contains(QUOTES);
    analysis.tokens.iter().filter(|token| token.text == role && quoted(token.word)).find_map(|token| {
        let open = (token.word.saturating_sub(BETWEEN)..=token.word)
            .rev()
            .find(|at| analysis.words[*at].text.starts_with('('))?;
        let capital = |at: usize| {
            let bare = analysis.words[at].text.trim_matches(|ch: char| !ch.is_alphanumeric());
            bare.starts_with(|ch: char| ch.is_uppercase() || ch.is_ascii_digit()) || analysis.words[at].text == "&"
        };
        let ended = |at: usize| {
            analysis.words[at].text.ends_with([',', ';', '.', ')']) && !names::is_legal_form(&analysis.words[at].text)
        };
        let mut start = open;
        while start > 0 && open - start < 8 && capital(start - 1) && !(start < open && ended(start - 1)) {
            start -= 1;
        }
        let (words, name) = names::clipped(analysis, start..open).filter(|_| start < open)?;
        let name = name.trim_matches(['*', '_', ',']).to_owned();
        Some(Found::at(analysis, words, name, 1.4))
    })
}

/// The names after "between … and …" of a contract.
pub(super) fn of_contract(analysis: &Analysis) -> Option<Found> {
    const BETWEEN: &[&str] =
        &["between", "zwischen", "entre", "tussen", "tra", "fra", "mellan", "mellem", "mellom", "pomiedzy", "miedzy"];
    const AND: &[&str] = &["and", "und", "et", "en", "y", "e", "och", "og", "a", "oraz", "i"];
    let start = analysis.tokens.iter().position(|token| BETWEEN.contains(&token.text.as_str()))?;
    let from = analysis.tokens[start].word + 1;
    let end = analysis.words.len().min(from + 120);
    let page = analysis.line_of(from.min(analysis.words.len() - 1)).page;
    let mut names: Vec<(Range<usize>, String)> = Vec::new();
    let mut open = from;
    let mut at = from;
    let folded = |word: usize| fold_words(&analysis.words[word].text);
    let mut aside = false;
    while at < end && analysis.line_of(at).page == page && names.len() < 4 {
        let text = &analysis.words[at].text;
        aside |= text.contains('(') && !text.contains(')');
        let joint = !aside && AND.contains(&folded(at).as_str()) && at > open;
        let stops = !aside && text.ends_with(['.', ';']) && !names::is_legal_form(text) && at > open;
        let comma = !aside && text.ends_with(',') && at + 1 > open;
        if joint || comma || stops || text.contains('(') {
            let words = open..if joint || text.starts_with('(') { at } else { at + 1 };
            if let Some((words, name)) = (!words.is_empty()).then(|| names::clipped(analysis, words)).flatten() {
                if names::is_name(analysis, words.clone()) && names.len() < 4 {
                    names.push((words, name));
                }
                // Addresses and descriptions follow until the next party begins.
                open = usize::MAX;
            }
            if joint {
                open = at + 1;
            }
            if stops {
                break;
            }
        }
        aside &= !text.contains(')');
        if open == usize::MAX && AND.contains(&folded(at).as_str()) {
            open = at + 1;
        }
        at += 1;
    }
    if names.len() < 2 {
        return None;
    }
    let evidence = names.iter().flat_map(|(words, _)| analysis.evidence(words.clone())).collect();
    let list: Vec<serde_json::Value> = names.into_iter().map(|(_, name)| name.into()).collect();
    Some(Found { value: list.into(), evidence, score: 0.9, note: None })
}
