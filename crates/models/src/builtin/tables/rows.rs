//! The rows under a header: cells by their columns, continuation lines joined, totals left out.

use std::ops::Range;

use super::super::analysis::{Analysis, Label, Numbered, Segment};
use super::super::concept::{Column, Concept};
use super::header::{self, Header, HeaderCell};
use super::{Cell, Row, apart, is_wordy};

/// A table ends where nothing follows for this many heights of a line.
const LARGEST_GAP: f32 = 9.0;

/// How far below a row, in heights of a line, its description may go on.
const CONTINUATION: f32 = 1.3;

/// How far from its header's edge, in points, a number may stand.
const FARTHEST: f32 = 30.0;

/// The rows of a table and the line after its last.
pub(super) fn read(analysis: &Analysis, header: &Header) -> (Vec<Row>, usize) {
    let page = analysis.lines[header.lines.start].page;
    let mut rows: Vec<Row> = Vec::new();
    let mut end = header.lines.end;
    let mut bottom = analysis.lines[header.lines.end - 1].bbox.y1;
    for (at, line) in analysis.lines.iter().enumerate().skip(header.lines.end) {
        let height = line.bbox.height().max(6.0);
        if line.page != page
            || line.bbox.y0 - bottom > LARGEST_GAP * height
            || is_sum(analysis, at)
            || header::at(analysis, at).is_some()
        {
            break;
        }
        let cells = cells(analysis, header, at);
        let has = |kind: Column| cells.iter().any(|cell| header.columns[cell.column].kind == kind);
        let priced =
            |kind: Column| cells.iter().any(|cell| cell.number.is_some() && header.columns[cell.column].kind == kind);
        // A price alone is a remark on the item above where items have amounts.
        let counted = priced(Column::Amount)
            || (priced(Column::UnitPrice) && (has(Column::Quantity) || !header.kinds().contains(&Column::Amount)))
            || (has(Column::Quantity) && has(Column::Description));
        let completes = rows.last().is_some_and(|row| {
            !row.has(header, Column::Amount)
                && has(Column::Amount)
                && !has(Column::Quantity)
                && !has(Column::UnitPrice)
                && !has(Column::Description)
        });
        match rows.last_mut() {
            Some(row) if completes => row.cells.extend(cells.into_iter().filter(|cell| is_price(header, cell))),
            Some(row) if !counted => {
                // Below a table, text runs over all its columns, or other things begin.
                if is_prose(analysis, header, at) {
                    break;
                }
                if line.bbox.y0 - bottom > CONTINUATION * height {
                    continue;
                }
                continue_description(row, header, cells);
            }
            None if !counted => continue,
            _ => rows.push(Row { cells }),
        }
        bottom = line.bbox.y1;
        end = at + 1;
    }
    // Where items have prices, a line with a number of pieces alone is a part of one.
    let priced = |row: &Row| row.has(header, Column::Amount) || row.has(header, Column::UnitPrice);
    if rows.iter().filter(|row| priced(row)).count() * 2 > rows.len() {
        rows.retain(priced);
    }
    (rows, end)
}

/// A line of text that crosses columns, or a heading of Markdown.
fn is_prose(analysis: &Analysis, header: &Header, line: usize) -> bool {
    let line = &analysis.lines[line];
    let heading = analysis.words[line.words.start..line.words.end.min(line.words.start + 1)]
        .iter()
        .any(|word| word.text.starts_with('#') && word.text.trim_matches('#').is_empty());
    let crosses = analysis.segments[line.segments.clone()].iter().any(|segment| {
        let crossed =
            header.columns.iter().any(|column| is_numeric(column.kind) && apart(segment.bbox, column.bbox) < 0.0);
        crossed && segment.words.len() > 4 && is_wordy(analysis, segment)
    });
    heading
        || crosses
        || analysis.labels_in(line.words.clone()).any(|label| {
            label.colon
                && label.leads
                && label.words.start == line.words.start
                && matches!(label.concept, Concept::PaymentTerms | Concept::DueDate | Concept::Iban)
        })
}

fn is_price(header: &Header, cell: &Cell) -> bool {
    cell.number.is_some() && matches!(header.columns[cell.column].kind, Column::Amount | Column::UnitPrice)
}

/// A line of the block of totals: a sum's label, a number, and no words besides.
fn is_sum(analysis: &Analysis, line: usize) -> bool {
    let words = analysis.lines[line].words.clone();
    let sums: Vec<&Label> =
        analysis.labels_in(words.clone()).filter(|label| label.concept.is_sum() && label.leads).collect();
    // Sums side by side have their numbers below.
    if sums.windows(2).any(|pair| pair[0].words != pair[1].words) {
        return true;
    }
    let has_number = || analysis.numbers_in(words.clone()).any(|number| !number.number.percent);
    sums.iter().any(|label| {
        let rest = label.words.end..analysis.segment_of(label.words.start).words.end;
        let wordy = analysis.words[rest]
            .iter()
            .filter(|word| word.text.chars().filter(|ch| ch.is_alphabetic()).count() > 3)
            .count();
        label.concept != Concept::Paid && wordy == 0 && has_number()
    })
}

