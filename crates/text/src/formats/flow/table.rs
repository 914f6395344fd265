//! Tables: columns as wide as what stands in them, within reason.

use std::collections::{BTreeSet, HashMap};

use protocol::document::{BBox, Cell, Row, Span, Table};

use super::{Flow, WIDTH};
use crate::config::Limits;
use crate::error::{Error, Limit};
use crate::formats::grid::{LINES, expand, x, y};
use crate::formats::wrap::wrap;
use crate::unicode::normalise;

/// Columns of the grid between two columns of a table.
const GAP: usize = 2;

/// A table that would be wider has its cells broken into lines.
const WIDEST: usize = 2 * WIDTH;

/// Cells are not broken to less than that.
const NARROWEST: usize = 12;

/// A word within a cell is not broken unless it is longer than that.
const LONGEST_WORD: usize = 100;

/// What a cell takes besides its text, about, in bytes.
const OVERHEAD: usize = 64;

/// A table that is being read, row by row. No larger than what could be said of it.
pub(in crate::formats) struct Sheet {
    rows: Vec<Vec<Entry>>,
    /// The row that is being read, and the columns of its cells without text.
    row: Vec<Entry>,
    blank: Vec<u32>,
    /// Where in `rows` the cell is that is the last one to begin in a column.
    lowest: HashMap<u32, (usize, usize)>,
    cells: u32,
    bytes: u64,
    most: (u32, u64),
}

/// A cell with something in it.
#[derive(Clone, Debug)]
pub(in crate::formats) struct Entry {
    /// Its first column, counted from 0.
    pub(in crate::formats) column: u32,
    /// How many columns it takes.
    pub(in crate::formats) columns: u32,
    /// How many rows it takes.
    pub(in crate::formats) rows: u32,
    pub(in crate::formats) text: String,
}

impl Sheet {
    pub(in crate::formats) fn new(limits: &Limits) -> Self {
        Self {
            rows: Vec::new(),
            row: Vec::new(),
            blank: Vec::new(),
            lowest: HashMap::new(),
            cells: 0,
            bytes: 0,
            most: (limits.words, limits.output_bytes),
        }
    }

    /// Adds a cell to the row that is being read; one without text is left out.
    pub(in crate::formats) fn cell(&mut self, entry: Entry) -> Result<(), Error> {
        if entry.text.trim().is_empty() {
            self.blank.push(entry.column);
            return Ok(());
        }
        // Each has a word at least, and each byte is said.
        self.cells = self.cells.saturating_add(1);
        self.bytes += (entry.text.len() + OVERHEAD) as u64;
        let (cells, bytes) = self.most;
        if self.cells > cells {
            return Err(Limit::Words(cells).into());
        }
        if self.bytes > bytes {
            return Err(Limit::OutputBytes(bytes).into());
        }
        self.row.push(entry);
        Ok(())
    }

    /// Ends the row. Of rows without text one stays, to keep apart what is apart.
    pub(in crate::formats) fn end_row(&mut self) {
        for column in self.blank.drain(..) {
            self.lowest.remove(&column);
        }
        let mut row = std::mem::take(&mut self.row);
        row.sort_by_key(|entry| entry.column);
        if row.is_empty() && self.rows.last().is_none_or(Vec::is_empty) {
            return;
        }
        let places = row.iter().enumerate().map(|(index, entry)| (entry.column, (self.rows.len(), index)));
        self.lowest.extend(places);
        self.rows.push(row);
    }

    /// Adds a row.
    pub(in crate::formats) fn push(&mut self, row: Vec<Entry>) -> Result<(), Error> {
        row.into_iter().try_for_each(|entry| self.cell(entry))?;
        self.end_row();
        Ok(())
    }

    /// The cell above in that column goes on in the row that is pushed next.
    pub(in crate::formats) fn continue_above(&mut self, column: u32) {
        let cell = self.lowest.get(&column).and_then(|(row, index)| self.rows.get_mut(*row)?.get_mut(*index));
        if let Some(cell) = cell {
            cell.rows = cell.rows.saturating_add(1);
        }
    }

    /// Whether there is nothing in it.
    pub(in crate::formats) const fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// Whether no row has more than one cell.
    pub(in crate::formats) fn is_column(&self) -> bool {
        self.rows.iter().all(|row| row.len() < 2)
    }

