//! Tables without rules: rows whose words stand under each other with gaps between.
//!
//! The idea is that of "stream" detection in Tabula and Camelot: what is left blank in nearly all of some rows is the gap
//! between two columns. Prose in columns has such gaps too, so a table must look like one: short cells, of which many
//! hold numbers or a word or two.

use std::collections::HashSet;

use protocol::document::BBox;

use super::super::Direction;
use super::super::columns::COLUMN_GAP;
use super::super::grid::Area;
use super::super::pieces::{Piece, median};
use super::{Draft, Found, is_number, written};

/// A table has at least so many rows that are in columns.
const FEWEST_ROWS: usize = 3;

/// Rows further apart than this many times their height are not of one table.
const ROW_GAP: f32 = 2.2;

/// Rows that are one text each may stand between those in columns, so many at a time: headings of groups, second lines.
const MOST_BETWEEN: usize = 2;

/// One in so many rows may reach over a gap: headings over several columns do.
const REACHING_OVER: usize = 8;

/// A gap between columns is wider than this part of the height.
const GAP: f32 = 0.4;

/// A narrower gap, in parts of the height, is the space between two words of a phrase.
const WORD_SPACE: f32 = 0.4;

/// With so many rows, gaps do not stand under each other by chance.
const MANY_ROWS: usize = 8;

/// The cells of a table have no more words on average.
const MOST_WORDS: usize = 4;

/// Nor does any of its columns, unless others are of numbers.
const LONGEST_CELL: usize = 12;

/// A line with its parts between wide gaps.
struct Line {
    /// Indices of pieces, part by part.
    parts: Vec<Vec<usize>>,
    bbox: BBox,
    height: f32,
}

