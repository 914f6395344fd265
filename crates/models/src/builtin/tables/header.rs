//! The header of a table of items: a line whose segments are names of columns.

use std::ops::Range;

use protocol::document::BBox;
use values::fold::fold_words;

use super::super::analysis::{Analysis, Segment};
use super::super::concept::Column;
use super::super::lexicon::COLUMNS;

/// The header of a table.
#[derive(Debug)]
pub(in super::super) struct Header {
    pub(super) columns: Vec<HeaderCell>,
    pub(super) lines: Range<usize>,
    /// Whether it says that amounts are without tax.
    pub(super) net: bool,
}

/// The name of one column.
#[derive(Clone, Debug)]
pub(in super::super) struct HeaderCell {
    pub(super) kind: Column,
    pub(super) words: Range<usize>,
    pub(super) bbox: BBox,
}

/// How far above and below its main line parts of a header may stand, in heights of that line.
const SPREAD: f32 = 2.6;

impl Header {
    /// The kinds of its columns from left to right.
    pub(super) fn kinds(&self) -> Vec<Column> {
        self.columns.iter().map(|column| column.kind).collect()
    }
}

/// The header whose main line this is.
pub(super) fn at(analysis: &Analysis, line: usize) -> Option<Header> {
    let here = &analysis.lines[line];
    if analysis.numbers_in(here.words.clone()).any(|number| number.money) {
        return None;
    }
    let mut columns = Vec::new();
    let mut unnamed = 0;
    for segment in &analysis.segments[here.segments.clone()] {
        let found = cells(analysis, segment);
        unnamed += usize::from(found.is_empty());
        columns.extend(found);
    }
    let has = |columns: &[HeaderCell], kinds: &[Column]| columns.iter().any(|column| kinds.contains(&column.kind));
    let kinds = distinct(&columns);
    let names_things = has(&columns, &[Column::Description, Column::Sku, Column::Position]);
    let counts = has(&columns, &[Column::Amount, Column::UnitPrice, Column::Quantity]);
    // Two columns make a table when nothing else stands in the line and a price follows.
    let bare = kinds == 2
        && unnamed == 0
        && here.segments.len() == 2
        && has(&columns, &[Column::Description])
        && has(&columns, &[Column::Amount, Column::UnitPrice]);
    if !(names_things && counts && (kinds >= 3 || bare)) || unnamed > kinds {
        return None;
    }
    let lines = spread(analysis, line, &mut columns);
    columns.sort_by(|a, b| a.bbox.x0.total_cmp(&b.bbox.x0));
    settle(&mut columns);
    let text = around(analysis, line, &columns);
    let net = [
        "netto",
        "ohne mwst",
        "ohne ust",
        "excl",
        "hors tax",
        " ht ",
        "w o tax",
        "without tax",
        "sin iva",
        "exkl",
        "net amount",
        "net price",
    ]
    .iter()
    .any(|word| text.contains(word));
    Some(Header { columns, lines, net })
}

/// What stands in, above and below the columns' names, folded.
fn around(analysis: &Analysis, main: usize, columns: &[HeaderCell]) -> String {
    let reach = SPREAD * analysis.lines[main].bbox.height().max(6.0);
    let near = main.saturating_sub(3)..analysis.lines.len().min(main + 4);
    let segments = analysis.lines[near]
        .iter()
        .filter(|line| line.page == analysis.lines[main].page)
        .flat_map(|line| &analysis.segments[line.segments.clone()]);
    let named = segments.filter(|segment| {
        let close = (segment.bbox.y0 - analysis.lines[main].bbox.y0).abs() <= reach;
        close && columns.iter().any(|column| super::apart(column.bbox, segment.bbox) < 0.0)
    });
    named.map(|segment| format!(" {} ", fold_words(&analysis.text(segment.words.clone())))).collect()
}