    /// Its only text, if it is a frame rather than a table.
    pub(in crate::formats) fn frame(&self) -> Option<&str> {
        let mut entries = self.rows.iter().flatten();
        entries.next().filter(|_| self.cells == 1).map(|entry| entry.text.as_str())
    }

    /// All texts, a row a line: for a table within a cell.
    pub(in crate::formats) fn flat(&self) -> String {
        let row = |row: &Vec<Entry>| row.iter().map(|entry| entry.text.trim()).collect::<Vec<_>>().join("  ");
        self.rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    /// Texts row by row.
    pub(in crate::formats) fn texts(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().flatten().map(|entry| entry.text.as_str())
    }

    /// Counts columns from 0 without those in which nothing begins; how many there are then.
    fn number_columns(&mut self) -> usize {
        let begins: BTreeSet<u32> = self.rows.iter().flatten().map(|entry| entry.column).collect();
        let begins: Vec<u32> = begins.into_iter().collect();
        let index = |column: u32| begins.partition_point(|begin| *begin < column);
        for entry in self.rows.iter_mut().flatten() {
            let (from, to) = (index(entry.column), index(entry.column.saturating_add(entry.columns)));
            entry.columns = small(to.saturating_sub(from).max(1));
            entry.column = small(from);
        }
        begins.len()
    }

    /// How wide each column is.
    fn widths(&self, columns: usize) -> Vec<usize> {
        let (mut natural, mut words) = (vec![1; columns], vec![1; columns]);
        let is_wide = |entry: &&Entry| entry.columns > 1;
        for entry in self.rows.iter().flatten().filter(|entry| !is_wide(entry)) {
            let column = entry.column as usize;
            natural[column] = longest(entry.text.lines()).max(natural[column]);
            words[column] = longest(entry.text.split_whitespace()).min(LONGEST_WORD).max(words[column]);
        }
        // What takes several columns is in want of those that are missing; the last one has them.
        for entry in self.rows.iter().flatten().filter(is_wide) {
            let (first, last) = (entry.column as usize, (entry.column + entry.columns) as usize - 1);
            let has = natural[first..=last].iter().sum::<usize>() + GAP * (last - first);
            let wants = longest(entry.text.lines()).min(WIDTH);
            natural[last] += wants.saturating_sub(has);
        }
        let fits = |cap: usize| natural.iter().map(|width| *width.min(&cap) + GAP).sum::<usize>() <= WIDEST;
        let cap = (NARROWEST..=WIDEST).rev().find(|cap| fits(*cap)).unwrap_or(NARROWEST);
        natural.iter().zip(words).map(|(natural, word)| (*natural).min(cap.max(word))).collect()
    }
}

impl Flow<'_, '_> {
    /// A table: its columns under each other, and as rows and cells of its pages.
    pub(in crate::formats) fn table(&mut self, mut sheet: Sheet) -> Result<(), Error> {
        if sheet.is_empty() {
            return Ok(());
        }
        for entry in sheet.rows.iter_mut().flatten() {
            entry.text = normalise(entry.text.trim_matches(['\n', '\r', ' ']));
        }
        let columns = sheet.number_columns();
        let widths = sheet.widths(columns);
        let mut left = 0;
        let mut starts: Vec<usize> = Vec::with_capacity(columns + 1);
        for width in &widths {
            starts.push(left);
            left += width + GAP;
        }
        starts.push(left);
        let mut part = Part { columns: small(columns), starts, rows: Vec::new() };
        self.gap();
        for row in std::mem::take(&mut sheet.rows) {
            if row.is_empty() {
                self.gap();
                continue;
            }
            let cells: Vec<Set> = row.into_iter().map(|entry| Set::new(entry, &part.starts)).collect();
            let height = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(1);
            // A row that is longer than a page is as many rows as it takes pages.
            for from in (0..height).step_by(LINES) {
                let to = height.min(from + LINES);
                if self.page.lines.len() + (to - from) > LINES {
                    part.end(self);
                    self.end_page()?;
                }
                self.put_gap(to - from);
                part.row(self, &cells, from, to);
            }
        }
        part.end(self);
        self.gap();
        Ok(())
    }
}

/// A cell in lines.
struct Set {
    entry: Entry,
    lines: Vec<String>,
}

impl Set {
    fn new(entry: Entry, starts: &[usize]) -> Self {
        let (from, to) = (entry.column as usize, (entry.column + entry.columns) as usize);
        let width = starts[to.min(starts.len() - 1)].saturating_sub(starts[from] + GAP).max(1);
        let hard: Vec<String> = entry.text.lines().map(expand).collect();
        let soft = hard.iter().flat_map(|line| wrap(line, width)).flat_map(|piece| cut(piece, width));
        let lines = soft.map(str::to_owned).collect();
        Self { entry, lines }
    }
}

/// A word in pieces that fit into its column.
fn cut(piece: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(piece);
    std::iter::from_fn(move || {
        let piece = rest?;
        let Some((end, _)) = piece.char_indices().nth(width) else { return rest.take() };
        rest = Some(&piece[end..]);
        Some(&piece[..end])
    })
}

/// What of a table stands on the page that is being set.
struct Part {
    columns: u32,
    /// Where its columns begin, and one more would.
    starts: Vec<usize>,
    /// Its rows with where they begin and end.
    rows: Vec<(Row, usize, usize)>,
}

impl Part {
    /// Sets those lines of a row.
    fn row(&mut self, flow: &mut Flow<'_, '_>, cells: &[Set], from: usize, to: usize) {
        let top = flow.page.lines.len();
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); cells.len()];
        for index in from..to {
            let (mut text, mut length, mut word) = (String::new(), 0, 0);
            for (cell, spans) in cells.iter().zip(&mut spans) {
                let Some(piece) = cell.lines.get(index).filter(|piece| !piece.trim().is_empty()) else { continue };
                // Cells that lie over each other, as only damaged tables have them, stand behind each other.
                let least = if length == 0 { 0 } else { length + 1 };
                let start = self.starts[cell.entry.column as usize].max(least);
                text.extend(std::iter::repeat_n(' ', start - length));
                text.push_str(piece);
                length = start + piece.chars().count();
                let words = small(piece.split_whitespace().count());
                let line = small(flow.page.lines.len());
                spans.push(Span { line, from: word, to: word + words });
                word += words;
            }
            flow.put(&text);
        }
        let bottom = flow.page.lines.len();
        let is_whole = from == 0 && cells.iter().all(|cell| cell.lines.len() <= to);
        let row = cells.iter().filter_map(|cell| {
            let lines = cell.lines.get(from..to.min(cell.lines.len()))?;
            let text = if is_whole { cell.entry.text.clone() } else { lines.join("\n") };
            let Entry { column, columns, rows, .. } = cell.entry;
            let (first, last) = (column as usize, ((column + columns) as usize).min(self.starts.len() - 1));
            let right = self.starts[last].saturating_sub(GAP).max(self.starts[first] + 1);
            let bbox = BBox::new(x(self.starts[first]), y(top), x(right), y(bottom));
            Some(Cell { column, text, bbox, columns, rows: rows.max(1) })
        });
        let row = Row { cells: row.collect() };
        let mut spans: Vec<Span> = spans.into_iter().flatten().collect();
        if bottom - top == 1 {
            spans.dedup_by(|next, span| {
                span.to = next.to;
                true
            });
        }
        flow.block(&mut spans);
        self.rows.push((row, top, bottom));
    }

    /// Ends the table on this page.
    fn end(&mut self, flow: &mut Flow<'_, '_>) {
        let ends: Vec<usize> = self.rows.iter().map(|(_, _, bottom)| *bottom).collect();
        for (index, (row, _, _)) in self.rows.iter_mut().enumerate() {
            for cell in &mut row.cells {
                // On another page it ends with this one.
                let last = (index + cell.rows as usize).min(ends.len());
                cell.rows = small(last - index);
                cell.bbox.y1 = y(ends[last - 1]);
            }
        }
        let rows: Vec<Row> = self.rows.drain(..).map(|(row, _, _)| row).collect();
        let cells = rows.iter().flat_map(|row| row.cells.iter().map(|cell| cell.bbox));
        if let Some(bbox) = BBox::around(cells) {
            flow.page.tables.push(Table { bbox, columns: self.columns, rows });
        }
    }
}

fn longest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| expand(text).chars().count()).max().unwrap_or(0)
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