/// The tables among the pieces that are not taken.
pub(super) fn found(pieces: &[Piece<'_>], taken: &HashSet<usize>, direction: Direction) -> Vec<Found> {
    let lines = lines(pieces, taken);
    let mut found = Vec::new();
    let mut from = 0;
    while from < lines.len() {
        let to = run_end(&lines, from);
        if to > from {
            found.extend(table(&lines[from..to], pieces, direction));
        }
        from = to.max(from + 1);
    }
    found
}

fn lines(pieces: &[Piece<'_>], taken: &HashSet<usize>) -> Vec<Line> {
    let free: Vec<usize> = (0..pieces.len()).filter(|index| !taken.contains(index)).collect();
    // Two numbers that are further apart than words of a phrase are two values.
    let gap_after = |part: &[usize], next: usize| {
        let are_numbers = part.last().is_some_and(|last| is_number(pieces[*last].text) && is_number(pieces[next].text));
        if are_numbers { WORD_SPACE } else { COLUMN_GAP }
    };
    let of_line = |line: &[usize]| -> Option<Line> {
        let bbox = BBox::around(line.iter().map(|index| pieces[*index].frame))?;
        let height = median(line.iter().map(|index| pieces[*index].frame.height()).collect())?;
        let mut sorted = line.to_vec();
        sorted.sort_by(|a, b| pieces[*a].frame.x0.total_cmp(&pieces[*b].frame.x0));
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut end = f32::MIN;
        for index in sorted {
            let frame = pieces[index].frame;
            match parts.last_mut() {
                Some(part) if frame.x0 - end <= gap_after(part, index) * height => part.push(index),
                _ => parts.push(vec![index]),
            }
            end = end.max(frame.x1);
        }
        Some(Line { parts, bbox, height })
    };
    free.chunk_by(|a, b| pieces[*a].line == pieces[*b].line).filter_map(of_line).collect()
}

/// Where the rows end that may be a table beginning here, rows in columns first and last; the start if it is none.
fn run_end(lines: &[Line], from: usize) -> usize {
    let mut end = from;
    let (mut rows, mut between) = (0, 0);
    for index in from..lines.len() {
        let line = &lines[index];
        if index > from {
            let before = &lines[index - 1];
            let gap = line.bbox.y0 - before.bbox.y1;
            if gap > ROW_GAP * line.height.max(before.height) {
                break;
            }
        }
        if line.parts.len() >= 2 {
            (rows, between, end) = (rows + 1, 0, index + 1);
        } else {
            between += 1;
            if between > MOST_BETWEEN || rows == 0 {
                break;
            }
        }
    }
    if rows >= FEWEST_ROWS { end } else { from }
}

fn table(lines: &[Line], pieces: &[Piece<'_>], direction: Direction) -> Option<Found> {
    let in_columns: Vec<&Line> = lines.iter().filter(|line| line.parts.len() >= 2).collect();
    let height = median(in_columns.iter().map(|line| line.height).collect())?;
    let columns = columns(&in_columns, pieces, height * GAP);
    if columns.len() < 2 || !looks_like_one(&in_columns, &columns, pieces) {
        return None;
    }
    let borders = borders(&columns);
    let mut drafts: Vec<Draft> = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        drafts.extend(cells(row, line, &borders, pieces));
    }
    let frame = BBox::around(lines.iter().map(|line| line.bbox))?;
    Some(written(drafts, columns.len(), frame, pieces, direction))
}

/// Where one column ends and the next begins.
fn borders(columns: &[(f32, f32)]) -> Vec<f32> {
    columns.windows(2).map(|pair| f32::midpoint(pair[0].1, pair[1].0)).collect()
}

/// The cells of a row.
fn cells(row: usize, line: &Line, borders: &[f32], pieces: &[Piece<'_>]) -> Vec<Draft> {
    let column_of = |u: f32| borders.partition_point(|border| *border <= u);
    let mut cells: Vec<Draft> = Vec::new();
    for part in &line.parts {
        let mut last: Option<&Piece<'_>> = None;
        for index in part {
            let piece = &pieces[*index];
            // What reaches over a border with less than this part of it stands in one column.
            let slack = 0.3 * piece.frame.width();
            let (first, end) = (column_of(piece.frame.x0 + slack), column_of(piece.frame.x1 - slack));
            match (last, cells.last_mut()) {
                (Some(last), Some(cell))
                    if is_leader(piece.text)
                        || first < cell.area.column + cell.area.columns
                        || is_phrase(last, piece, line.height) =>
                {
                    cell.pieces.push(*index);
                    if !is_leader(piece.text) {
                        cell.area.columns = cell.area.columns.max((end + 1).saturating_sub(cell.area.column));
                    }
                }
                (_, cell) => {
                    let from = cell.map_or(0, |cell| cell.area.column + cell.area.columns);
                    let column = first.max(from);
                    if column > borders.len() {
                        // No room is left in its column: it goes with what stands there.
                        cells.last_mut().into_iter().for_each(|cell| cell.pieces.push(*index));
                    } else {
                        let area = Area { row, column, rows: 1, columns: (end + 1).saturating_sub(column).max(1) };
                        cells.push(Draft { area, frame: None, pieces: vec![*index] });
                    }
                }
            }
            last = Some(piece);
        }
    }
    cells
}

/// Whether a word is part of the dots between a label and its value.
fn is_leader(text: &str) -> bool {
    text.chars().all(|character| matches!(character, '.' | '_' | '·' | '…'))
}

/// Whether words that stand in two columns are one text all the same, as in a heading over both.
fn is_phrase(left: &Piece<'_>, right: &Piece<'_>, height: f32) -> bool {
    right.frame.x0 - left.frame.x1 < WORD_SPACE * height && !(is_number(left.text) && is_number(right.text))
}

/// Where the columns are: from the first to the last place along the lines that is not blank in nearly all rows.
fn columns(lines: &[&Line], pieces: &[Piece<'_>], narrowest_gap: f32) -> Vec<(f32, f32)> {
    let allowed = lines.len() / REACHING_OVER;
    // Where words begin and end, in order: +1 and -1. In a few rows gaps between words may stand under each other by
    // chance, so there only the wide ones count.
    let mut edges: Vec<(f32, i32)> = Vec::new();
    for part in lines.iter().flat_map(|line| &line.parts) {
        let mut boxes: Vec<BBox> = Vec::new();
        for piece in part.iter().map(|index| &pieces[*index]) {
            match boxes.last_mut() {
                Some(last) if is_leader(piece.text) => *last = last.union(piece.frame),
                _ => boxes.push(piece.frame),
            }
        }
        if lines.len() < MANY_ROWS {
            boxes = BBox::around(boxes).into_iter().collect();
        }
        edges.extend(boxes.into_iter().flat_map(|bbox| [(bbox.x0, 1), (bbox.x1, -1)]));
    }
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut columns: Vec<(f32, f32)> = Vec::new();
    let (mut covering, mut start) = (0_usize, None);
    for (at, step) in edges {
        covering = if step > 0 { covering + 1 } else { covering.saturating_sub(1) };
        match start {
            None if covering > allowed => start = Some(at),
            Some(from) if covering <= allowed => {
                match columns.last_mut() {
                    Some(last) if from - last.1 < narrowest_gap => last.1 = at,
                    _ => columns.push((from, at)),
                }
                start = None;
            }
            _ => {}
        }
    }
    columns
}

/// Whether rows in columns are a table rather than prose: cells are short, at least two columns are mostly filled, and
/// there are numbers, or labels, or three columns and more.
fn looks_like_one(lines: &[&Line], columns: &[(f32, f32)], pieces: &[Piece<'_>]) -> bool {
    let (mut words, mut cells, mut numbers) =
        (vec![0_usize; columns.len()], vec![0_usize; columns.len()], vec![0_usize; columns.len()]);
    let borders = borders(columns);
    for Draft { area, pieces: within, .. } in lines.iter().flat_map(|line| self::cells(0, line, &borders, pieces)) {
        words[area.column] += within.iter().filter(|index| !is_leader(pieces[**index].text)).count();
        cells[area.column] += 1;
        let is_number = within.iter().any(|index| pieces[*index].text.bytes().any(|byte| byte.is_ascii_digit()));
        numbers[area.column] += usize::from(is_number && within.len() <= 3);
    }
    let filled = cells.iter().filter(|count| **count * 2 >= lines.len()).count();
    let (all_words, all_cells): (usize, usize) = (words.iter().sum(), cells.iter().sum());
    let of_numbers = (1..columns.len()).filter(|column| numbers[*column] * 2 >= cells[*column].max(1)).count();
    let is_short = words.iter().zip(&cells).all(|(words, cells)| *words <= *cells * LONGEST_CELL);
    let is_label = |line: &&&Line| line.parts[0].last().is_some_and(|last| pieces[*last].text.ends_with(':'));
    let labels = lines.iter().filter(is_label).count();
    let short_words = all_words <= all_cells * MOST_WORDS;
    filled >= 2
        && is_short
        && (of_numbers > 0 && (short_words || of_numbers * 2 >= columns.len() - 1)
            || (short_words && (labels * 2 >= lines.len() || (columns.len() >= 3 && all_words <= all_cells * 3))))
}
