//! Tables of OpenDocument files.

use super::content::{Out, Reading};
use crate::error::{Error, Limit};
use crate::formats::flow::{Entry, Sheet};
use crate::formats::xml::{Node, Tag, Xml};

/// Columns of LibreOffice's largest sheet.
const COLUMNS: u32 = 16_384;

/// Rows of LibreOffice's largest sheet.
const ROWS: u32 = 1_048_576;

impl Reading<'_> {
    /// Reads the rest of a table that was just opened.
    pub(super) fn table(&mut self, xml: &mut Xml<'_>) -> Result<Sheet, Error> {
        let within = xml.depth();
        let mut sheet = Sheet::new(self.limits);
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "table-row" => {
                        let repeated = tag.number("number-rows-repeated").unwrap_or(1).min(ROWS);
                        let row = self.row(xml)?;
                        // Rows without text are one, and the others are counted by the sheet.
                        let repeated = if row.is_empty() { 1 } else { repeated };
                        (0..repeated).try_for_each(|_| sheet.push(row.clone()))?;
                    }
                    "shapes" | "forms" | "table-source" => xml.skip()?,
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        Ok(sheet)
    }

    fn row(&mut self, xml: &mut Xml<'_>) -> Result<Vec<Entry>, Error> {
        let within = xml.depth();
        let (mut row, mut column, mut bytes) = (Vec::new(), 0_u32, 0_u64);
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) if matches!(tag.name(), "table-cell" | "covered-table-cell") => {
                    let count = |name: &str, most: u32| tag.number::<u32>(name).unwrap_or(1).clamp(1, most);
                    let repeated = count("number-columns-repeated", COLUMNS);
                    let columns = count("number-columns-spanned", COLUMNS);
                    let rows = count("number-rows-spanned", ROWS);
                    let is_covered = tag.name() == "covered-table-cell";
                    let text = self.cell(xml, &tag)?;
                    if !text.is_empty() && !is_covered {
                        let last = column.saturating_add(repeated).min(COLUMNS);
                        let most = self.limits.output_bytes;
                        bytes += text.len() as u64 * u64::from(repeated);
                        if bytes > most {
                            return Err(Limit::OutputBytes(most).into());
                        }
                        row.extend((column..last).map(|column| Entry { column, columns, rows, text: text.clone() }));
                    }
                    column = column.saturating_add(repeated);
                }
                Node::End => break,
                _ => {}
            }
        }
        Ok(row)
    }

    /// The text of a cell; a date in ISO 8601, whatever it looks like.
    fn cell(&mut self, xml: &mut Xml<'_>, cell: &Tag<'_>) -> Result<String, Error> {
        let mut text = String::new();
        self.blocks(xml, &mut Out::Text(&mut text))?;
        let date = cell.get("date-value").filter(|_| cell.get("value-type").is_some_and(|kind| kind == "date"));
        Ok(match date {
            Some(date) if !text.trim().is_empty() => date.replace('T', " "),
            _ => text.trim_end().to_owned(),
        })
    }
}
