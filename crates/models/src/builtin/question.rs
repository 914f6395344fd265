//! What a question asks for: something the reader knows by name, or whatever stands beside a label of that wording.

use protocol::request::OutputType;
use values::fold::fold_words;

use super::concept::Concept;
use super::lexicon::LABELS;
use crate::Question;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Something known.
    Known(Concept),
    /// The value of a label: its possible wordings, each as folded words, best first.
    Labelled(Vec<Vec<String>>),
}

/// Words of questions that say nothing about what is asked for.
const FILLERS: &[&str] = &[
    "a",
    "an",
    "the",
    "of",
    "on",
    "in",
    "is",
    "are",
    "was",
    "this",
    "that",
    "it",
    "its",
    "to",
    "for",
    "at",
    "by",
    "from",
    "what",
    "which",
    "when",
    "who",
    "whom",
    "where",
    "how",
    "much",
    "many",
    "please",
    "extract",
    "find",
    "give",
    "get",
    "return",
    "tell",
    "me",
    "list",
    "provide",
    "show",
    "identify",
    "value",
    "name",
    "text",
    "field",
    "full",
    "exact",
    "document",
    "invoice",
    "contract",
    "agreement",
    "page",
    "there",
    "does",
    "do",
    "has",
    "have",
    "and",
    "or",
    "as",
    "stated",
    "printed",
    "given",
    "shown",
    "mentioned",
    "exactly",
    "any",
    "be",
    "date",
    "der",
    "die",
    "das",
    "des",
    "welche",
    "welches",
    "wie",
    "ist",
    "lautet",
    "was",
    "le",
    "la",
    "les",
    "de",
    "du",
    "quel",
    "quelle",
    "est",
    "een",
    "het",
    "van",
    "wat",
    "el",
    "cual",
    "es",
    "il",
    "qual",
];

