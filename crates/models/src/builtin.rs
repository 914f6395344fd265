//! The built-in reader: answers questions from the layout of a document, without a language model.
//!
//! It finds labels in many languages (`builtin/labels.txt`), reads the values that stand beside or below them, checks
//! sums against each other and reads tables of items by their headers. What it cannot find is null with a note: it never
//! guesses. `docs/builtin-reader.md` says what it can and cannot.
//!
//! The way of a question: `question` says what is asked for → `analysis`, made once per document, knows words,
//! labels, dates and numbers → one reader per sort of value (`ids`, `dates`, `sums`, `parties`, `tables`,
//! `patterns`, `labelled`) finds candidates, scores them and returns the best.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use protocol::answer::Usage;
use protocol::document::Document;
use protocol::request::OutputType;
use serde_json::Value;

use crate::{Error, Model, ModelInfo, Question, Reply};

mod analysis;
mod beside;
mod concept;
mod currencies;
mod dates;
mod found;
mod ids;
mod labelled;
mod lexicon;
mod parties;
mod patterns;
mod qualified;
mod question;
mod sums;
mod tables;
mod tokens;

use analysis::Analysis;
use concept::Concept;
use found::Found;
use parties::Parties;
use question::Ask;
use sums::Sums;
use tables::ItemTable;

/// How many documents stay taken apart: questions about one document come together.
const REMEMBERED: usize = 8;
/// It reads whole documents; no window limits it.
const CONTEXT_TOKENS: u32 = u32::MAX;
/// Answers below this are guesses, and guesses are not answered.
const SUREST_GUESS: f32 = 0.25;

/// Reads documents by their layout. Answers every question in microseconds to milliseconds, offline.
#[derive(Debug)]
pub struct Builtin {
    info: ModelInfo,
    remembered: Mutex<Vec<(u64, Arc<Reading>)>>,
}

/// A document and what was read of it as a whole, when first asked for.
#[derive(Debug)]
struct Reading {
    analysis: Analysis,
    tables: OnceLock<Vec<ItemTable>>,
    sums: OnceLock<Sums>,
    parties: OnceLock<Parties>,
}

impl Default for Builtin {
    fn default() -> Self {
        Self::new()
    }
}

impl Builtin {
    /// The reader.
    #[must_use]
    pub fn new() -> Self {
        Self {
            info: ModelInfo { name: "builtin".to_owned(), context_tokens: CONTEXT_TOKENS },
            remembered: Mutex::default(),
        }
    }

    fn reading(&self, document: &Document) -> Arc<Reading> {
        let key = fingerprint(document);
        // A panic elsewhere leaves a list of whole readings behind: nothing in it can be half done.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reading)) = remembered.iter().find(|(known, _)| *known == key) {
            return Arc::clone(reading);
        }
        drop(remembered);
        let reading = Arc::new(Reading::of(document));
        remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == REMEMBERED {
            remembered.remove(0);
        }
        remembered.push((key, Arc::clone(&reading)));
        reading
    }
}

