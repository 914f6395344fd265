//! From what fonts claim to letters.

use unicode_normalization::UnicodeNormalization;

/// Normalises a word to NFC, with ligatures and positional letter forms taken apart into plain letters.
pub(crate) fn normalise(text: &str) -> String {
    if is_normal(text) {
        return text.to_owned();
    }
    let mut letters = String::with_capacity(text.len());
    for character in text.chars() {
        if is_presentation_form(character) {
            // A form that stands for an accent alone is written as a space with the accent.
            letters.extend(std::iter::once(character).nfkc().filter(|letter| *letter != ' '));
        } else {
            letters.push(character);
        }
    }
    letters.nfc().collect()
}

/// Whether nothing in it can change: below the first accent that is a character of its own, all is composed.
pub(crate) fn is_normal(text: &str) -> bool {
    text.chars().all(|character| character < '\u{300}')
}

/// Latin ligatures, Hebrew and Arabic letters in the shape they take inside a word, ideographs that stand for parts of
/// others: drawing, not text.
fn is_presentation_form(character: char) -> bool {
    matches!(character, '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{2e80}'..='\u{2fd5}')
}

/// Whether a character belongs to a script that runs from right to left.
pub(crate) fn is_right_to_left(character: char) -> bool {
    if character < '\u{590}' {
        return false;
    }
    // Arabic digits run from left to right, as all numbers do.
    !matches!(character, '\u{660}'..='\u{66c}' | '\u{6f0}'..='\u{6f9}')
        && matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Whether a character is an accent or a vowel sign that is drawn onto the letter before it.
pub(crate) fn is_combining(character: char) -> bool {
    character >= '\u{300}'
        && matches!(character, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Whether a character is one of Chinese, Japanese or Korean that may be written downwards.
pub(crate) fn is_ideographic(character: char) -> bool {
    matches!(character, '\u{3001}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
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
