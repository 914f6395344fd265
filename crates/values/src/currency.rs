//! Currencies by symbol or code.

/// ISO 4217 codes that are recognised, most traded first.
const CODES: &[&str] = &[
    "EUR", "USD", "GBP", "JPY", "CHF", "CNY", "INR", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF",
    "RON", "BGN", "ISK", "TRY", "RUB", "UAH", "BRL", "MXN", "ARS", "CLP", "COP", "PEN", "ZAR", "SGD", "HKD", "TWD",
    "KRW", "THB", "MYR", "IDR", "PHP", "VND", "AED", "SAR", "QAR", "KWD", "ILS", "EGP", "MAD", "TND", "NGN", "KES",
    "PKR", "BDT", "LKR", "RSD", "MDL", "GEL",
];

/// Symbols and local spellings, longest first where one begins another. Bare `$` and `kr` name the most common currency.
const SYMBOLS: &[(&str, &str)] = &[
    ("US$", "USD"),
    ("CA$", "CAD"),
    ("C$", "CAD"),
    ("AU$", "AUD"),
    ("A$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("NT$", "TWD"),
    ("MX$", "MXN"),
    ("R$", "BRL"),
    ("S$", "SGD"),
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₺", "TRY"),
    ("₽", "RUB"),
    ("₴", "UAH"),
    ("₪", "ILS"),
    ("₫", "VND"),
    ("฿", "THB"),
    ("₱", "PHP"),
    ("₦", "NGN"),
];

/// Spelled-out names and abbreviations that are words of their own, lower case.
const WORDS: &[(&str, &str)] = &[
    ("euro", "EUR"),
    ("euros", "EUR"),
    ("eur", "EUR"),
    ("dollar", "USD"),
    ("dollars", "USD"),
    ("pounds", "GBP"),
    ("sterling", "GBP"),
    ("zł", "PLN"),
    ("zl", "PLN"),
    ("kč", "CZK"),
    ("ft", "HUF"),
    ("kr", "SEK"),
    ("kr.", "DKK"),
    ("fr.", "CHF"),
    ("sfr.", "CHF"),
    ("sfr", "CHF"),
    ("rs", "INR"),
    ("rs.", "INR"),
    ("rupees", "INR"),
    ("rm", "MYR"),
    ("lei", "RON"),
    ("yen", "JPY"),
    ("元", "CNY"),
    ("円", "JPY"),
];

/// The currency that a whole token names: `€`, `EUR`, `US$`, `zł`, `kr.`.
#[must_use]
pub fn of(token: &str) -> Option<&'static str> {
    let token = token.trim();
    if token.is_empty() || token.len() > 12 {
        return None;
    }
    if let Some((_, code)) = SYMBOLS.iter().find(|(symbol, _)| *symbol == token) {
        return Some(code);
    }
    let bare = token.trim_matches(|ch: char| matches!(ch, '(' | ')' | '[' | ']' | ':' | ',' | '/'));
    if let Some((_, code)) = SYMBOLS.iter().find(|(symbol, _)| *symbol == bare) {
        return Some(code);
    }
    // Codes must be capitals: "try", "all" and "php" are words.
    if let Some(code) = CODES.iter().find(|code| **code == bare) {
        return Some(code);
    }
    let lower = bare.to_lowercase();
    WORDS.iter().find(|(word, _)| *word == lower).map(|(_, code)| *code)
}

/// Takes a currency off the front or the back of `text`; what is left, and the currency.
#[must_use]
pub fn strip(text: &str) -> (&str, Option<&'static str>) {
    let text = text.trim();
    for (symbol, code) in SYMBOLS {
        if let Some(rest) = text.strip_prefix(symbol).or_else(|| text.strip_suffix(symbol)) {
            return (rest.trim(), Some(code));
        }
    }
    let letters = |ch: char| ch.is_alphabetic() || ch == '.';
    let front = text.find(|ch: char| !letters(ch)).unwrap_or(text.len());
    for cut in [front, text[..front].trim_end_matches('.').len()] {
        if let Some(code) = of(&text[..cut]) {
            return (text[cut..].trim(), Some(code));
        }
    }
    let back = text.trim_end_matches(letters).len();
    let tail = text[back..].trim_start_matches('.');
    if let Some(code) = of(tail) {
        return (text[..text.len() - tail.len()].trim(), Some(code));
    }
    (text, None)
}

/// The first currency that any word of `text` names, amounts with a symbol attached included.
#[must_use]
pub fn detect(text: &str) -> Option<&'static str> {
    text.split_whitespace().find_map(mentioned)
}

/// The currency that one word of running text names for sure: a symbol, a code in capitals, or a symbol on an amount.
#[must_use]
pub fn mentioned(word: &str) -> Option<&'static str> {
    if !word.chars().any(|ch| ch.is_ascii_digit()) {
        // Two-letter abbreviations ("kr", "rs", "ft") are words of other things as well.
        return of(word).filter(|_| word.chars().count() > 2 || !word.chars().all(char::is_alphabetic));
    }
    strip(word).1.filter(|_| strip(word).0.chars().all(|ch| !ch.is_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_codes_and_words_name_a_currency() {
        for (token, code) in [
            ("€", "EUR"),
            ("US$", "USD"),
            ("CHF", "CHF"),
            ("zł", "PLN"),
            ("Rs.", "INR"),
            ("(EUR)", "EUR"),
            ("Euro", "EUR"),
        ] {
            assert_eq!(of(token), Some(code), "{token}");
        }
        for token in ["try", "all", "Total", "", "EURO-Palette"] {
            assert_eq!(of(token), None, "{token}");
        }
    }

    #[test]
    fn a_currency_comes_off_either_end() {
        assert_eq!(strip("$1,200.00"), ("1,200.00", Some("USD")));
        assert_eq!(strip("1.200,00 EUR"), ("1.200,00", Some("EUR")));
        assert_eq!(strip("Rs.319.00"), ("319.00", Some("INR")));
        assert_eq!(strip("12,00zł"), ("12,00", Some("PLN")));
        assert_eq!(strip("12.00"), ("12.00", None));
        assert_eq!(detect("Total due CHF 12.00"), Some("CHF"));
        assert_eq!(detect("Total £12.00"), Some("GBP"));
    }
}
