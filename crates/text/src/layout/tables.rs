//! Tables: those that rules draw, and those that only stand in columns.

use std::collections::{BTreeMap, HashSet};

use protocol::document::{BBox, Cell, Row, Table};

use super::grid::{Area, Grid};
use super::pieces::Piece;
use super::{Direction, Rule};

mod aligned;

/// A table with what it is made of.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) table: Table,
    /// In the reading frame.
    pub(super) frame: BBox,
    /// For each of its rows the words in the order in which they are read, as indices of pieces.
    pub(super) rows: Vec<Vec<usize>>,
}

/// A cell before it is written: its place and its words.
#[derive(Clone, Debug)]
struct Draft {
    area: Area,
    /// Its rules in the reading frame, if it has some.
    frame: Option<BBox>,
    pieces: Vec<usize>,
}

/// The tables of a page, from top to bottom. No word is in two of them.
pub(super) fn found(pieces: &[Piece<'_>], rules: &[Rule], direction: Direction) -> Vec<Found> {
    let rules: Vec<Rule> = rules.iter().map(|rule| rule.seen_from(direction)).collect();
    let mut found: Vec<Found> = Vec::new();
    let mut taken: HashSet<usize> = HashSet::new();
    // Inner tables before those around them.
    let mut grids = Grid::all(&rules);
    grids.sort_by(|a, b| area(a.bbox()).total_cmp(&area(b.bbox())));
    for grid in &grids {
        if let Some(table) = ruled(grid, pieces, &taken, direction) {
            taken.extend(table.rows.iter().flatten());
            found.push(table);
        }
    }
    for table in aligned::found(pieces, &taken, direction) {
        found.push(table);
    }
    found.sort_by(|a, b| a.frame.y0.total_cmp(&b.frame.y0));
    found
}

fn area(bbox: BBox) -> f32 {
    bbox.width() * bbox.height()
}

/// The table of a grid, if there is text in at least two of its rows and columns.
fn ruled(grid: &Grid, pieces: &[Piece<'_>], taken: &HashSet<usize>, direction: Direction) -> Option<Found> {
    let mut within: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        if let Some(cell) = grid.cell_at(piece.centre()).filter(|_| !taken.contains(&index)) {
            within.entry(cell).or_default().push(index);
        }
    }
    let drafts: Vec<Draft> = grid
        .areas()
        .into_iter()
        .map(|(cell, area)| Draft {
            area,
            frame: Some(grid.bbox_of(area)),
            pieces: within.remove(&cell).unwrap_or_default(),
        })
        .collect();
    let distinct = |of: fn(&Draft) -> usize| {
        drafts.iter().filter(|draft| !draft.pieces.is_empty()).map(of).collect::<HashSet<_>>().len()
    };
    let is_table = distinct(|draft| draft.area.row) >= 2 && distinct(|draft| draft.area.column) >= 2;
    (is_table && !drafts.iter().any(|draft| is_loose(draft, &drafts, grid.columns(), pieces)))
        .then(|| written(drafts, grid.columns(), grid.bbox(), pieces, direction))
}

/// Whether a row of a grid holds several rows of the table, between which no rules run: a cell is a column of
/// numbers. Such a table is better read by how its words stand.
fn is_loose(first: &Draft, drafts: &[Draft], columns: usize, pieces: &[Piece<'_>]) -> bool {
    const FEWEST_LINES: usize = 3;
    /// Cells with so many lines side by side are columns of a page.
    const MOST_LINES: usize = 12;
    if first.area.column != 0 {
        return false;
    }
    let (mut of_numbers, mut long) = (0, 0);
    for draft in drafts.iter().filter(|draft| draft.area.row == first.area.row) {
        let mut by_line: BTreeMap<usize, bool> = BTreeMap::new();
        for piece in draft.pieces.iter().map(|index| &pieces[*index]) {
            *by_line.entry(piece.line).or_insert(true) &= is_number(piece.text);
        }
        let numbers = by_line.values().filter(|is_number| **is_number).count();
        // What reaches over all columns is what stands below the heading, without rules.
        let is_whole = draft.area.columns == columns && columns > 1;
        long += 2 * usize::from(is_whole && by_line.len() > FEWEST_LINES);
        of_numbers += usize::from(by_line.len() >= FEWEST_LINES && numbers * 5 >= by_line.len() * 3);
        long += usize::from(by_line.len() > MOST_LINES);
    }
    of_numbers >= 1 || long >= 2
}

/// Whether a word is an amount, a date, a number of any kind.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits > 0 && digits * 2 >= text.chars().filter(|character| !character.is_ascii_punctuation()).count()
}

/// Writes a table.
fn written(drafts: Vec<Draft>, columns: usize, frame: BBox, pieces: &[Piece<'_>], direction: Direction) -> Found {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let count = drafts.iter().map(|draft| draft.area.row + draft.area.rows).max().unwrap_or(0);
    let mut rows = vec![Row::default(); count];
    let mut read = vec![Vec::new(); count];
    for Draft { area, frame: rules, pieces: mut within } in drafts {
        within.sort_by_key(|index| (pieces[*index].line, pieces[*index].word));
        let words = BBox::around(within.iter().map(|index| pieces[*index].bbox));
        let Some(bbox) = rules.map(|rules| direction.displayed(rules)).or(words) else { continue };
        let lines = within.chunk_by(|a, b| pieces[*a].line == pieces[*b].line);
        let lines: Vec<String> =
            lines.map(|line| line.iter().map(|index| pieces[*index].text).collect::<Vec<_>>().join(" ")).collect();
        rows[area.row].cells.push(Cell {
            column: number(area.column),
            text: lines.join("\n"),
            bbox,
            columns: number(area.columns),
            rows: number(area.rows),
        });
        read[area.row].extend(within);
    }
    let table = Table { bbox: direction.displayed(frame), columns: number(columns), rows };
    Found { table, frame, rows: read }
}

impl Rule {
    /// The same rule in the reading frame of a direction along one of the page's sides.
    fn seen_from(self, direction: Direction) -> Self {
        let (one, other) = if self.is_horizontal {
            ((self.from, self.at), (self.to, self.at))
        } else {
            ((self.at, self.from), (self.at, self.to))
        };
        let ((ua, va), (ub, vb)) = (direction.project(one), direction.project(other));
        let is_horizontal = self.is_horizontal == (direction.0 % 180 == 0);
        let (at, a, b) = if is_horizontal { (va, ua, ub) } else { (ua, va, vb) };
        Self { is_horizontal, at, from: a.min(b), to: a.max(b) }
    }
}
