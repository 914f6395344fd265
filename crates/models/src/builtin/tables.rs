//! Tables of invoiced items: found by what their columns are called, read by where their cells stand.

use std::ops::Range;

use protocol::document::BBox;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use values::number::decimal_to_json;

use super::analysis::{Analysis, Segment};
use super::concept::Column;
use super::found::Found;

pub(super) mod grid;
mod header;
mod rows;

use header::Header;

/// A table of items.
#[derive(Debug)]
pub(super) struct ItemTable {
    header: Header,
    rows: Vec<Row>,
    /// The lines that it covers, header included, a range per page.
    pages: Vec<Range<usize>>,
}

/// One invoiced item.
#[derive(Clone, Debug, Default)]
struct Row {
    cells: Vec<Cell>,
}

/// A value of a row.
#[derive(Clone, Debug)]
struct Cell {
    column: usize,
    words: Vec<Range<usize>>,
    number: Option<Decimal>,
}

impl Row {
    fn has(&self, header: &Header, kind: Column) -> bool {
        self.cells.iter().any(|cell| header.columns[cell.column].kind == kind)
    }

    fn number(&self, header: &Header, kind: Column) -> Option<Decimal> {
        self.cells.iter().find(|cell| header.columns[cell.column].kind == kind).and_then(|cell| cell.number)
    }
}

/// Every table of items, in reading order; one that goes on over pages is one.
pub(super) fn read(analysis: &Analysis) -> Vec<ItemTable> {
    let mut tables: Vec<ItemTable> = Vec::new();
    let mut line = 0;
    while line < analysis.lines.len() {
        let Some(header) = header::at(analysis, line) else {
            line += 1;
            continue;
        };
        let (rows, end) = rows::read(analysis, &header);
        line = end.max(line + 1);
        if rows.is_empty() {
            continue;
        }
        let lines = header.lines.start..end;
        match tables.last_mut() {
            Some(last) if last.header.kinds() == header.kinds() => {
                last.rows.extend(rows);
                last.pages.push(lines);
            }
            _ => tables.push(ItemTable { pages: Vec::from([lines]), header, rows }),
        }
    }
    tables
}

impl ItemTable {
    /// Sum of the rows' amounts, when every row has one.
    pub(super) fn sum(&self) -> Option<Decimal> {
        self.rows.iter().map(|row| row.number(&self.header, Column::Amount)).sum()
    }

    /// Whether a line belongs to it.
    pub(super) fn covers(&self, line: usize) -> bool {
        self.pages.iter().any(|lines| lines.contains(&line))
    }

    /// Whether its header says that amounts are without tax.
    pub(super) fn is_net(&self) -> bool {
        self.header.net
    }

    /// Its rows as objects, with the names that invoices in many languages share.
    pub(super) fn items(&self, analysis: &Analysis) -> Found {
        self.found(analysis, |column| self.header.columns[column].kind.name().replace('-', "_"))
    }

    /// Its rows as objects, with the names of its own header.
    pub(super) fn named(&self, analysis: &Analysis) -> Found {
        self.found(analysis, |column| analysis.text(self.header.columns[column].words.clone()))
    }

    fn found(&self, analysis: &Analysis, name: impl Fn(usize) -> String) -> Found {
        let mut evidence = Vec::new();
        let mut objects = Vec::new();
        for row in &self.rows {
            let mut object = Map::new();
            for cell in &row.cells {
                let text = cell.words.iter().map(|words| analysis.text(words.clone())).collect::<Vec<_>>().join(" ");
                let value = cell
                    .number
                    .map_or_else(|| Value::String(text.trim_matches([' ', ':', ',']).to_owned()), decimal_to_json);
                // Two columns of one kind, "Product" and "Title", are one description.
                match object.get_mut(&name(cell.column)) {
                    Some(Value::String(known)) if value.is_string() => {
                        known.push(' ');
                        known.push_str(value.as_str().unwrap_or_default());
                    }
                    Some(_) => continue,
                    None => {
                        object.insert(name(cell.column), value);
                    }
                }
                evidence.extend(cell.words.iter().flat_map(|words| analysis.evidence(words.clone())));
            }
            objects.push(Value::Object(object));
        }
        let multiply =
            self.rows.iter().filter(|row| row.multiplies(&self.header)).count() as f32 / self.rows.len().max(1) as f32;
        Found { value: Value::Array(objects), evidence, score: 0.6 + multiply * 0.8, note: None }
    }

    /// How many of the question's words its header holds.
    pub(super) fn overlap(&self, analysis: &Analysis, wordings: &[Vec<String>]) -> usize {
        let names =
            self.header.columns.iter().map(|column| values::fold::fold_words(&analysis.text(column.words.clone())));
        let names = names.collect::<Vec<_>>().join(" ");
        wordings.iter().flatten().filter(|word| names.split(' ').any(|name| name == word.as_str())).count()
    }

    /// How well it answers a question for items: rows whose numbers multiply count most.
    pub(super) fn rank(&self) -> usize {
        let amounts = self.rows.iter().filter(|row| row.has(&self.header, Column::Amount)).count();
        2 * self.rows.iter().filter(|row| row.multiplies(&self.header)).count() + amounts + self.header.columns.len()
    }
}

impl Row {
    fn multiplies(&self, header: &Header) -> bool {
        let number = |kind| self.number(header, kind);
        match (number(Column::Quantity), number(Column::UnitPrice), number(Column::Amount)) {
            (Some(quantity), Some(price), Some(amount)) => quantity.checked_mul(price).is_some_and(|product| {
                (product - amount).abs() <= Decimal::new(2, 2).max(amount.abs() / Decimal::from(200))
            }),
            _ => false,
        }
    }
}

/// How far apart two boxes are from side to side; negative: how far they overlap.
fn apart(a: BBox, b: BBox) -> f32 {
    (a.x0.max(b.x0)) - (a.x1.min(b.x1))
}

/// Whether a segment says something in words.
fn is_wordy(analysis: &Analysis, segment: &Segment) -> bool {
    let letters: usize = analysis.words[segment.words.clone()]
        .iter()
        .map(|word| word.text.chars().filter(|ch| ch.is_alphabetic()).count())
        .sum();
    letters >= 3
}