impl Ask {
    /// Reads a question: the answer's name first, its prompt where the name says nothing, the trade's synonyms beside both.
    pub(super) fn of(question: &Question<'_>) -> Self {
        let kind = question.spec.kind;
        let name: Vec<String> = words(&split_camel_case(&question.spec.name));
        let prompt = words(question.prompt);
        if let Some(concept) = known(&name, kind, true) {
            return Self::Known(concept);
        }
        let subject = subject(&prompt);
        let mut wordings: Vec<Vec<String>> = Vec::new();
        for entry in question.grammar {
            let said = words(&entry.word);
            let asked = |text: &[String]| !said.is_empty() && text.windows(said.len()).any(|window| window == said);
            if asked(&name) || asked(&prompt) {
                wordings.extend(entry.synonyms.iter().map(|synonym| words(synonym)));
                wordings.push(said);
            }
        }
        if wordings.is_empty()
            && let Some(concept) =
                known(&subject, kind, true).or_else(|| known(&prompt, kind, false).filter(|_| is_opaque(&name)))
        {
            return Self::Known(concept);
        }
        if !is_opaque(&name) {
            wordings.insert(0, name);
        }
        wordings.push(subject);
        wordings.retain(|wording| !wording.is_empty() && wording.iter().any(|word| !FILLERS.contains(&word.as_str())));
        wordings.dedup();
        match kind {
            OutputType::Email if wordings.is_empty() => Self::Known(Concept::Email),
            OutputType::LineItem => Self::Known(Concept::LineItems),
            _ => Self::Labelled(wordings),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    fold_words(text).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `invoiceNumber` is two words.
fn split_camel_case(name: &str) -> String {
    let mut split = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for ch in name.chars() {
        if lower && ch.is_uppercase() {
            split.push(' ');
        }
        lower = ch.is_lowercase();
        split.push(ch);
    }
    split
}

/// Names such as `field_1`, `q3`, `answer` say nothing.
fn is_opaque(name: &[String]) -> bool {
    name.iter().all(|word| {
        matches!(
            word.as_str(),
            "field"
                | "q"
                | "question"
                | "answer"
                | "value"
                | "output"
                | "prompt"
                | "item"
                | "result"
                | "data"
                | "text"
                | "key"
                | "name"
                | "date"
        ) || word.chars().all(|ch| ch.is_ascii_digit())
            || (word.starts_with('q') && word[1..].chars().all(|ch| ch.is_ascii_digit()))
    })
}

/// What a prompt is about: the words after "what is the", up to a comma, "of this document" or "in".
fn subject(prompt: &[String]) -> Vec<String> {
    prompt
        .iter()
        .skip_while(|word| FILLERS.contains(&word.as_str()) && !matches!(word.as_str(), "date" | "invoice"))
        .take_while(|word| {
            !matches!(
                word.as_str(),
                "of" | "in"
                    | "on"
                    | "for"
                    | "is"
                    | "as"
                    | "from"
                    | "exactly"
                    | "the"
                    | "this"
                    | "that"
                    | "it"
                    | "which"
                    | "by"
                    | "und"
                    | "and"
            )
        })
        .take(5)
        .cloned()
        .collect()
}

/// The concept that the words name; with `whole` they must name nothing else.
fn known(words: &[String], kind: OutputType, whole: bool) -> Option<Concept> {
    let mut best: Option<(usize, Concept)> = None;
    let mut at = 0;
    let mut unexplained = 0;
    while at < words.len() {
        let found = LABELS.at(words[at..].iter().map(String::as_str));
        let fitting = found.iter().find(|found| (whole || !found.weak) && fits(found.key, kind));
        match fitting {
            Some(found) => {
                if best.is_none_or(|(length, _)| found.words > length) {
                    best = Some((found.words, found.key));
                }
                at += found.words;
            }
            None => {
                unexplained +=
                    usize::from(!FILLERS.contains(&words[at].as_str()) && !SUFFIXES.contains(&words[at].as_str()));
                at += 1;
            }
        }
    }
    let (_, concept) = best?;
    (!whole || unexplained == 0)
        .then_some(concept)
        .map(|concept| if concept == Concept::InvoiceTitle { Concept::InvoiceNumber } else { concept })
}

/// Words that names of answers carry without meaning another thing.
const SUFFIXES: &[&str] = &[
    "amount", "name", "number", "no", "id", "value", "date", "total", "code", "sum", "eur", "usd", "gbp", "address",
    "company", "party", "details",
];

/// Whether answers of a type can be of a concept: a date is no seller.
fn fits(concept: Concept, kind: OutputType) -> bool {
    use Concept::{
        AmountDue, Buyer, ContractValue, DeliveryDate, DueDate, EffectiveDate, Email, EndDate, InvoiceTitle, IssueDate,
        LineItems, Net, OrderDate, Paid, Parties, RelatedInvoice, Seller, ShipTo, Tax, TaxRate, Total,
    };
    let date = matches!(concept, IssueDate | DueDate | DeliveryDate | OrderDate | EffectiveDate | EndDate);
    let number = matches!(concept, Net | Tax | TaxRate | Total | AmountDue | Paid | ContractValue);
    match kind {
        OutputType::Date => date,
        OutputType::Number => {
            number || !(date || matches!(concept, LineItems | Parties | Seller | Buyer | ShipTo | InvoiceTitle))
        }
        OutputType::Email => concept == Email,
        OutputType::LineItem => concept == LineItems,
        OutputType::Boolean => false,
        OutputType::Table => concept == LineItems,
        OutputType::Json => matches!(concept, Parties | LineItems),
        OutputType::Text => !matches!(concept, LineItems | RelatedInvoice),
    }
}

#[cfg(test)]
mod tests {
    use protocol::document::Document;
    use protocol::request::{GrammarEntry, OutputSpec};

    use super::*;

    fn ask(name: &str, kind: OutputType, prompt: &str, grammar: &[GrammarEntry]) -> Ask {
        let spec = OutputSpec { name: name.into(), kind, ..OutputSpec::default() };
        let document = Document::default();
        Ask::of(&Question {
            spec: &spec,
            prompt,
            preamble: "",
            postamble: "",
            grammar,
            context: "",
            document: &document,
        })
    }

    #[test]
    fn known_things_are_recognised_by_name_or_prompt() {
        use OutputType::{Date, LineItem, Number, Text};
        for (name, kind, prompt, concept) in [
            ("invoice_number", Text, "", Concept::InvoiceNumber),
            ("invoiceNo", Text, "", Concept::InvoiceNumber),
            ("issue_date", Date, "", Concept::IssueDate),
            ("due_date", Date, "", Concept::DueDate),
            ("seller", Text, "", Concept::Seller),
            ("vendor_name", Text, "", Concept::Seller),
            ("customer_name", Text, "", Concept::Buyer),
            ("net_amount", Number, "", Concept::Net),
            ("tax_amount", Number, "", Concept::Tax),
            ("total_amount", Number, "", Concept::Total),
            ("grand_total", Number, "", Concept::Total),
            ("amount_due", Number, "", Concept::AmountDue),
            ("currency", Text, "", Concept::Currency),
            ("iban", Text, "", Concept::Iban),
            ("line_items", LineItem, "", Concept::LineItems),
            ("rechnungsnummer", Text, "", Concept::InvoiceNumber),
            ("q1", Text, "What is the invoice number?", Concept::InvoiceNumber),
            ("q2", Date, "When is the payment due?", Concept::DueDate),
            ("customer_number", Text, "", Concept::CustomerNumber),
            ("governing_law", Text, "Which country's law governs this contract?", Concept::GoverningLaw),
        ] {
            assert_eq!(ask(name, kind, prompt, &[]), Ask::Known(concept), "{name} {prompt}");
        }
    }

    #[test]
    fn other_things_are_looked_for_by_their_wording_and_its_synonyms() {
        let Ask::Labelled(wordings) = ask("policy_number", OutputType::Text, "What is the policy number?", &[]) else {
            panic!()
        };
        assert_eq!(wordings, [vec!["policy".to_owned(), "number".to_owned()]]);
        let grammar = [GrammarEntry { word: "premium".into(), synonyms: vec!["yearly charge".into()] }];
        let Ask::Labelled(wordings) = ask("premium", OutputType::Number, "What is the premium?", &grammar) else {
            panic!()
        };
        assert!(wordings.contains(&vec!["yearly".to_owned(), "charge".to_owned()]), "{wordings:?}");
    }
}
