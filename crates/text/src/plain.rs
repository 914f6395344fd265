//! Plain text and Markdown, set on a fixed grid so that they have positions like everything else.

use std::fs;
use std::path::Path;

use protocol::document::{BBox, Document, Line, Page, Word};

use crate::error::{Error, Limit};
use crate::unicode::normalise;

/// Width of a character in points.
const ADVANCE: f32 = 6.0;

/// Height of a line in points.
const LINE_HEIGHT: f32 = 12.0;

/// Lines on a page that no form feed ends earlier.
const LINES: usize = 60;

/// Columns of a page whose lines are no longer than that.
const COLUMNS: usize = 80;

/// A tab goes to the next multiple of so many columns.
const TAB: usize = 8;

/// What Windows-1252 has where ISO 8859-1 has control characters (0x80–0x9f).
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Reads a file; `limit` is the most bytes it may have.
pub(crate) fn read(path: &Path, media_type: &str, limit: u64) -> Result<Document, Error> {
    let failed = |error| Error::io(format!("reading {}", path.display()), &error);
    if fs::metadata(path).map_err(failed)?.len() > limit {
        return Err(Error::TooComplex(Limit::FileBytes(limit)));
    }
    Ok(document(&decode(&fs::read(path).map_err(failed)?), media_type))
}

/// UTF-8 or, marked as such, UTF-16; what is neither is taken for Windows-1252, in which everything is text.
fn decode(bytes: &[u8]) -> String {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, u16::from_be_bytes);
    }
    match str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes
            .iter()
            .map(|byte| match byte {
                0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
                _ => char::from(*byte),
            })
            .collect(),
    }
}

fn document(text: &str, media_type: &str) -> Document {
    let text = normalise(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut pages = Vec::new();
    // What ends with a form feed has no page behind it.
    for sheet in text.strip_suffix(Document::PAGE_END).unwrap_or(&text).split(Document::PAGE_END) {
        let lines: Vec<&str> = sheet.lines().collect();
        let chunks = if lines.is_empty() { vec![&[][..]] } else { lines.chunks(LINES).collect() };
        pages.extend(chunks.into_iter().map(page));
    }
    for (page, number) in pages.iter_mut().zip(1..) {
        page.number = number;
    }
    Document { media_type: media_type.to_owned(), pages }
}

/// A page, not yet numbered.
fn page(lines: &[&str]) -> Page {
    let lines: Vec<Line> = lines.iter().enumerate().map(|(row, text)| line(row, &expand(text))).collect();
    let longest = lines.iter().map(|line| line.bbox.x1).fold(x(COLUMNS), f32::max);
    Page { number: 0, width: longest, height: y(LINES), lines }
}

fn line(row: usize, text: &str) -> Line {
    let mut words: Vec<Word> = Vec::new();
    let mut is_within = false;
    for (column, character) in text.chars().enumerate() {
        let bbox = BBox::new(x(column), y(row), x(column + 1), y(row + 1));
        match words.last_mut() {
            _ if character.is_whitespace() => {}
            Some(word) if is_within => {
                word.text.push(character);
                word.bbox = word.bbox.union(bbox);
            }
            _ => words.push(Word { text: character.to_string(), bbox }),
        }
        is_within = !character.is_whitespace();
    }
    let blank = BBox::new(0.0, y(row), 0.0, y(row + 1));
    let bbox = BBox::around(words.iter().map(|word| word.bbox)).unwrap_or(blank);
    Line { text: text.to_owned(), bbox, words }
}

/// The line with spaces instead of tabs, without control characters, and without white space at its end.
fn expand(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut length = 0;
    for character in line.trim_end().chars().filter(|character| *character == '\t' || !character.is_control()) {
        let (character, count) = if character == '\t' { (' ', TAB - length % TAB) } else { (character, 1) };
        text.extend(std::iter::repeat_n(character, count));
        length += count;
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "far fewer columns than an f32 counts exactly")]
fn x(column: usize) -> f32 {
    column as f32 * ADVANCE
}

#[expect(clippy::cast_precision_loss, reason = "far fewer lines than an f32 counts exactly")]
fn y(row: usize) -> f32 {
    row as f32 * LINE_HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_place_on_the_grid() {
        let document = document("Total:\t12.50\n\nend", "text/plain");
        let lines = &document.pages[0].lines;
        assert_eq!(lines[0].text, "Total:  12.50");
        assert_eq!(lines[0].words[1], Word { text: "12.50".into(), bbox: BBox::new(48.0, 0.0, 78.0, 12.0) });
        assert_eq!((lines[1].text.as_str(), lines[1].words.len()), ("", 0));
        assert_eq!(lines[2].bbox, BBox::new(0.0, 24.0, 18.0, 36.0));
    }

    #[test]
    fn pages_end_at_form_feeds_and_after_sixty_lines() {
        let long = "line\n".repeat(61);
        assert_eq!(document("a\u{c}b\n\u{c}", "text/plain").pages.len(), 2);
        assert_eq!(
            document(&long, "text/plain").pages.iter().map(|page| page.lines.len()).collect::<Vec<_>>(),
            [60, 1]
        );
        assert_eq!(document("", "text/plain").pages.len(), 1);
    }

    #[test]
    fn encodings_are_told_apart() {
        let utf16: Vec<u8> = "\u{feff}5 €".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&utf16), "5 €");
        assert_eq!(decode("\u{feff}5 €".as_bytes()), "5 €");
        assert_eq!(decode(b"5 \x80 f\xfcr"), "5 € für");
    }
}
