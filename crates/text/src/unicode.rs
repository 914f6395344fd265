//! From what fonts claim to letters.

use unicode_normalization::UnicodeNormalization;

/// Normalises a word to NFC, with ligatures and positional letter forms taken apart into plain letters.
pub(crate) fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut letters = String::with_capacity(text.len());
    for character in text.chars() {
        if is_presentation_form(character) {
            letters.extend(std::iter::once(character).nfkc());
        } else {
            letters.push(character);
        }
    }
    letters.nfc().collect()
}

/// Latin ligatures, Hebrew and Arabic letters in the shape they take inside a word: drawing, not text.
fn is_presentation_form(character: char) -> bool {
    matches!(character, '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Whether a character belongs to a script that runs from right to left.
pub(crate) fn is_right_to_left(character: char) -> bool {
    matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_composed_letters() {
        assert_eq!(normalise("o\u{fb03}ce"), "office");
        assert_eq!(normalise("Mu\u{308}ller"), "Müller");
        assert_eq!(normalise("\u{fedf}\u{fe8e}"), "لا");
        assert_eq!(normalise("5 m²"), "5 m²");
    }
}
