//! Whether the characters of a page can be trusted to be what is drawn.
//!
//! A font says which characters its shapes stand for (`ToUnicode`, an encoding, names of glyphs). Where it does not, a
//! reader gets the numbers of the shapes, and these are control characters, private ones, or signs in an order that no
//! language has. The page is then better read from its picture.

/// One in so many characters may be no character at all: a bullet of a symbol font is private and yet no harm.
const BAD_ONE_IN: usize = 5;

/// Fewer are not enough to judge a page by.
const FEWEST_BAD: usize = 3;

/// Counts characters as they are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trust {
    /// Characters that draw something.
    all: usize,
    /// Those that stand for nothing: control characters, private ones, the replacement character.
    none: usize,
    /// Those in words that consist of signs.
    in_signs: usize,
    word: Word,
}

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    length: usize,
    /// A bit for each of the ASCII signs that it has, brackets apart.
    signs: u128,
    has_letter: bool,
    signs_length: usize,
}

impl Trust {
    /// Takes in a character as the font claims it.
    pub(super) fn see(&mut self, value: u32) {
        if matches!(value, 0x20 | 0x9..=0xd | 0xa0) {
            self.end_word();
            return;
        }
        self.all += 1;
        let is_none = matches!(value, 0..=0x1f | 0x7f..=0x9f | 0xe000..=0xf8ff | 0xfff0..=0xffff | 0xf_0000..);
        // A hyphen at the end of a line comes as one of these.
        if is_none && !matches!(value, 0x02 | 0xfffe) {
            self.none += 1;
            return;
        }
        let word = &mut self.word;
        word.length += 1;
        match char::from_u32(value) {
            Some('(' | ')' | '[' | ']' | '{' | '}') => word.signs_length += 1,
            Some(sign) if sign.is_ascii_punctuation() => {
                word.signs |= 1 << value;
                word.signs_length += 1;
            }
            Some(character) => word.has_letter |= character.is_alphabetic() || !character.is_ascii(),
            None => {}
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        // "(1.5%)" has four, and yet is a number: signs are more than digits in what is none.
        if !word.has_letter && word.signs.count_ones() >= 3 && word.signs_length * 2 > word.length {
            self.in_signs += word.length;
        }
    }

    /// Whether too many characters stand for nothing.
    pub(super) fn is_lost(mut self) -> bool {
        self.end_word();
        (self.none >= FEWEST_BAD && self.none * BAD_ONE_IN >= self.all)
            || (self.in_signs > FEWEST_BAD && self.in_signs * 2 > self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost(text: &str) -> bool {
        let mut trust = Trust::default();
        text.chars().for_each(|character| trust.see(character.into()));
        trust.is_lost()
    }

    #[test]
    fn numbers_of_shapes_are_no_text() {
        assert!(is_lost("\"7+%-"), "a font whose shapes are numbered from the exclamation mark on");
        assert!(is_lost("7KLV\u{3}LV\u{3}QRW\u{3}D"), "a font whose blanks are shape 3");
        assert!(is_lost("\u{e001}\u{e002}\u{e003} \u{fffd}\u{fffd}"));
    }

    #[test]
    fn text_of_any_script_and_kind_is_text() {
        for text in [
            "\u{f0b7} a bullet of a symbol font before a line of text",
            "تحسين الإنتاجية",
            "契約書 第三条（甲）",
            "∑ α² + β² ≤ γ³ ∫ ∂x ⟨ψ|φ⟩",
            "(12.5%) $1,234.56 +49-30/1234",
            "........ ________ -------- ======",
            "{\"key\": [1, 2]}; a != b && c >= d",
            "9.99 1.00 (3)",
            "[*] [x] [-]",
        ] {
            assert!(!is_lost(text), "{text}");
        }
    }
}
