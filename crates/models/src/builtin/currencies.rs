//! The currency of a document's amounts.

use std::collections::HashMap;

use values::currency;

use super::analysis::Analysis;
use super::concept::Concept;
use super::found::{Found, best, strength};

/// The currency that a label gives, else the one beside the total, else the one most amounts carry.
pub(super) fn read(analysis: &Analysis, total: Option<&Found>) -> Option<Found> {
    let labelled = analysis.labels_of(Concept::Currency).filter_map(|label| {
        super::beside::places(analysis, label).into_iter().find_map(|place| {
            let at = place.words.clone().take(4).find(|at| currency::of(&analysis.words[*at].text).is_some())?;
            let code = currency::of(&analysis.words[at].text)?;
            Some(Found::at(analysis, at..at + 1, code, strength(label) + place.how.points() + 0.4))
        })
    });
    best(labelled).or_else(|| most_named(analysis, total))
}

fn most_named(analysis: &Analysis, total: Option<&Found>) -> Option<Found> {
    let mut votes: HashMap<&'static str, (usize, usize)> = HashMap::new();
    let amounts = analysis.numbers.iter().filter_map(|number| Some((number.number.currency?, number.words.clone())));
    for (code, words) in amounts {
        let at = words.clone().find(|at| {
            currency::mentioned(&analysis.words[*at].text).is_some()
                || currency::of(&analysis.words[*at].text).is_some()
        });
        let vote = votes.entry(code).or_insert((0, at.unwrap_or(words.start)));
        vote.0 += 2;
        let beside_total = total
            .is_some_and(|total| total.evidence.iter().any(|evidence| evidence.quote == analysis.text(words.clone())));
        if beside_total {
            *vote = (vote.0 + 4, at.unwrap_or(words.start));
        }
    }
    for (at, word) in analysis.words.iter().enumerate() {
        if let Some(code) = currency::mentioned(&word.text) {
            votes.entry(code).or_insert((0, at)).0 += 1;
        }
    }
    // Dollars of other countries carry the same sign; where one is named, the sign means it.
    let other_dollar = ["CAD", "AUD", "NZD", "HKD", "SGD", "MXN"].into_iter().find(|code| votes.contains_key(code));
    if let (Some(code), Some((count, _))) = (other_dollar, votes.get("USD").copied()) {
        let spelled =
            analysis.words.iter().any(|word| matches!(word.text.trim_matches(['(', ')', ',', '.']), "USD" | "US$"));
        if !spelled && let Some(vote) = votes.get_mut(code) {
            vote.0 += count;
            votes.remove("USD");
        }
    }
    let all: usize = votes.values().map(|(count, _)| count).sum();
    // Of equals the alphabet decides, so that the answer is the same every time.
    let (code, (count, at)) = votes.into_iter().max_by_key(|(code, (count, _))| (*count, std::cmp::Reverse(*code)))?;
    let share = count as f32 / all.max(1) as f32;
    Some(Found::at(analysis, at..at + 1, code, 0.4 + share))
}
