//! What can be the name of a company or person.

use std::ops::Range;

use values::fold::fold_words;

use super::super::analysis::{Analysis, Label};

/// Legal forms of companies, folded, as last words of a name.
const LEGAL_FORMS: &[&str] = &[
    "gmbh",
    "ag",
    "kg",
    "ohg",
    "ug",
    "gbr",
    "e k",
    "ek",
    "e v",
    "ev",
    "se",
    "mbh",
    "co kg",
    "inc",
    "llc",
    "l l c",
    "ltd",
    "limited",
    "plc",
    "llp",
    "lp",
    "corp",
    "corporation",
    "company",
    "co",
    "sarl",
    "s a r l",
    "sas",
    "s a s",
    "sasu",
    "eurl",
    "sa",
    "s a",
    "sci",
    "snc",
    "bv",
    "b v",
    "nv",
    "n v",
    "vof",
    "v o f",
    "bvba",
    "srl",
    "s r l",
    "spa",
    "s p a",
    "sl",
    "s l",
    "slu",
    "s l u",
    "lda",
    "ltda",
    "unipessoal lda",
    "sp z o o",
    "sp zoo",
    "spolka z o o",
    "ab",
    "as",
    "a s",
    "asa",
    "aps",
    "a ps",
    "oy",
    "oyj",
    "s r o",
    "sro",
    "kft",
    "zrt",
    "bt",
    "pty ltd",
    "pte ltd",
    "pvt ltd",
    "private limited",
    "gesmbh",
    "ges m b h",
    "sagl",
    "eg",
    "stiftung",
    "kk",
    "doo",
    "d o o",
    "ood",
    "eood",
    "ou",
    "uab",
    "sia",
    "sdn bhd",
    "bhd",
    "berhad",
    "tbk",
];

/// Whether a word alone is a legal form: `GmbH`, `B.V.`
pub(super) fn is_legal_form(word: &str) -> bool {
    LEGAL_FORMS.contains(&fold_words(word).as_str()) && word.starts_with(char::is_uppercase)
}

/// Whether a name ends with a legal form.
pub(super) fn has_legal_form(name: &str) -> bool {
    without_legal_form(name).len() < fold_words(name).len()
}

/// A name, folded, without its legal form.
pub(super) fn without_legal_form(name: &str) -> String {
    let folded = fold_words(name);
    let stem = LEGAL_FORMS
        .iter()
        .filter_map(|form| folded.strip_suffix(form)?.strip_suffix(' '))
        .min_by_key(|stem| stem.len());
    stem.map_or(folded.clone(), str::to_owned)
}

/// The name that words begin with: without what follows a dash, a bullet or a comma, and without a label before it.
pub(super) fn name_in(analysis: &Analysis, words: Range<usize>) -> Option<(Range<usize>, String)> {
    let mut start = words.start;
    // "ATTN: Jo Doe", "Name: Acme": the value is the name.
    let label = analysis
        .labels_in(words.clone())
        .find(|label| label.words.start == start && label.colon && label.words.end < words.end);
    if let Some(label) = label {
        start = super::skip_separators(analysis, label.words.end, words.end);
    } else if analysis.words[start].text.ends_with(':')
        || analysis.words[words.clone()].iter().take(4).any(|word| word.text == ":")
    {
        return None;
    }
    let (words, name) = clipped(analysis, start..words.end)?;
    is_name(analysis, words.clone()).then_some((words, name))
}

/// Words up to the first separator, without punctuation at their end.
pub(super) fn clipped(analysis: &Analysis, words: Range<usize>) -> Option<(Range<usize>, String)> {
    let mut end = words.start;
    for at in words.clone() {
        let text = analysis.words[at].text.as_str();
        let separates =
            matches!(text, "-" | "–" | "—" | "•" | "●" | "·" | "|" | "/" | "*" | "■") || text.starts_with('(');
        // "Gardenia Bakeries (KL) Sdn Bhd": the form of the company goes on after a place in brackets.
        let goes_on =
            text.starts_with('(') && text.ends_with(')') && has_legal_form(&analysis.text(at..words.end.min(at + 4)));
        if separates && at > words.start && !goes_on {
            break;
        }
        end = at + 1;
        // A comma ends a name unless a legal form follows it: "Amazon Web Services, Inc."
        let legal_next = analysis.words.get(at + 1).is_some_and(|next| is_legal_form(next.text.trim_end_matches(',')))
            && at + 1 < words.end;
        if (text.ends_with(',') || text.ends_with(';')) && !legal_next {
            break;
        }
        // What follows a legal form is something else: "SARL au capital de …".
        let more = analysis
            .words
            .get(at + 1)
            .is_some_and(|next| next.text.starts_with(char::is_uppercase) || next.text == "&");
        if at > words.start && is_legal_form(text) && !more {
            break;
        }
    }
    let mut start = words.start;
    while start < end && !analysis.words[start].text.chars().any(char::is_alphanumeric) {
        start += 1;
    }
    let text = analysis.text(start..end);
    let mut name = text.trim_end_matches([',', ';', ':', '-']).to_owned();
    // A dot at the end belongs to an abbreviation only.
    if name.ends_with('.') && !has_legal_form(&name) {
        name.pop();
    }
    (!name.is_empty()).then_some((start..end, name))
}

