//! Tables of web pages: of those within each other, the innermost have rows and cells, and the others hold the page together.

use std::collections::BTreeMap;

use html5gum::StartTag;

use super::page::Setting;
use super::tag;
use crate::config::Limits;
use crate::error::Error;
use crate::formats::flow::{Entry, Sheet};

/// Columns of a table, and of one cell, as the standard limits it.
const COLUMNS: u32 = 1_000;

/// Rows of one cell, as the standard limits it.
const ROWS: u32 = 65_534;

/// A table that is being read.
pub(super) struct Table {
    sheet: Sheet,
    /// It has a table within it, so it is no table itself.
    is_layout: bool,
    column: u32,
    /// The cell that is open.
    cell: Option<Entry>,
    /// Columns that cells of rows before take, and how many rows more.
    covered: BTreeMap<u32, u32>,
    has_row: bool,
}

impl Table {
    fn new(limits: &Limits) -> Self {
        let sheet = Sheet::new(limits);
        Self { sheet, is_layout: false, column: 0, cell: None, covered: BTreeMap::new(), has_row: false }
    }

    /// The text of the cell that is open.
    pub(super) fn cell(&mut self) -> Option<&mut String> {
        self.cell.as_mut().filter(|_| !self.is_layout).map(|cell| &mut cell.text)
    }
}

impl Setting<'_, '_, '_> {
    pub(super) fn begin_table(&mut self) -> Result<(), Error> {
        let limits = self.flow.pages().limits();
        if let Some(outer) = self.tables.last_mut().filter(|outer| !outer.is_layout) {
            outer.is_layout = true;
            let cell = outer.cell.take().map(|cell| cell.text);
            let sheet = std::mem::replace(&mut outer.sheet, Sheet::new(limits));
            sheet.texts().chain(cell.as_deref()).try_for_each(|text| self.flow.paragraph(text))?;
        }
        self.tables.push(Table::new(limits));
        Ok(())
    }

    pub(super) fn end_table(&mut self) -> Result<(), Error> {
        self.end_row()?;
        self.block(false)?;
        let Some(table) = self.tables.pop() else { return Ok(()) };
        if table.sheet.is_column() {
            return table.sheet.texts().try_for_each(|text| self.flow.paragraph(text.trim_end()));
        }
        self.flow.table(table.sheet)
    }

    pub(super) fn begin_row(&mut self) -> Result<(), Error> {
        self.end_row()?;
        self.block(false)?;
        if let Some(table) = self.tables.last_mut() {
            table.has_row = true;
        }
        Ok(())
    }

    pub(super) fn end_row(&mut self) -> Result<(), Error> {
        self.end_cell()?;
        let Some(table) = self.tables.last_mut() else { return self.block(false) };
        if std::mem::take(&mut table.has_row) && !table.is_layout {
            table.sheet.end_row();
            table.column = 0;
            table.covered.retain(|_, rows| {
                *rows -= 1;
                *rows > 0
            });
        }
        Ok(())
    }

    pub(super) fn begin_cell(&mut self, tag: &StartTag<()>) -> Result<(), Error> {
        self.end_cell()?;
        self.block(false)?;
        let Some(table) = self.tables.last_mut().filter(|table| !table.is_layout) else { return Ok(()) };
        table.has_row = true;
        while table.covered.contains_key(&table.column) {
            table.column += 1;
        }
        let span = |name: &str, most: u32| {
            let span = tag::attribute(tag, name).and_then(|span| span.trim().parse::<u32>().ok());
            span.unwrap_or(1).clamp(1, most)
        };
        let column = table.column.min(COLUMNS);
        let (columns, rows) = (span("colspan", COLUMNS), span("rowspan", ROWS));
        table.cell = Some(Entry { column, columns, rows, text: String::new() });
        table.column = column.saturating_add(columns);
        if rows > 1 {
            // This row counts as well.
            table.covered.extend((column..table.column).map(|column| (column, rows)));
        }
        Ok(())
    }

    pub(super) fn end_cell(&mut self) -> Result<(), Error> {
        self.block(false)?;
        let Some(table) = self.tables.last_mut() else { return Ok(()) };
        match table.cell.take() {
            Some(cell) if !table.is_layout => table.sheet.cell(cell),
            _ => Ok(()),
        }
    }
}
