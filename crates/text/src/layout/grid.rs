//! Tables that are drawn with rules: rules → a grid → cells that take one or more of its fields.
//!
//! The idea is that of Nurminen (2013), known from Tabula and pdfplumber: rules are put together where they touch, the
//! places where they cross are the corners of cells. Here the crossing rules of one table give the lines of a grid, and
//! neighbouring fields between which no rule runs are one cell.

use protocol::document::BBox;

use super::Rule;

/// Rules no further apart, in points, are one.
const SAME: f32 = 3.0;

/// No grid has more fields; what has is a chart or graph paper.
const MOST_FIELDS: usize = 20_000;

/// The lines of a grid and the cells between them, in the reading frame.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Positions of the lines between columns, its own sides included.
    pub(super) across: Vec<f32>,
    /// Positions of the lines between rows, its own sides included.
    pub(super) down: Vec<f32>,
    /// For each field, row by row, the number of its cell.
    cells: Vec<usize>,
}

/// The fields that a cell takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Grid {
    pub(super) fn columns(&self) -> usize {
        self.across.len().saturating_sub(1)
    }

    fn rows(&self) -> usize {
        self.down.len().saturating_sub(1)
    }

    /// Around all of it.
    pub(super) fn bbox(&self) -> BBox {
        let (x, y) = (&self.across, &self.down);
        BBox::new(x[0], y[0], x[x.len() - 1], y[y.len() - 1])
    }

    /// The number of the cell at a point.
    pub(super) fn cell_at(&self, (u, v): (f32, f32)) -> Option<usize> {
        let between = |lines: &[f32], at: f32| lines.partition_point(|line| *line <= at).checked_sub(1);
        let (row, column) = (between(&self.down, v)?, between(&self.across, u)?);
        (row < self.rows() && column < self.columns()).then(|| self.cells[row * self.columns() + column])
    }

    /// The cells by their numbers, with the rectangle around their fields.
    pub(super) fn areas(&self) -> Vec<(usize, Area)> {
        let mut areas: Vec<(usize, Area)> = Vec::new();
        let mut known: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
        for (field, cell) in self.cells.iter().enumerate() {
            let (row, column) = (field / self.columns(), field % self.columns());
            let index = *known.entry(*cell).or_insert_with(|| {
                areas.push((*cell, Area { row, column, rows: 1, columns: 1 }));
                areas.len() - 1
            });
            let area = &mut areas[index].1;
            let end = (column + 1).max(area.column + area.columns);
            area.rows = row + 1 - area.row;
            area.column = area.column.min(column);
            area.columns = end - area.column;
        }
        areas
    }

    /// Where the fields of a cell are.
    pub(super) fn bbox_of(&self, area: Area) -> BBox {
        let (right, below) = (area.column + area.columns, area.row + area.rows);
        BBox::new(self.across[area.column], self.down[area.row], self.across[right], self.down[below])
    }

    /// The grids that these rules draw, with at least two rows and two columns.
    pub(super) fn all(rules: &[Rule]) -> Vec<Self> {
        let rules = joined(rules);
        touching(&rules).into_iter().filter_map(|rules| Self::of(&rules)).collect()
    }

    fn of(rules: &[Rule]) -> Option<Self> {
        let lines = |is_horizontal: bool| {
            let along = rules.iter().filter(|rule| rule.is_horizontal == is_horizontal).map(|rule| rule.at);
            // Where a side is left open, the rules that end there say where it is.
            let ends = rules.iter().filter(|rule| rule.is_horizontal != is_horizontal);
            let ends = ends.flat_map(|rule| [rule.from, rule.to]).fold(None, |ends: Option<(f32, f32)>, end| {
                Some(ends.map_or((end, end), |(low, high)| (low.min(end), high.max(end))))
            });
            distinct(along.chain(ends.into_iter().flat_map(|(low, high)| [low, high])).collect())
        };
        let (down, across) = (lines(true), lines(false));
        if down.len() < 3 || across.len() < 3 || down.len() * across.len() > MOST_FIELDS {
            return None;
        }
        let mut grid = Self { across, down, cells: Vec::new() };
        grid.join_fields(rules);
        Some(grid)
    }

    /// Makes one cell of neighbouring fields between which no rule runs.
    fn join_fields(&mut self, rules: &[Rule]) {
        let (rows, columns) = (self.rows(), self.columns());
        // The rules that run along each line of the grid.
        let along = |lines: &[f32], is_horizontal: bool| -> Vec<Vec<Rule>> {
            let near = |line: f32| {
                let near = |rule: &&Rule| rule.is_horizontal == is_horizontal && (rule.at - line).abs() <= SAME;
                rules.iter().filter(near).copied().collect()
            };
            lines.iter().map(|line| near(*line)).collect()
        };
        let (upright, level) = (along(&self.across, false), along(&self.down, true));
        let runs = |rules: &[Rule], from: f32, to: f32| {
            let middle = f32::midpoint(from, to);
            rules.iter().any(|rule| rule.from <= middle && middle <= rule.to)
        };
        let mut sets = Sets::new(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let field = row * columns + column;
                if column + 1 < columns && !runs(&upright[column + 1], self.down[row], self.down[row + 1]) {
                    sets.join(field, field + 1);
                }
                if row + 1 < rows && !runs(&level[row + 1], self.across[column], self.across[column + 1]) {
                    sets.join(field, field + columns);
                }
            }
        }
        self.cells = (0..rows * columns).map(|field| sets.of(field)).collect();
        // What is no rectangle is no cell: its fields stay apart.
        let mut sizes = vec![0_usize; rows * columns];
        self.cells.iter().for_each(|cell| sizes[*cell] += 1);
        let crooked: Vec<usize> = self
            .areas()
            .into_iter()
            .filter(|(cell, area)| sizes[*cell] != area.rows * area.columns)
            .map(|(cell, _)| cell)
            .collect();
        if !crooked.is_empty() {
            let crooked: std::collections::HashSet<usize> = crooked.into_iter().collect();
            for (field, cell) in self.cells.iter_mut().enumerate() {
                if crooked.contains(cell) {
                    *cell = field;
                }
            }
        }
    }
}

