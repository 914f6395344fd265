//! Tables of any kind: a line of headings, and lines below whose segments stand under them.

use std::ops::Range;

use serde_json::{Map, Value};
use values::fold::fold_words;

use super::super::analysis::Analysis;
use super::super::found::Found;
use super::apart as gap_between;

/// A table whose columns have names of their own.
#[derive(Debug)]
pub(in super::super) struct Grid {
    headings: Vec<usize>,
    /// Per row: column and segment.
    rows: Vec<Vec<(usize, usize)>>,
}

/// How far below the line above a row may stand, in heights of a line.
const LEADING: f32 = 2.5;
/// Fewer rows than this are a coincidence.
const FEWEST_ROWS: usize = 2;

/// Every table, in reading order.
pub(in super::super) fn read(analysis: &Analysis) -> Vec<Grid> {
    let mut grids = Vec::new();
    let mut at = 0;
    while at < analysis.lines.len() {
        let headings: Vec<usize> = analysis.lines[at].segments.clone().collect();
        let words = analysis.lines[at].words.clone();
        let named = headings.len() > 1
            && headings.iter().all(|segment| super::is_wordy(analysis, &analysis.segments[*segment]));
        if !named || analysis.numbers_in(words).next().is_some() {
            at += 1;
            continue;
        }
        let rows = rows_under(analysis, at, &headings);
        let end = at + 1 + rows.len();
        if rows.len() >= FEWEST_ROWS {
            grids.push(Grid { headings, rows });
            at = end;
        } else {
            at += 1;
        }
    }
    grids
}

fn rows_under(analysis: &Analysis, header: usize, headings: &[usize]) -> Vec<Vec<(usize, usize)>> {
    let mut rows = Vec::new();
    let mut above = &analysis.lines[header];
    for line in &analysis.lines[header + 1..] {
        let near = line.page == above.page && line.bbox.y0 - above.bbox.y1 < LEADING * line.bbox.height().max(6.0);
        let cells: Vec<(usize, usize)> = line
            .segments
            .clone()
            .filter_map(|segment| Some((column_of(analysis, headings, segment)?, segment)))
            .collect();
        let distinct = cells.windows(2).all(|pair| pair[0].0 < pair[1].0);
        // After a free line, words alone are the headings of another table.
        let apart = line.bbox.y0 - above.bbox.y1 > 0.8 * line.bbox.height();
        let heading = apart
            && analysis.numbers_in(line.words.clone()).next().is_none()
            && analysis.dates_in(line.words.clone()).next().is_none();
        if !near || (heading && !rows.is_empty()) || cells.len() < 2 || cells.len() < line.segments.len() || !distinct {
            break;
        }
        rows.push(cells);
        above = line;
    }
    rows
}

/// The one heading that a segment stands under; none when it stands under several.
fn column_of(analysis: &Analysis, headings: &[usize], segment: usize) -> Option<usize> {
    let bbox = analysis.segments[segment].bbox;
    let gap = |heading: &usize| gap_between(bbox, analysis.segments[*heading].bbox);
    let over: Vec<usize> = (0..headings.len()).filter(|at| gap(&headings[*at]) < 0.0).collect();
    match over[..] {
        [only] => Some(only),
        [] => (0..headings.len())
            .min_by(|a, b| gap(&headings[*a]).total_cmp(&gap(&headings[*b])))
            .filter(|at| gap(&headings[*at]) < 40.0),
        _ => None,
    }
}

impl Grid {
    /// How many of the question's words stand in its headings or in the line above them.
    pub(in super::super) fn overlap(&self, analysis: &Analysis, wordings: &[Vec<String>]) -> usize {
        let first = analysis.segments[self.headings[0]].words.start;
        let above =
            analysis.words[first].line.checked_sub(1).map_or(first..first, |line| analysis.lines[line].words.clone());
        let last = analysis.segments[self.headings[self.headings.len() - 1]].words.end;
        let text = fold_words(&analysis.text(above.start.min(first)..last));
        let words: Vec<&str> = text.split(' ').collect();
        wordings.iter().flatten().filter(|word| words.contains(&word.as_str())).count()
    }

    /// How many rows it has.
    pub(in super::super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its rows as objects with the names of its headings.
    pub(in super::super) fn found(&self, analysis: &Analysis, score: f32) -> Found {
        let name = |column: usize| analysis.text(analysis.segments[self.headings[column]].words.clone());
        let mut evidence = Vec::new();
        let objects = self.rows.iter().map(|row| {
            let mut object = Map::new();
            for (column, segment) in row {
                let words: Range<usize> = analysis.segments[*segment].words.clone();
                let whole =
                    analysis.numbers_in(words.clone()).find(|number| number.words == words && !number.number.percent);
                let value =
                    whole.map_or_else(|| Value::String(analysis.text(words.clone())), |number| number.number.to_json());
                object.insert(name(*column), value);
                evidence.extend(analysis.evidence(words));
            }
            Value::Object(object)
        });
        let value = Value::Array(objects.collect());
        Found { value, evidence, score, note: None }
    }
}
