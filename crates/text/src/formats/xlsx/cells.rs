//! The cells of a sheet, as they are displayed.

use std::rc::Rc;

use super::format::Formats;
use super::number;
use crate::config::Limits;
use crate::error::Error;
use crate::formats::flow::{Entry, Sheet};
use crate::formats::xml::{Node, Source, Tag, Xml};

/// Columns and rows of Excel's largest sheet.
const COLUMNS: u32 = 16_384;
const ROWS: u32 = 1_048_576;

/// Texts that cells refer to.
#[derive(Default)]
pub(super) struct Texts(Vec<Rc<str>>);

impl Texts {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let source = Source::new("sharedStrings.xml", bytes);
        let mut xml = source.read();
        let mut texts = Vec::new();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "si" => texts.push(rich(&mut xml)?.into()),
                Node::End => return Ok(Self(texts)),
                _ => {}
            }
        }
    }
}

/// The text of an element whose parts may look differently; without how it is pronounced.
fn rich(xml: &mut Xml<'_>) -> Result<String, Error> {
    let within = xml.depth();
    let mut text = String::new();
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                "t" => text.push_str(&xml.text()?),
                "rPh" => xml.skip()?,
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(text)
}

/// Cells that are one, as the corners of a rectangle.
struct Merged {
    first: (u32, u32),
    last: (u32, u32),
}

/// Reads a sheet.
pub(super) fn read(
    source: &Source<'_>,
    texts: &Texts,
    formats: &Formats,
    from_1904: bool,
    limits: &Limits,
) -> Result<Sheet, Error> {
    // They stand behind the cells.
    let merged = merged(source)?;
    let mut xml = source.read();
    let mut sheet = Sheet::new(limits);
    let (mut row, mut column, mut before) = (0_u32, 0_u32, None);
    let mut has_cells = false;
    let mut next_merged = 0;
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "row" => {
                row = tag.number("r").unwrap_or(row + 1).clamp(1, ROWS);
                column = 0;
            }
            Node::Open(tag) if tag.name() == "c" => {
                column = tag.get("r").and_then(|place| self::column(&place)).unwrap_or(column + 1).min(COLUMNS);
                let text = value(&mut xml, &tag, texts, formats, from_1904)?;
                if text.trim().is_empty() {
                    continue;
                }
                while merged.get(next_merged).is_some_and(|merged| merged.first < (row, column)) {
                    next_merged += 1;
                }
                let span = merged.get(next_merged).filter(|merged| merged.first == (row, column));
                let size = |span: &Merged| (span.last.0 - span.first.0 + 1, span.last.1 - span.first.1 + 1);
                let (rows, columns) = span.map_or((1, 1), size);
                if !has_cells && before.is_some_and(|before| before + 1 < row) {
                    sheet.end_row();
                }
                has_cells = true;
                sheet.cell(Entry { column: column - 1, columns, rows, text })?;
            }
            Node::Close(name) if name.as_str() == "row" && std::mem::take(&mut has_cells) => {
                before = Some(row);
                sheet.end_row();
            }
            Node::End => return Ok(sheet),
            _ => {}
        }
    }
}

/// The text of a cell that was just opened.
fn value(
    xml: &mut Xml<'_>,
    cell: &Tag<'_>,
    texts: &Texts,
    formats: &Formats,
    from_1904: bool,
) -> Result<String, Error> {
    let within = xml.depth();
    let (mut raw, mut inline) = (String::new(), None);
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                "v" => raw = xml.text()?,
                "is" => inline = Some(rich(xml)?),
                "f" | "extLst" => xml.skip()?,
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(match cell.get("t").as_deref() {
        Some("s") => {
            let index: Option<usize> = raw.trim().parse().ok();
            index.and_then(|index| texts.0.get(index)).map(|text| text.to_string()).unwrap_or_default()
        }
        Some("inlineStr") => inline.unwrap_or_default(),
        Some("b") => if raw.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
        Some("str" | "e") => raw,
        Some("d") => raw.replace('T', " "),
        _ => match raw.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => number::displayed(number, formats.of(cell.number("s")), from_1904),
            _ => raw,
        },
    })
}

/// The merged cells of a sheet in the order of their upper left corners.
fn merged(source: &Source<'_>) -> Result<Vec<Merged>, Error> {
    let mut xml = source.read();
    let mut merged = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "mergeCell" => {
                let corners = tag.get("ref").and_then(|range| {
                    let (first, last) = range.split_once(':')?;
                    Some(Merged { first: place(first)?, last: place(last)? })
                });
                merged.extend(
                    corners.filter(|merged| merged.first.0 <= merged.last.0 && merged.first.1 <= merged.last.1),
                );
            }
            Node::End => {
                merged.sort_by_key(|merged| merged.first);
                return Ok(merged);
            }
            _ => {}
        }
    }
}

/// Row and column of `BC12`, counted from 1.
fn place(text: &str) -> Option<(u32, u32)> {
    let text = text.replace('$', "");
    let digits = text.find(|character: char| character.is_ascii_digit())?;
    let row: u32 = text[digits..].parse().ok()?;
    Some((row.min(ROWS), column(&text)?))
}

/// The column of `BC12`, counted from 1.
fn column(text: &str) -> Option<u32> {
    let letters = text.chars().take_while(char::is_ascii_alphabetic);
    let column = letters.map(|letter| u32::from(letter.to_ascii_uppercase()) - u32::from('A') + 1);
    let column = column.fold(0_u32, |number, letter| number.saturating_mul(26).saturating_add(letter));
    (1..=COLUMNS).contains(&column).then_some(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_letters_and_digits() {
        assert_eq!(place("A1"), Some((1, 1)));
        assert_eq!(place("$BC$12"), Some((12, 55)));
        assert_eq!(column("XFD1048576"), Some(16_384));
        assert_eq!(column("ZZZZZZZZZZZ1"), None);
        assert_eq!(column("12"), None);
    }
}