fn distinct(columns: &[HeaderCell]) -> usize {
    let mut kinds: Vec<Column> = columns.iter().map(|column| column.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds.len()
}

/// The columns that a segment names: usually one, several where columns stand close.
fn cells(analysis: &Analysis, segment: &Segment) -> Vec<HeaderCell> {
    let tokens: Vec<(String, usize)> = segment
        .words
        .clone()
        .flat_map(|word| {
            fold_words(&analysis.words[word].text).split(' ').map(|token| (token.to_owned(), word)).collect::<Vec<_>>()
        })
        .filter(|(token, _)| !token.is_empty())
        .collect();
    let mut cells: Vec<HeaderCell> = Vec::new();
    let mut at = 0;
    let mut unknown = 0;
    while at < tokens.len() {
        let found = COLUMNS.at(tokens[at..].iter().map(|(token, _)| token.as_str()));
        match found.first() {
            Some(found) => {
                let words = tokens[at].1..tokens[at + found.words - 1].1 + 1;
                // "Description of goods": what follows a name in its segment belongs to it, unless it is a column of its own.
                if cells.last().is_none_or(|last| {
                    last.words.end <= words.start && found.words >= 1 && !is_qualifier(&tokens[at].0)
                }) {
                    let bbox = analysis.bbox(words.clone());
                    cells.push(HeaderCell { kind: found.key, words, bbox });
                }
                at += found.words;
            }
            None => {
                unknown += 1;
                at += 1;
            }
        }
    }
    // A sentence may hold the word "price".
    if unknown > 3 {
        return Vec::new();
    }
    // A name alone in its segment is the whole segment: "Price (GBP)".
    if let [only] = &mut cells[..] {
        only.words = segment.words.clone();
        only.bbox = segment.bbox;
    }
    cells
}

/// Words that say how a column's numbers are meant: "Price net", "Amount excl. VAT".
fn is_qualifier(token: &str) -> bool {
    matches!(
        token,
        "net"
            | "netto"
            | "vat"
            | "tax"
            | "btw"
            | "mwst"
            | "ust"
            | "tva"
            | "iva"
            | "moms"
            | "unit"
            | "unite"
            | "me"
            | "no"
            | "nr"
            | "total"
            | "sum"
            | "day"
            | "tag"
    )
}

/// Adds columns whose names stand above or below the main line; the lines that the header covers.
fn spread(analysis: &Analysis, main: usize, columns: &mut Vec<HeaderCell>) -> Range<usize> {
    let here = &analysis.lines[main];
    let reach = SPREAD * here.bbox.height().max(6.0);
    let near = |line: &usize| {
        let other = &analysis.lines[*line];
        other.page == here.page
            && (other.bbox.y0 - here.bbox.y0).abs() <= reach
            && !analysis.numbers_in(other.words.clone()).any(|number| number.money)
    };
    let above = (0..main).rev().take(3).take_while(near);
    let below = (main + 1..analysis.lines.len()).take(3).take_while(near);
    let mut lines = main..main + 1;
    let mut stacks: Vec<(BBox, Vec<usize>)> = Vec::new();
    for line in above.collect::<Vec<_>>().into_iter().rev().chain(below) {
        for (at, segment) in analysis.lines[line].segments.clone().map(|at| (at, &analysis.segments[at])) {
            if columns.iter().any(|column| super::apart(column.bbox, segment.bbox) < 0.0) {
                continue;
            }
            match stacks.iter_mut().find(|(bbox, _)| super::apart(*bbox, segment.bbox) < 0.0) {
                Some((bbox, members)) => {
                    *bbox = bbox.union(segment.bbox);
                    members.push(at);
                }
                None => stacks.push((segment.bbox, vec![at])),
            }
        }
    }
    for (bbox, members) in stacks {
        let text = members
            .iter()
            .map(|at| fold_words(&analysis.text(analysis.segments[*at].words.clone())))
            .collect::<Vec<_>>()
            .join(" ");
        let tokens: Vec<&str> = text.split(' ').collect();
        let found = COLUMNS.at(tokens.iter().copied());
        if let Some(found) = found.first()
            && (tokens.len() <= found.words + 3
                || fold_words(&analysis.text(analysis.segments[members[0]].words.clone())).split(' ').count()
                    == found.words)
        {
            let first = &analysis.segments[members[0]];
            columns.push(HeaderCell { kind: found.key, words: first.words.clone(), bbox });
            for at in members {
                let line = analysis.segments[at].line;
                lines = lines.start.min(line)..lines.end.max(line + 1);
            }
        }
    }
    lines
}

/// Of several columns of one kind the later ones mean something else.
fn settle(columns: &mut [HeaderCell]) {
    let mut seen: Vec<Column> = Vec::new();
    for column in columns.iter_mut() {
        if seen.contains(&column.kind) && column.kind == Column::TaxRate {
            column.kind = Column::TaxAmount;
        }
        seen.push(column.kind);
    }
    // Without an amount the last price is one.
    if !seen.contains(&Column::Amount)
        && seen.iter().filter(|kind| **kind == Column::UnitPrice).count() > 1
        && let Some(last) = columns.iter_mut().rev().find(|column| column.kind == Column::UnitPrice)
    {
        last.kind = Column::Amount;
    }
}
