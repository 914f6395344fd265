//! Breaks lines between words.

use crate::pages::LONGEST_WORD;

/// The line in pieces of at most `width` characters, broken at white space; a longer word has a piece to itself, or several
/// if it is longer than any word. A blank line is one piece.
pub(super) fn wrap(line: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let Some((within, _)) = line.char_indices().nth(width) else { return rest.take() };
        // The last white space that leaves something before it, else the first that there is.
        let begin = line.len() - line.trim_start().len();
        let before = line[..within].rfind(char::is_whitespace).filter(|space| *space > begin);
        let ends_within = within > begin && line[within..].starts_with(char::is_whitespace);
        let fits = ends_within.then_some(within).or(before);
        let end = fits.unwrap_or_else(|| {
            let word = &line[begin..];
            let longest = word.char_indices().nth(LONGEST_WORD).map_or(word.len(), |(end, _)| end);
            begin + word[..longest].find(char::is_whitespace).unwrap_or(longest)
        });
        let behind = line[end..].trim_start();
        rest = (!behind.is_empty()).then_some(behind);
        Some(line[..end].trim_end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let wrapped = |line, width| wrap(line, width).collect::<Vec<_>>();
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("  one   two", 40), ["  one   two"]);
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("a verylongword b", 4), ["a", "verylongword", "b"]);
        assert_eq!(wrapped("      x y", 3), ["      x", "y"]);
        assert_eq!(wrapped("für ölig", 4), ["für", "ölig"]);
    }

    #[test]
    fn nothing_is_longer_than_a_word() {
        let word = "ü".repeat(25_000);
        let lengths: Vec<_> = wrap(&word, 100).map(|piece| piece.chars().count()).collect();
        assert_eq!(lengths, [10_000, 10_000, 5_000]);
    }
}