/// Positions in order, of those that are no more than [`SAME`] apart only the first.
fn distinct(mut positions: Vec<f32>) -> Vec<f32> {
    positions.sort_by(f32::total_cmp);
    positions.dedup_by(|next, kept| *next - *kept <= SAME);
    positions
}

/// The rules, with those put together that lie on one line and touch.
fn joined(rules: &[Rule]) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    for is_horizontal in [true, false] {
        let mut along: Vec<Rule> = rules.iter().filter(|rule| rule.is_horizontal == is_horizontal).copied().collect();
        along.sort_by(|a, b| a.at.total_cmp(&b.at));
        let mut line = along.first().map_or(0.0, |rule| rule.at);
        let lines = along.chunk_by_mut(|_, next| {
            // Compared with the first of the line, so that many that are close do not become one.
            let is_same = next.at - line <= SAME;
            if !is_same {
                line = next.at;
            }
            is_same
        });
        for line in lines {
            line.sort_by(|a, b| a.from.total_cmp(&b.from));
            let at = line[0].at;
            for rule in line {
                match joined.last_mut() {
                    Some(last)
                        if last.is_horizontal == is_horizontal && last.at == at && rule.from <= last.to + SAME =>
                    {
                        last.to = last.to.max(rule.to);
                    }
                    _ => joined.push(Rule { at, ..*rule }),
                }
            }
        }
    }
    joined
}

/// The rules of each table: those that touch each other, over however many others.
fn touching(rules: &[Rule]) -> Vec<Vec<Rule>> {
    let (level, upright): (Vec<usize>, Vec<usize>) = (0..rules.len()).partition(|index| rules[*index].is_horizontal);
    let mut sets = Sets::new(rules.len());
    let holds = |rule: Rule, at: f32| (rule.from - SAME..=rule.to + SAME).contains(&at);
    for one in &level {
        for other in &upright {
            let (a, b) = (rules[*one], rules[*other]);
            if holds(a, b.at) && holds(b, a.at) {
                sets.join(*one, *other);
            }
        }
    }
    let mut tables: std::collections::BTreeMap<usize, Vec<Rule>> = std::collections::BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        tables.entry(sets.of(index)).or_default().push(*rule);
    }
    tables.into_values().collect()
}

/// Disjoint sets of numbers (union-find), each called by its least member.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn of(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        let (least, most) = (one.min(other), one.max(other));
        self.0[most] = least;
    }
}
