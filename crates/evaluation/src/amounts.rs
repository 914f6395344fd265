//! Which question asks for which amount of an invoice, told by its name or its wording.

use protocol::request::{OutputSpec, OutputType};
use values::fold::fold_words;

/// An amount that has to agree with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The sum before tax.
    Net,
    /// The tax.
    Tax,
    /// The sum with tax.
    Total,
}

/// Words for a sum before tax; several languages say it by leaving the tax out.
const WITHOUT_TAX: &[&str] = &[
    "before tax",
    "before taxes",
    "before vat",
    "excluding tax",
    "excluding vat",
    "excl tax",
    "excl vat",
    "without tax",
    "without vat",
    "untaxed",
    "taxable amount",
    "taxable base",
    "tax base",
    "ohne mwst",
    "ohne steuer",
    "zzgl mwst",
    "hors taxe",
    "hors taxes",
    "hors tva",
    "ht",
    "sin iva",
    "base imponible",
    "imponibile",
    "senza iva",
    "sem iva",
    "excl btw",
    "exclusief btw",
    "excl moms",
    "utan moms",
];
/// Words for a sum with tax.
const WITH_TAX: &[&str] = &[
    "including tax",
    "including taxes",
    "including vat",
    "incl tax",
    "incl vat",
    "with tax",
    "after tax",
    "gross",
    "brutto",
    "inkl mwst",
    "toutes taxes",
    "ttc",
    "con iva",
    "iva inclusa",
    "iva incluido",
    "com iva",
    "incl btw",
    "inclusief btw",
    "inkl moms",
    "grand total",
];
const NET: &[&str] =
    &["net", "netto", "subtotal", "sub total", "zwischensumme", "sous total", "subtotale", "subtotaal"];
const TAX: &[&str] = &[
    "tax",
    "taxes",
    "vat",
    "gst",
    "mwst",
    "ust",
    "umsatzsteuer",
    "mehrwertsteuer",
    "steuerbetrag",
    "steuer",
    "tva",
    "taxe",
    "iva",
    "imposta",
    "imposto",
    "impuesto",
    "btw",
    "moms",
    "mva",
    "alv",
    "afa",
    "dph",
    "ндс",
];
const TOTAL: &[&str] = &[
    "total",
    "totals",
    "gesamtbetrag",
    "gesamtsumme",
    "gesamt",
    "rechnungsbetrag",
    "endbetrag",
    "totale",
    "totaal",
    "totaalbedrag",
    "totalbelopp",
    "suma",
    "yhteensa",
    "celkem",
    "vegosszeg",
];
/// Words that make it something else: a rate, an id, a count, a part that was already paid.
const OTHER: &[&str] = &[
    "rate",
    "rates",
    "percent",
    "percentage",
    "prozent",
    "satz",
    "taux",
    "tasa",
    "aliquota",
    "id",
    "number",
    "no",
    "nummer",
    "numero",
    "count",
    "quantity",
    "pages",
    "page",
    "items",
    "hours",
    "days",
    "weight",
    "discount",
    "rabatt",
    "shipping",
    "freight",
    "paid",
    "prepaid",
    "balance",
    "deposit",
    "currency",
    "date",
    "code",
    "type",
];

/// The amount that a question asks for. Its name decides; where the name says nothing, the prompt does.
pub(crate) fn role(spec: &OutputSpec) -> Option<Role> {
    if spec.kind != OutputType::Number {
        return None;
    }
    let name = spaced(&spec.name);
    if holds_any(&name, OTHER) { None } else { said(&name).or_else(|| asked(spec)) }
}

fn asked(spec: &OutputSpec) -> Option<Role> {
    let prompt = spaced(spec.question());
    if holds_any(&prompt, OTHER) { None } else { said(&prompt) }
}

fn said(words: &str) -> Option<Role> {
    // From the most telling to the least: "total without tax" is a net amount, "total tax" is a tax.
    [(WITHOUT_TAX, Role::Net), (WITH_TAX, Role::Total), (NET, Role::Net), (TAX, Role::Tax), (TOTAL, Role::Total)]
        .into_iter()
        .find_map(|(terms, role)| holds_any(words, terms).then_some(role))
}

/// Folded words with spaces around them. `totalAmount` is two words, `MwSt` is one, so both readings are given.
fn spaced(text: &str) -> String {
    let mut split = String::with_capacity(text.len() + 8);
    let mut after_lower = false;
    for character in text.chars() {
        if after_lower && character.is_uppercase() {
            split.push(' ');
        }
        after_lower = character.is_lowercase();
        split.push(character);
    }
    format!(" {} | {} ", fold_words(text), fold_words(&split))
}

fn holds_any(words: &str, terms: &[&str]) -> bool {
    terms.iter().any(|term| words.contains(&format!(" {term} ")))
}

/// How well a column's name says that it holds the amount of an invoice line: the lower the better.
pub(crate) fn amount_column(key: &str) -> Option<usize> {
    /// Of several columns the earlier term wins.
    const COLUMNS: &[&str] = &[
        "amount",
        "line total",
        "total",
        "net amount",
        "net",
        "betrag",
        "gesamt",
        "gesamtpreis",
        "summe",
        "montant",
        "importe",
        "importo",
        "totale",
        "totaal",
        "bedrag",
        "belopp",
        "kwota",
        "sum",
    ];
    let key = spaced(key);
    if holds_any(&key, TAX) || holds_any(&key, &["unit", "einzel", "rate", "discount", "unitaire", "unitario"]) {
        return None;
    }
    COLUMNS.iter().position(|term| holds_any(&key, &[term]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_of(name: &str, prompt: &str) -> Option<Role> {
        let spec =
            OutputSpec { kind: OutputType::Number, name: name.into(), prompt: prompt.into(), ..OutputSpec::default() };
        role(&spec)
    }

    #[test]
    fn names_and_wordings_in_several_languages_tell_the_amount() {
        for (name, role) in [
            ("net_amount", Role::Net),
            ("totalExclVat", Role::Net),
            ("Zwischensumme", Role::Net),
            ("montant_ht", Role::Net),
            ("imponibile", Role::Net),
            ("tax_total", Role::Tax),
            ("MwSt-Betrag", Role::Tax),
            ("TVA", Role::Tax),
            ("total", Role::Total),
            ("total_ttc", Role::Total),
            ("Gesamtbetrag", Role::Total),
            ("gross amount", Role::Total),
        ] {
            assert_eq!(role_of(name, ""), Some(role), "{name}");
        }
        assert_eq!(role_of("q1", "What is the total amount to pay, including tax?"), Some(Role::Total));
        assert_eq!(role_of("q2", "What is the net amount, the sum before tax?"), Some(Role::Net));
        assert_eq!(role_of("q3", "What is the total amount of tax?"), Some(Role::Tax));
    }

    #[test]
    fn rates_counts_and_ids_are_no_amounts() {
        for name in ["tax_rate", "vat_id", "total_pages", "amount_paid", "total_discount", "quantity"] {
            assert_eq!(role_of(name, "What is it?"), None, "{name}");
        }
        assert_eq!(role_of("q", "What is the total number of pages?"), None);
    }

    #[test]
    fn the_amount_column_is_told_from_unit_prices_and_taxes() {
        for (key, found) in [
            ("amount", true),
            ("line_total", true),
            ("Betrag", true),
            ("unit_price", false),
            ("tax_amount", false),
            ("unit total", false),
        ] {
            assert_eq!(amount_column(key).is_some(), found, "{key}");
        }
    }
}
