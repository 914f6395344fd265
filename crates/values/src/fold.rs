//! Comparing words as people do: without case, accents and punctuation.

/// Lower case, Latin letters without their accents, ligatures spelled out; everything else as it is.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for ch in text.chars() {
        push_folded(ch, &mut folded);
    }
    folded
}

/// [`fold`], keeping letters and digits alone: `Nº FA-2017/8` becomes `nofa20178`.
#[must_use]
pub fn fold_alphanumeric(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for ch in text.chars() {
        push_folded(ch, &mut folded);
    }
    folded.retain(char::is_alphanumeric);
    folded
}

/// [`fold`], with every run of other characters as one space: `Invoice-No.:` becomes `invoice no`.
#[must_use]
pub fn fold_words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut folded = String::with_capacity(4);
    for ch in text.chars() {
        folded.clear();
        push_folded(ch, &mut folded);
        for ch in folded.chars() {
            if ch.is_alphanumeric() {
                words.push(ch);
            } else if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
        }
    }
    words.truncate(words.trim_end().len());
    words
}

fn push_folded(ch: char, into: &mut String) {
    if ch.is_ascii() {
        into.push(ch.to_ascii_lowercase());
        return;
    }
    let lower = ch.to_lowercase().next().unwrap_or(ch);
    let plain = match lower {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ª' => "a",
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' | 'º' | '°' => "o",
        'ŕ' | 'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ť' | 'ţ' | 'ț' | 'ŧ' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        '‐' | '‑' | '–' | '—' | '−' => "-",
        '’' | '‘' => "'",
        '\u{a0}' | '\u{202f}' | '\u{2009}' => " ",
        // Zero-width characters and soft hyphens are invisible: two words that differ by one look the same.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}' => "",
        other => {
            into.push(other);
            return;
        }
    };
    into.push_str(plain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_case_and_punctuation_do_not_matter() {
        assert_eq!(fold("Größe à Łódź"), "grosse a lodz");
        assert_eq!(fold_words("  N° de facture: FA-2017 "), "no de facture fa 2017");
        assert_eq!(fold_alphanumeric("#FA-2017/0008"), "fa20170008");
    }
}