fn continue_description(row: &mut Row, header: &Header, cells: Vec<Cell>) {
    for cell in cells {
        if header.columns[cell.column].kind != Column::Description {
            continue;
        }
        match row.cells.iter_mut().find(|known| header.columns[known.column].kind == Column::Description) {
            Some(known) => known.words.extend(cell.words),
            None => row.cells.push(cell),
        }
    }
}

/// The cells of one line.
fn cells(analysis: &Analysis, header: &Header, line: usize) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut add = |column: usize, words: Range<usize>, number: Option<&Numbered>| match cells
        .iter_mut()
        .find(|cell| cell.column == column)
    {
        Some(cell) if cell.number.is_none() && number.is_none() => cell.words.push(words),
        Some(_) => {}
        None => cells.push(Cell { column, words: vec![words], number: number.map(|number| number.number.value) }),
    };
    for segment in &analysis.segments[analysis.lines[line].segments.clone()] {
        let numbers: Vec<&Numbered> = analysis.numbers_in(segment.words.clone()).collect();
        let nearest = nearest(header, segment.bbox, |_| true);
        let textual = |column: usize| !is_numeric(header.columns[column].kind);
        let covered: usize = numbers.iter().map(|number| number.words.len()).sum();
        let leading = numbers.first().is_some_and(|number| number.words.start == segment.words.start);
        if is_wordy(analysis, segment) && !(leading && !textual(nearest) && covered + 1 >= segment.words.len()) {
            words_cell(analysis, header, segment, &numbers, nearest, &mut add);
        } else if textual(nearest)
            && (numbers.is_empty()
                || header.columns[nearest].kind != Column::Description
                || apart(segment.bbox, header.columns[nearest].bbox) < 0.0)
        {
            add(nearest, segment.words.clone(), None);
        } else {
            for number in numbers {
                let bbox = analysis.bbox(number.words.clone());
                let percent = number.number.percent;
                let column = self::nearest(header, bbox, |kind| {
                    is_numeric(kind) && (!percent || matches!(kind, Column::TaxRate | Column::Discount))
                });
                // A number far from every column of numbers is a remark.
                if is_numeric(header.columns[column].kind) && apart(bbox, header.columns[column].bbox) < FARTHEST {
                    add(column, number.words.clone(), Some(number));
                }
            }
        }
    }
    cells
}

/// Words go to a column of words; numbers at their end that stand under columns of numbers go there.
fn words_cell(
    analysis: &Analysis,
    header: &Header,
    segment: &Segment,
    numbers: &[&Numbered],
    nearest_column: usize,
    add: &mut impl FnMut(usize, Range<usize>, Option<&Numbered>),
) {
    let mut end = segment.words.end;
    for number in numbers.iter().rev() {
        let bbox = analysis.bbox(number.words.clone());
        let column = nearest(header, bbox, |_| true);
        if number.words.end != end
            || !is_numeric(header.columns[column].kind)
            || apart(bbox, header.columns[column].bbox) > 0.0
        {
            break;
        }
        add(column, number.words.clone(), Some(number));
        end = number.words.start;
    }
    let kind = header.columns[nearest_column].kind;
    let description = header.columns.iter().position(|column| column.kind == Column::Description);
    let column = match (is_numeric(kind) || kind == Column::Position, description) {
        (true, Some(description)) => description,
        // Words under a column of numbers are remarks.
        (true, None) => return,
        (false, _) => nearest_column,
    };
    if end > segment.words.start {
        add(column, segment.words.start..end, None);
    }
}

fn is_numeric(kind: Column) -> bool {
    matches!(
        kind,
        Column::Quantity | Column::UnitPrice | Column::Discount | Column::TaxRate | Column::TaxAmount | Column::Amount
    )
}

/// The column nearest to a box: the widest overlap, else the smallest gap.
fn nearest(header: &Header, bbox: protocol::document::BBox, allowed: impl Fn(Column) -> bool) -> usize {
    let distance = |column: &HeaderCell| {
        let gap = apart(bbox, column.bbox);
        // Numbers stand flush right under their header.
        let edges = (bbox.x1 - column.bbox.x1).abs().min((bbox.x0 - column.bbox.x0).abs());
        if gap < 0.0 { -1.0 / (1.0 + edges) } else { gap.min(edges) }
    };
    let columns = header.columns.iter().enumerate().filter(|(_, column)| allowed(column.kind));
    columns.min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b))).map_or(0, |(at, _)| at)
}