/// Whether words can be a name: mostly letters, no label, no address of the net, no street, no sum.
pub(super) fn is_name(analysis: &Analysis, words: Range<usize>) -> bool {
    let text = analysis.text(words.clone());
    let letters = text.chars().filter(|ch| ch.is_alphabetic()).count();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let net = text.contains('@') || text.contains("www.") || text.contains("://");
    let mut labels =
        analysis.labels_in(words.start..analysis.words.len()).take_while(|label| label.words.start == words.start);
    let label = labels.any(|label| label.words.end >= words.end && (!label.weak || label.concept.is_sum()));
    let dated = analysis.dates_in(words.clone()).next().is_some();
    let begins = text.starts_with(|ch: char| ch.is_alphanumeric());
    letters >= 2
        && digits * 3 <= letters
        && !net
        && !is_sentence(&text)
        && !label
        && !dated
        && begins
        && words.len() <= 9
        && !is_generic(&text)
}

/// Mostly words in lower case, or a full stop in the middle.
fn is_sentence(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    let lower = words.iter().filter(|word| word.chars().count() > 2 && word.starts_with(char::is_lowercase)).count();
    let stops = words[..words.len() - 1].iter().any(|word| {
        word.ends_with('.') && word.chars().filter(|ch| ch.is_alphanumeric()).count() > 5 && !is_legal_form(word)
    });
    stops || (words.len() > 3 && lower * 2 > words.len())
}

/// What begins a part of an address that a number follows.
const PREMISES: &[&str] = &[
    "lot", "no", "unit", "suite", "box", "postfach", "plot", "block", "blk", "level", "floor", "shop", "apt", "bp",
    "bus", "postbus", "apartado", "skr",
];

/// Headings and words of courtesy that stand where names stand.
fn is_generic(text: &str) -> bool {
    const GENERIC: &[&str] = &[
        "page",
        "seite",
        "logo",
        "invoice",
        "rechnung",
        "facture",
        "factuur",
        "factura",
        "fattura",
        "fatura",
        "faktura",
        "copy",
        "kopie",
        "original",
        "duplicate",
        "tax invoice",
        "name",
        "address",
        "anschrift",
        "adresse",
        "adres",
        "direccion",
        "indirizzo",
        "herr",
        "frau",
        "monsieur",
        "madame",
        "firma",
        "an",
        "to",
        "from",
        "date",
        "datum",
        "summary",
        "thank you",
        "vielen dank",
        "merci",
        "payment",
        "notes",
        "receipt",
        "statement",
        "quote",
        "germany",
        "deutschland",
        "france",
        "nederland",
        "italia",
        "espana",
    ];
    let folded = fold_words(text);
    // "Lot 3", "Suite 300", "Postfach 12": a part of an address.
    let premises = folded
        .split_once(' ')
        .is_some_and(|(first, rest)| PREMISES.contains(&first) && rest.starts_with(|ch: char| ch.is_ascii_digit()));
    premises
        || GENERIC.contains(&folded.as_str())
        || folded.ends_with("agreement")
        || folded.ends_with("contract")
        || folded.ends_with("vertrag")
        || ["powered by", "your ", "thank ", "generated by", "created with", "created by", "printed by"]
            .iter()
            .any(|by| folded.starts_with(by))
}

/// The value of "Name:" in a form whose heading the label is.
pub(super) fn in_form_below(analysis: &Analysis, label: &Label) -> Option<Range<usize>> {
    const NAMES: &[&str] = &[
        "name",
        "firma",
        "company",
        "company name",
        "nom",
        "naam",
        "nombre",
        "nome",
        "ragione sociale",
        "razon social",
        "nazwa",
        "namn",
        "navn",
        "bedrijf",
        "societe",
        "firm",
        "nazev",
        "denumire",
    ];
    const LINES: usize = 6;
    let first = analysis.words[label.words.start].line;
    let page = analysis.lines[first].page;
    let left = analysis.words[label.words.start].bbox.x0;
    for line in analysis.lines[first + 1..].iter().take(LINES).take_while(|line| line.page == page) {
        for segment in &analysis.segments[line.segments.clone()] {
            let aligned = (segment.bbox.x0 - left).abs() < 40.0;
            let colon = segment.words.clone().find(|at| analysis.words[*at].text.ends_with(':'));
            let Some(colon) = colon.filter(|_| aligned) else { continue };
            if NAMES.contains(&fold_words(&analysis.text(segment.words.start..colon + 1)).as_str()) {
                let end = if colon + 1 < segment.words.end {
                    segment.words.end
                } else {
                    analysis
                        .words
                        .get(colon + 1)
                        .filter(|next| next.line == analysis.words[colon].line)
                        .map(|_| analysis.segment_of(colon + 1).words.end)?
                };
                return Some(colon + 1..end);
            }
        }
    }
    None
}
