//! What to ask of a document that came without questions.
//!
//! The kind of document is told by its vocabulary, in several languages: words that name the document count most
//! where titles stand, words that go with the kind count a little anywhere.

use protocol::document::Document;
use protocol::request::OutputSpec;
use values::fold::fold_words;

mod kinds;

use kinds::{Asked, GENERIC, GENERIC_TOTAL, KINDS, Kind};

/// How many lines from the top hold the title.
const TITLE_LINES: usize = 15;
/// Points for a name of the kind among them.
const TITLE_POINTS: u32 = 4;
/// Points for a name of the kind further down.
const NAME_POINTS: u32 = 1;
/// Points that make a kind.
const ENOUGH: u32 = 4;

/// The document's kind, and what to ask of it, in order.
#[must_use]
pub fn questions(document: &Document) -> (&'static str, Vec<OutputSpec>) {
    let text = document.text();
    let words = padded(&text);
    let head =
        padded(&text.lines().filter(|line| !line.trim().is_empty()).take(TITLE_LINES).collect::<Vec<_>>().join("\n"));
    let best = KINDS
        .iter()
        .map(|kind| (points(kind, &head, &words), kind))
        // Of equals the first: an invoice more often cites an agreement than the other way round.
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .filter(|(points, _)| *points >= ENOUGH);
    match best {
        Some((_, kind)) => (kind.name, specs(kind.questions)),
        None => {
            let total = holds_amounts(&text).then_some(GENERIC_TOTAL);
            ("document", specs(&[GENERIC, total.as_slice()].concat()))
        }
    }
}

fn specs(asked: &[Asked]) -> Vec<OutputSpec> {
    (1..)
        .zip(asked)
        .map(|(sequence_number, &(name, kind, prompt))| OutputSpec {
            name: name.to_owned(),
            sequence_number,
            prompt: prompt.to_owned(),
            kind,
            ..OutputSpec::default()
        })
        .collect()
}

fn points(kind: &Kind, head: &str, words: &str) -> u32 {
    let titles: u32 = kind
        .titles
        .iter()
        .map(|title| match (begins_word(head, title), begins_word(words, title)) {
            (true, _) => TITLE_POINTS,
            (false, true) => NAME_POINTS,
            (false, false) => 0,
        })
        // Compounds match twice ("vertrag", "mietvertrag"); one name is enough.
        .max()
        .unwrap_or_default();
    let spoken_of = kind.vocabulary.iter().filter(|term| begins_word(words, term)).count();
    titles + u32::try_from(spoken_of).unwrap_or(u32::MAX)
}

/// The words of a text, folded, each after a space.
fn padded(text: &str) -> String {
    format!(" {}", fold_words(text))
}

/// Whether a word begins with the term. Scripts that are written without spaces have no beginnings to ask for.
fn begins_word(words: &str, term: &str) -> bool {
    let term = fold_words(term);
    let spaced = term.chars().all(|c| (c as u32) < 0x3000);
    if spaced { words.contains(&format!(" {term}")) } else { words.contains(&term) }
}

/// Whether an amount of money stands in the text: a currency beside a digit.
fn holds_amounts(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_currency = |word: &str| matches!(word, "$" | "€" | "£" | "¥" | "EUR" | "USD" | "GBP" | "CHF" | "JPY");
    let has_digit = |word: &str| word.chars().any(|c| c.is_ascii_digit());
    words.iter().any(|word| has_digit(word) && word.contains(['$', '€', '£', '¥']))
        || words
            .windows(2)
            .any(|pair| (is_currency(pair[0]) && has_digit(pair[1])) || (has_digit(pair[0]) && is_currency(pair[1])))
}

#[cfg(test)]
mod tests {
    use protocol::document::{Line, Page};

    use super::*;

    fn document(text: &str) -> Document {
        let lines = text.lines().map(|line| Line { text: line.into(), ..Line::default() }).collect();
        Document {
            media_type: "text/plain".into(),
            pages: vec![Page { number: 1, lines, ..Page::default() }],
            ..Document::default()
        }
    }

    fn kind(text: &str) -> &'static str {
        questions(&document(text)).0
    }

    #[test]
    fn invoices_are_recognised_in_several_languages() {
        for text in [
            "ACME Ltd\nINVOICE No. 7\nTotal 12.00",
            "Muster GmbH\nRechnungsnummer 4711\nMwSt. 19 %",
            "FACTURE n° 12\nTotal TTC",
            "Fattura elettronica\nIVA 22 %",
            "Factuurnummer 9",
            "御請求書\n合計 ¥1,000",
            "Store receipt\nBanana 1.00",
        ] {
            assert_eq!(kind(text), "invoice", "{text}");
        }
    }

    #[test]
    fn contracts_that_speak_of_invoices_stay_contracts() {
        let filler = "plain words\n".repeat(20);
        assert_eq!(
            kind(&format!("SERVICE AGREEMENT\nby and between\n{filler}each invoice shows VAT and total")),
            "contract"
        );
        assert_eq!(kind("Mietvertrag\nzwischen A, nachfolgend Vermieter"), "contract");
        assert_eq!(kind(&format!("Invoice 12\nTotal 5.00\n{filler}under the agreement")), "invoice");
    }

    #[test]
    fn any_other_document_gets_general_questions_and_a_total_only_when_it_holds_amounts() {
        let names = |text: &str| questions(&document(text)).1.into_iter().map(|spec| spec.name).collect::<Vec<_>>();
        assert_eq!(kind("Minutes of the meeting"), "document");
        assert_eq!(names("Minutes of the meeting, 3 people"), ["title", "date", "author", "email"]);
        assert_eq!(names("Budget: 300 EUR").last().map(String::as_str), Some("total_amount"));
    }

    #[test]
    fn default_questions_have_unique_names_and_an_order() {
        for kind in &KINDS {
            let specs = specs(kind.questions);
            let graph = crate::graph::build(&specs);
            assert_eq!(graph.questions, specs);
            assert!(graph.unknown_references.is_empty() && specs.iter().all(|spec| !spec.prompt.is_empty()));
        }
    }
}
