//! Values that are known by their own shape: bank accounts, tax numbers, addresses on the net, telephone numbers.

use std::ops::Range;

use super::analysis::Analysis;
use super::beside::places;
use super::concept::Concept;
use super::found::{Found, best, strength};

/// The first value of that shape, preferring one beside its label.
pub(super) fn read(analysis: &Analysis, concept: Concept) -> Option<Found> {
    let shape: fn(&Analysis, usize, usize) -> Option<(usize, String)> = match concept {
        Concept::Iban => iban,
        Concept::Email => email,
        Concept::Website => website,
        Concept::Bic => bic,
        Concept::SellerVat | Concept::BuyerVat => vat,
        Concept::TaxId => tax_id,
        Concept::Phone => phone,
        _ => return None,
    };
    let in_range = |words: Range<usize>, at_once: bool| {
        let last = if at_once { words.end.min(words.start + 3) } else { words.end };
        (words.start..last)
            .find_map(|at| shape(analysis, at, words.end).map(|(length, value)| (at..at + length, value)))
    };
    let labelled = analysis.labels_of(concept).filter_map(|label| {
        let (words, value, how) = places(analysis, label)
            .into_iter()
            .find_map(|place| in_range(place.words.clone(), true).map(|(words, value)| (words, value, place.how)))?;
        Some(Found::at(analysis, words, value, strength(label) + how.points() + 0.2))
    });
    if let Some(found) = best(labelled) {
        return Some(found);
    }
    // These are what they are without a label, too.
    let unlabelled = matches!(concept, Concept::Iban | Concept::Email | Concept::Website);
    let mut lines = analysis.lines.iter();
    unlabelled
        .then(|| lines.find_map(|line| in_range(line.words.clone(), false)))
        .flatten()
        .map(|(words, value)| Found::at(analysis, words, value, 1.0))
}

fn joined(analysis: &Analysis, words: Range<usize>) -> String {
    analysis.words[words]
        .iter()
        .flat_map(|word| word.text.chars())
        .filter(|ch| ch.is_ascii_alphanumeric())
        .collect::<String>()
        .to_uppercase()
}

/// Words `at..` of at most `most` that together are of a shape; the longest.
fn grown(
    analysis: &Analysis,
    at: usize,
    end: usize,
    most: usize,
    fits: impl Fn(&str) -> bool,
) -> Option<(usize, String)> {
    (1..=most.min(end - at))
        .rev()
        .map(|length| (length, joined(analysis, at..at + length)))
        .find(|(_, text)| fits(text))
}

fn iban(analysis: &Analysis, at: usize, end: usize) -> Option<(usize, String)> {
    let starts = analysis.words[at].text.as_bytes();
    if starts.len() < 4
        || !starts[..2].iter().all(u8::is_ascii_uppercase)
        || !starts[2..4].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    grown(analysis, at, end, 9, |text| (15..=34).contains(&text.len()) && mod97(text) == 1)
}

/// Remainder by 97 of an IBAN whose first four characters moved to its end, letters as 10 to 35.
fn mod97(iban: &str) -> u32 {
    let turned = iban[4..].chars().chain(iban[..4].chars());
    turned
        .filter_map(|ch| ch.to_digit(36))
        .fold(0, |rest, digit| if digit < 10 { rest * 10 + digit } else { rest * 100 + digit } % 97)
}

fn bic(analysis: &Analysis, at: usize, _: usize) -> Option<(usize, String)> {
    let text = joined(analysis, at..at + 1);
    let fits = matches!(text.len(), 8 | 11)
        && text[..6].chars().all(|ch| ch.is_ascii_alphabetic())
        && analysis.words[at].text.chars().all(|ch| !ch.is_lowercase());
    fits.then_some((1, text))
}

fn vat(analysis: &Analysis, at: usize, end: usize) -> Option<(usize, String)> {
    let shaped = |text: &str| {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let letters = text.chars().take_while(char::is_ascii_alphabetic).count();
        (7..=16).contains(&text.len()) && digits >= 7 && letters <= 3
    };
    let (length, text) = grown(analysis, at, end, 5, shaped)?;
    // A country first, or digits alone beside a label.
    Some((length, text))
}

fn tax_id(analysis: &Analysis, at: usize, end: usize) -> Option<(usize, String)> {
    let shaped = |text: &str| (6..=18).contains(&text.len()) && text.chars().filter(char::is_ascii_digit).count() >= 6;
    let (length, _) = grown(analysis, at, end, 4, shaped)?;
    Some((length, analysis.text(at..at + length).trim_matches([',', ';', '.', ')']).to_owned()))
}

fn phone(analysis: &Analysis, at: usize, end: usize) -> Option<(usize, String)> {
    let belongs = |word: &str| word.chars().all(|ch| ch.is_ascii_digit() || "+()-/. ".contains(ch));
    let length = (at..end).take_while(|word| belongs(&analysis.words[*word].text)).count();
    let text = analysis.text(at..at + length);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (6..=16).contains(&digits).then(|| (length, text.trim_end_matches(['-', ' ', '.', '(']).to_owned()))
}

fn email(analysis: &Analysis, at: usize, _: usize) -> Option<(usize, String)> {
    values::email::parse(&analysis.words[at].text).map(|email| (1, email))
}

fn website(analysis: &Analysis, at: usize, _: usize) -> Option<(usize, String)> {
    let text = analysis.words[at].text.trim_matches([',', ';', '(', ')', '<', '>']).trim_end_matches('.');
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let dotted = host.split('/').next().is_some_and(|host| host.contains('.'));
    let fits = !text.contains('@')
        && dotted
        && (text.starts_with("www.") || text.contains("://") || host.strip_prefix("www.").is_some());
    fits.then(|| (1, text.to_owned()))
}

/// Names of domains in addresses of mail and web: `aubonmoulin` of `http://www.aubonmoulin.fr`.
pub(super) fn domains(analysis: &Analysis) -> Vec<String> {
    let hosts = analysis.words.iter().filter_map(|word| {
        let text = word.text.to_lowercase();
        let text = text.trim_matches(|ch: char| !ch.is_alphanumeric());
        let host = match text.split_once('@') {
            Some((_, host)) => host,
            None if text.contains("www.") || text.contains("://") => {
                text.rsplit("://").next()?.trim_start_matches("www.")
            }
            None => return None,
        };
        let host = host.split('/').next()?;
        let names: Vec<&str> = host.split('.').collect();
        names.len().checked_sub(2).map(|at| values::fold::fold_alphanumeric(names[at]))
    });
    let mut domains: Vec<String> = hosts.filter(|name| name.len() > 3).collect();
    domains.sort();
    domains.dedup();
    domains
}
