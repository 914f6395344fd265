//! Yes and no in several languages and on forms.

use crate::fold::fold;

const YES: &[&str] = &[
    "yes",
    "y",
    "true",
    "t",
    "1",
    "on",
    "x",
    "checked",
    "ja",
    "j",
    "oui",
    "o",
    "vrai",
    "si",
    "s",
    "sim",
    "verdadero",
    "verdadeiro",
    "vero",
    "wahr",
    "waar",
    "tak",
    "prawda",
    "sand",
    "sant",
    "kylla",
    "ano",
    "da",
    "igen",
    "✓",
    "✔",
    "☑",
    "☒",
    "[x]",
    "(x)",
    "paid",
    "approved",
];
const NO: &[&str] = &[
    "no",
    "n",
    "false",
    "f",
    "0",
    "off",
    "unchecked",
    "nein",
    "non",
    "faux",
    "nao",
    "falso",
    "falsch",
    "nee",
    "onwaar",
    "nie",
    "falsz",
    "nej",
    "nei",
    "ei",
    "ne",
    "nem",
    "falsk",
    "☐",
    "✗",
    "✘",
    "[ ]",
    "[]",
    "( )",
    "()",
    "unpaid",
];

/// Reads a text that says yes or no and nothing else.
#[must_use]
pub fn parse(text: &str) -> Option<bool> {
    let text = fold(text.trim().trim_end_matches(['.', '!']));
    let has = |words: &[&str]| words.contains(&text.as_str());
    if has(YES) {
        Some(true)
    } else if has(NO) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_are_read_in_many_languages() {
        for text in ["Yes", "TRUE", "ja", "Oui.", "Sí", "tak", "x", "☒", "[x]", "1"] {
            assert_eq!(parse(text), Some(true), "{text}");
        }
        for text in ["No", "false", "Nein", "não", "nie", "☐", "[ ]", "0"] {
            assert_eq!(parse(text), Some(false), "{text}");
        }
        assert_eq!(parse("perhaps"), None);
    }
}
