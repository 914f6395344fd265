//! Whether answers stand where their evidence says: the words inside the boxes must hold the value.

use protocol::answer::Evidence;
use protocol::document::Document;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;
use values::fold::fold_alphanumeric;
use values::{Conventions, currency, date, number};

/// How many values stand on evidence. Values of lists and objects count one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Values that are not null.
    pub values: usize,
    /// Of those, values that the words inside the boxes of their evidence hold.
    pub covered: usize,
    /// Of those, values that stand nowhere in the document.
    pub invented: usize,
}

impl std::ops::AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.values += other.values;
        self.covered += other.covered;
        self.invented += other.invented;
    }
}

impl Coverage {
    pub(super) fn add(&mut self, document: &Document, conventions: &Conventions, value: &Value, evidence: &[Evidence]) {
        let mut leaves = Vec::new();
        collect(value, &mut leaves);
        if leaves.is_empty() {
            return;
        }
        let boxes: Vec<String> = evidence.iter().flat_map(|evidence| inside(document, evidence)).collect();
        let everything: Vec<String> = document
            .pages
            .iter()
            .flat_map(|page| &page.lines)
            .flat_map(|line| line.words.iter().map(|word| word.text.clone()))
            .collect();
        for leaf in leaves {
            self.values += 1;
            // A cell of several lines stands between other columns' words: in its boxes it is whole.
            let covered = holds(&boxes, leaf, conventions);
            self.covered += usize::from(covered);
            self.invented += usize::from(!covered && !holds(&everything, leaf, conventions));
        }
    }
}

fn collect<'a>(value: &'a Value, leaves: &mut Vec<&'a Value>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| collect(item, leaves)),
        Value::Object(map) => map.values().for_each(|item| collect(item, leaves)),
        leaf => leaves.push(leaf),
    }
}

/// The words of the page whose centre lies in the box.
fn inside(document: &Document, evidence: &Evidence) -> Vec<String> {
    let page = document.page(evidence.page);
    let words = page.into_iter().flat_map(|page| &page.lines).flat_map(|line| &line.words);
    words.filter(|word| evidence.bbox.holds(word.bbox)).map(|word| word.text.clone()).collect()
}

fn holds(words: &[String], leaf: &Value, conventions: &Conventions) -> bool {
    let runs = |longest: usize| {
        (0..words.len())
            .flat_map(move |at| (1..=longest.min(words.len() - at)).map(move |length| words[at..at + length].join(" ")))
    };
    let trimmed = |text: &str| text.trim_matches([',', ';', ':', '*', '.']).to_owned();
    match leaf {
        Value::Number(wanted) => {
            let wanted = wanted.to_string().parse::<Decimal>().ok();
            let parts = runs(5).chain(words.iter().flat_map(|word| word.split(':').map(str::to_owned)));
            parts
                .filter_map(|text| number::parse(&trimmed(&text), conventions))
                .any(|number| Some(number.value) == wanted)
        }
        Value::String(text) => {
            let all: String = words.iter().map(|word| fold_alphanumeric(word)).collect();
            let iso = || {
                date::parse(text, conventions).is_some()
                    && runs(5).any(|run| date::parse(&trimmed(&run), conventions).is_some_and(|date| date.iso == *text))
            };
            let code = || {
                text.len() == 3
                    && words.iter().any(|word| {
                        currency::detect(word) == Some(text)
                            || currency::of(word) == Some(text)
                            || currency::strip(word).1 == Some(text)
                    })
            };
            all.contains(&fold_alphanumeric(text)) || iso() || code()
        }
        _ => !words.is_empty(),
    }
}