/// What tells documents apart: every word and where it stands.
fn fingerprint(document: &Document) -> u64 {
    let mut hasher = DefaultHasher::new();
    for page in &document.pages {
        page.number.hash(&mut hasher);
        for word in page.lines.iter().flat_map(|line| &line.words) {
            word.text.hash(&mut hasher);
            word.bbox.x0.to_bits().hash(&mut hasher);
            word.bbox.y0.to_bits().hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[async_trait]
impl Model for Builtin {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn answer(&self, question: Question<'_>) -> Result<Reply, Error> {
        // Reading computes without waiting for anything: between two questions others have their turn, time limits too.
        tokio::task::yield_now().await;
        let reading = self.reading(question.document);
        let ask = Ask::of(&question);
        let role = values::fold::fold_words(&question.spec.name);
        let party = || parties::in_role(&reading.analysis, &role).filter(|_| question.spec.kind == OutputType::Text);
        let found = party().or_else(|| reading.find(&ask, question.spec.kind));
        Ok(reply(found, &ask))
    }
}

fn reply(found: Option<Found>, ask: &Ask) -> Reply {
    let usage = Usage { calls: 1, ..Usage::default() };
    let confidence = found.as_ref().map(|found| found::confidence(found.score));
    match (found, confidence) {
        (Some(found), Some(confidence)) if confidence >= SUREST_GUESS && !found.value.is_null() => Reply {
            value: found.value,
            quote: found.evidence.first().map(|evidence| evidence.quote.clone()),
            evidence: found.evidence,
            confidence: Some(confidence),
            note: found.note,
            usage,
        },
        (unsure, _) => {
            let what = match ask {
                Ask::Known(concept) => concept.name().replace('-', " "),
                Ask::Labelled(wordings) => wordings.first().map(|words| words.join(" ")).unwrap_or_default(),
            };
            let note = match unsure {
                Some(_) => format!("what might be the {what} is too unsure to answer"),
                None => format!("no label or value for {what:?} was found"),
            };
            Reply { value: Value::Null, note: Some(note), usage, ..Reply::default() }
        }
    }
}

impl Reading {
    fn of(document: &Document) -> Self {
        Self {
            analysis: Analysis::of(document),
            tables: OnceLock::new(),
            sums: OnceLock::new(),
            parties: OnceLock::new(),
        }
    }

    fn tables(&self) -> &[ItemTable] {
        self.tables.get_or_init(|| tables::read(&self.analysis))
    }

    fn sums(&self) -> &Sums {
        self.sums.get_or_init(|| Sums::read(&self.analysis, self.tables()))
    }

    fn parties(&self) -> &Parties {
        self.parties.get_or_init(|| Parties::read(&self.analysis))
    }

    fn find(&self, ask: &Ask, kind: OutputType) -> Option<Found> {
        match ask {
            Ask::Known(concept) => self.known(*concept, kind),
            Ask::Labelled(wordings) if kind == OutputType::Table => self.table(wordings),
            Ask::Labelled(_) => labelled::read(&self.analysis, ask.wordings(), kind),
        }
    }

    /// The table whose headings share most words with the question; without any in common, the one of items.
    fn table(&self, wordings: &[Vec<String>]) -> Option<Found> {
        let analysis = &self.analysis;
        let grids = tables::grid::read(analysis);
        let ranked = grids
            .iter()
            .map(|grid| (grid.overlap(analysis, wordings), grid))
            .max_by_key(|(overlap, grid)| (*overlap, grid.len()));
        match (ranked, self.items()) {
            (Some((1.., grid)), None) => Some(grid.found(analysis, 0.9)),
            (Some((2.., grid)), Some(items)) if items.overlap(analysis, wordings) < 2 => {
                Some(grid.found(analysis, 0.9))
            }
            (_, Some(items)) => Some(items.named(analysis)),
            // One table alone may be meant; which of several is not said.
            (Some((_, grid)), None) => {
                (grids.len() == 1).then(|| grid.found(analysis, 0.3).noted("the only table in the document"))
            }
            (None, None) => None,
        }
    }

    fn items(&self) -> Option<&ItemTable> {
        self.tables().iter().reduce(|best, next| if next.rank() > best.rank() { next } else { best })
    }

    fn known(&self, concept: Concept, kind: OutputType) -> Option<Found> {
        use Concept as C;
        let analysis = &self.analysis;
        match concept {
            C::InvoiceNumber | C::InvoiceTitle => ids::labelled(analysis, C::InvoiceNumber),
            C::OrderNumber | C::CustomerNumber | C::ContractNumber | C::RelatedInvoice => {
                ids::labelled(analysis, concept)
            }
            C::IssueDate => dates::labelled(analysis, concept),
            C::DueDate | C::DeliveryDate | C::OrderDate | C::EffectiveDate | C::EndDate => {
                dates::labelled(analysis, concept)
            }
            C::Net | C::Tax | C::Total | C::AmountDue => self.sums().of(concept),
            C::Seller => self.parties().seller.clone(),
            C::Buyer => self.parties().buyer.clone(),
            C::Currency => currencies::read(analysis, self.sums().of(C::Total).as_ref()),
            C::Iban | C::Bic | C::Phone | C::Email | C::Website | C::SellerVat | C::BuyerVat | C::TaxId => {
                patterns::read(analysis, concept)
            }
            C::LineItems => self
                .items()
                .map(|table| if kind == OutputType::LineItem { table.items(analysis) } else { table.named(analysis) }),
            C::Title => labelled::title(analysis),
            C::Author => self.parties().seller.clone().map(|found| Found { score: found.score - 0.4, ..found }),
            C::Parties => parties::of_contract(analysis),
            C::Term | C::TerminationNotice | C::GoverningLaw | C::Jurisdiction => self
                .beside_labels(concept, kind)
                .filter(|found| found.score > 1.0)
                .or_else(|| labelled::clause(analysis, concept)),
            C::ShipTo | C::TaxRate | C::Paid | C::PaymentTerms | C::PaymentMethod | C::ContractValue => {
                self.beside_labels(concept, kind)
            }
        }
    }

    /// The value of the asked type beside any of a concept's labels.
    fn beside_labels(&self, concept: Concept, kind: OutputType) -> Option<Found> {
        let wordings: Vec<Vec<String>> = {
            let labels = self
                .analysis
                .labels_of(concept)
                .map(|label| values::fold::fold_words(&self.analysis.text(label.words.clone())));
            let mut wordings: Vec<Vec<String>> =
                labels.map(|label| label.split(' ').map(str::to_owned).collect()).collect();
            wordings.sort_by_key(|wording| std::cmp::Reverse(wording.len()));
            wordings.dedup();
            wordings
        };
        labelled::read(&self.analysis, &wordings, kind)
    }
}

#[cfg(test)]
mod tests;
