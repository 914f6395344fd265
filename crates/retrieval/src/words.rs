//! Splits text into the words that questions and passages are matched by.
//!
//! Words are lower-cased runs of letters and digits. A run joined by `-`, `.`, `/`, `_`, `@` and the like is kept
//! whole as well as in parts, so that `INV-2024-001`, `2024-03-15` and `a@b.example` can be found exactly. A plural
//! `s` is dropped. Scripts written without spaces give single characters and pairs of neighbours.

/// The words of a text, in order, parts right after the whole.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric() && !is_joiner(c)) {
        let run = run.trim_matches(is_joiner);
        if run.is_empty() {
            continue;
        }
        let lower = run.to_lowercase();
        let mut parts = lower.split(is_joiner).filter(|part| !part.is_empty()).peekable();
        let first = parts.next();
        if parts.peek().is_some() {
            words.push(lower.clone());
        }
        for part in first.into_iter().chain(parts) {
            push_part(part, &mut words);
        }
    }
    words
}

fn push_part(part: &str, words: &mut Vec<String>) {
    if !part.chars().any(is_unspaced) {
        words.push(without_plural(part).to_owned());
        return;
    }
    let characters: Vec<char> = part.chars().collect();
    words.extend(characters.iter().map(char::to_string));
    words.extend(characters.windows(2).map(|pair| pair.iter().collect::<String>()));
}

fn without_plural(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(stem) if stem.chars().count() >= 3 && !stem.ends_with('s') => stem,
        _ => word,
    }
}

/// Characters that join the parts of an identifier, a date, a number or an address.
fn is_joiner(character: char) -> bool {
    matches!(character, '-' | '.' | '/' | '_' | '@' | '&' | '\'' | ':' | ',')
}

/// Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar.
fn is_unspaced(character: char) -> bool {
    matches!(u32::from(character),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_dates_and_addresses_are_kept_whole_and_in_parts() {
        assert_eq!(words("No. INV-2024-001,"), ["no", "inv-2024-001", "inv", "2024", "001"]);
        assert_eq!(words("2024-03-15"), ["2024-03-15", "2024", "03", "15"]);
        assert_eq!(words("Jo@Acme.example."), ["jo@acme.example", "jo", "acme", "example"]);
    }

    #[test]
    fn plurals_match_singulars_in_every_case() {
        assert_eq!(words("Invoices TOTAL bus class"), ["invoice", "total", "bus", "class"]);
        assert_eq!(words("GÜLTIGE Beträge"), ["gültige", "beträge"]);
    }

    #[test]
    fn unspaced_scripts_give_characters_and_pairs() {
        assert_eq!(words("合計額"), ["合", "計", "額", "合計", "計額"]);
    }
}
