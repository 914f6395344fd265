//! From bytes to letters, whatever the encoding.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How many bytes decide about an encoding: enough for any language, and no more than takes a moment.
const DECIDING: usize = 256 * 1024;

/// The text: by its byte order mark, as `label` says if it names an encoding, as UTF-8 if it is, else as a browser would
/// guess. What has no meaning in its encoding becomes U+FFFD.
pub(super) fn decode<'a>(bytes: &'a [u8], label: Option<&str>) -> Cow<'a, str> {
    if let Some(text) = utf32(bytes) {
        return Cow::Owned(text);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0;
    }
    if let Some(encoding) = label.and_then(|label| Encoding::for_label(label.as_bytes())) {
        return encoding.decode_without_bom_handling(bytes).0;
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return encoding.decode_without_bom_handling(bytes).0;
    }
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) => guess(bytes, error.valid_up_to()).decode_without_bom_handling(bytes).0,
    }
}

/// Whether a document that begins so is text: it has no control characters but white space and escapes, unless it is in
/// UTF-16 or UTF-32.
pub(super) fn is_text(head: &[u8]) -> bool {
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || utf32(head).is_some();
    has_mark || utf16_without_mark(head).is_some() || super::looks_like_text(head)
}

/// The encoding that a browser would guess. The head of a file in UTF-8 may end within a letter, so a mistake at the end is
/// none.
fn guess(bytes: &[u8], valid: usize) -> &'static Encoding {
    const LONGEST_LETTER: usize = 4;
    // From a little before the first letter that is none in UTF-8: all before it says nothing.
    let from = valid.saturating_sub(DECIDING / 2);
    let deciding = &bytes[from..bytes.len().min(from + DECIDING)];
    if bytes.len() - valid < LONGEST_LETTER && valid >= LONGEST_LETTER && !bytes[..valid].is_ascii() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(deciding, true);
    detector.guess(None, Utf8Detection::Allow)
}

/// UTF-16 without its mark: every other byte of the beginning is mostly zero, as letters of European languages have it,
/// and what then are letters are no control characters.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    const LOOKED_AT: usize = 1024;
    let (pairs, _) = bytes[..bytes.len().min(LOOKED_AT)].as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let mostly = pairs.len() * 7 / 10;
    let encoding = match (zeros(0), zeros(1)) {
        (0, low) if low > mostly => UTF_16LE,
        (high, 0) if high > mostly => UTF_16BE,
        _ => return None,
    };
    let text = encoding.decode_without_bom_handling(pairs.as_flattened()).0;
    super::looks_like_text(text.as_bytes()).then_some(encoding)
}

/// UTF-32 with its mark.
fn utf32(bytes: &[u8]) -> Option<String> {
    let (rest, unit): (_, fn([u8; 4]) -> u32) = if let Some(rest) = bytes.strip_prefix(b"\xff\xfe\0\0") {
        (rest, u32::from_le_bytes)
    } else {
        (bytes.strip_prefix(b"\0\0\xfe\xff")?, u32::from_be_bytes)
    };
    let (units, _) = rest.as_chunks::<4>();
    Some(units.iter().map(|bytes| char::from_u32(unit(*bytes)).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_KR, GBK, KOI8_R, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251};

    use super::*;

    #[test]
    fn marks_and_labels_say_the_encoding() {
        let utf16: Vec<u8> = "\u{feff}5 €".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&utf16, Some("utf-8")), "5 €");
        let utf32: Vec<u8> = "\u{feff}5 €".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert_eq!(decode(&utf32, None), "5 €");
        assert_eq!(decode("\u{feff}5 €".as_bytes(), None), "5 €");
        assert_eq!(decode(b"\xa4", Some("iso-8859-15")), "€");
        assert_eq!(decode("für".as_bytes(), Some("no such encoding")), "für");
    }

    #[test]
    fn encodings_without_a_word_about_them_are_told_apart() {
        assert_eq!(decode(b"5 \x80 f\xfcr", None), "5 € für");
        let utf16: Vec<u8> = "Rechnung für Öl".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&utf16, None), "Rechnung für Öl");
        assert!(is_text(&utf16) && !is_text(b"\0\x01\x02\x03\x04\x05"));
        let texts = [
            (SHIFT_JIS, "請求書番号はこちらです。合計金額をお支払いください。"),
            (GBK, "发票号码和合计金额，请在三十天之内付款。"),
            (BIG5, "發票號碼與總金額，請於三十天內付款。"),
            (EUC_KR, "송장 번호와 총액을 확인하고 삼십일 안에 지불하십시오."),
            (KOI8_R, "Счёт на оплату: сумма должна быть оплачена в течение тридцати дней."),
            (WINDOWS_1251, "Счёт на оплату: сумма должна быть оплачена в течение тридцати дней."),
            (WINDOWS_1250, "Faktura číslo jedna, částka k úhradě musí být zaplacena do třiceti dnů, děkujeme."),
        ];
        for (encoding, text) in texts {
            assert_eq!(decode(&encoding.encode(text).0, None), text, "{}", encoding.name());
        }
    }
}
