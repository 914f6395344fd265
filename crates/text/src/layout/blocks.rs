//! The order in which a page is read: column after column, paragraph after paragraph, tables row by row.
//!
//! A page is cut along what is left blank, as in the recursive XY-cut of Nagy and Seth (1984): into bands that share a blank
//! strip from top to bottom, bands into the columns beside it, and columns again. Tables are found before and are not cut.

use std::collections::{BTreeMap, HashMap, HashSet};

use protocol::document::{BBox, Block, Line, Span};

use super::bands::{Band, Frame, bands, inner};
use super::columns::COLUMN_GAP;
use super::pieces::{Piece, median};
use super::tables::Found;
use crate::unicode::is_right_to_left;

/// Columns within columns are looked for so deep.
const DEEPEST: usize = 12;

/// A strip between columns is wider than this part of the height of lines.
const GUTTER: f32 = 0.75;

/// Lines further apart than this part of their height, measured from the usual distance, are two paragraphs.
const PARAGRAPH_GAP: f32 = 0.35;

/// Lines whose heights differ by more than this part are two paragraphs: a heading and its text.
const OTHER_SIZE: f32 = 0.25;

/// Words that are read together: a part of a line between wide gaps, or a table.
#[derive(Clone, Debug)]
struct Item {
    /// In the reading frame.
    frame: BBox,
    kind: Kind,
    /// Whether it ends with a colon, as labels do.
    is_label: bool,
    /// Whether it is a number, or has one among few words.
    is_number: bool,
    is_right_to_left: bool,
    words: usize,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Part(Span),
    /// Index of the table.
    Table(usize),
}

/// The blocks of these lines, in the order in which they are read; none where that is the order of the lines.
pub(super) fn in_reading_order(pieces: &[Piece<'_>], lines: &[Line], tables: &[Found]) -> Vec<Block> {
    let items = items(pieces, tables);
    let turned = items.iter().filter(|item| item.is_right_to_left).count();
    let mut cutter = Cutter { pieces, tables, is_right_to_left: turned * 2 > items.len(), groups: Vec::new() };
    cutter.cut(items, 0);
    let order: Vec<(u32, u32)> = cutter.groups.iter().flatten().flat_map(words_of).collect();
    if order.is_sorted() {
        return Vec::new();
    }
    cutter.groups.into_iter().filter_map(|spans| block(spans, lines)).collect()
}

/// A line that is a block of its own.
pub(super) fn whole(index: usize, line: &Line) -> Option<Block> {
    let (line_number, to) = (u32::try_from(index).ok()?, u32::try_from(line.words.len()).ok()?);
    Some(Block { bbox: line.bbox, spans: vec![Span { line: line_number, from: 0, to }] })
}

fn words_of(span: &Span) -> impl Iterator<Item = (u32, u32)> {
    let line = span.line;
    (span.from..span.to).map(move |word| (line, word))
}

fn block(spans: Vec<Span>, lines: &[Line]) -> Option<Block> {
    let of = |span: &Span| lines.get(span.line as usize)?.words.get(span.from as usize..span.to as usize);
    let bbox = BBox::around(spans.iter().filter_map(of).flatten().map(|word| word.bbox))?;
    Some(Block { bbox, spans })
}

/// The parts of lines that are in no table, and the tables.
fn items(pieces: &[Piece<'_>], tables: &[Found]) -> Vec<Item> {
    let mut table_of: HashMap<usize, usize> = HashMap::new();
    for (number, table) in tables.iter().enumerate() {
        table_of.extend(table.rows.iter().flatten().map(|index| (*index, number)));
    }
    let mut items: Vec<Item> = Vec::new();
    let mut last: Option<usize> = None;
    for (index, piece) in pieces.iter().enumerate() {
        if table_of.contains_key(&index) {
            last = None;
            continue;
        }
        let size = piece.frame.height();
        let follows = last.is_some_and(|last| pieces[last].line == piece.line && pieces[last].word + 1 == piece.word);
        match items.last_mut() {
            Some(Item { kind: Kind::Part(span), frame, is_label, is_number, is_right_to_left: turned, words })
                if follows && gap(*frame, piece.frame) <= COLUMN_GAP * size =>
            {
                span.to += 1;
                *frame = frame.union(piece.frame);
                *is_label = piece.text.ends_with(':');
                *is_number |= has_digit(piece.text);
                *turned |= piece.text.chars().any(is_right_to_left);
                *words += 1;
            }
            _ => items.push(Item {
                frame: piece.frame,
                kind: Kind::Part(span(piece)),
                is_label: piece.text.ends_with(':'),
                is_number: has_digit(piece.text),
                is_right_to_left: piece.text.chars().any(is_right_to_left),
                words: 1,
            }),
        }
        last = Some(index);
    }
    items.extend(tables.iter().enumerate().filter(|(_, table)| table.rows.iter().any(|row| !row.is_empty())).map(
        |(number, table)| {
            let words = table.rows.iter().flatten();
            let frame = BBox::around(words.map(|index| pieces[*index].frame)).unwrap_or(table.frame);
            let kind = Kind::Table(number);
            Item { frame, kind, is_label: false, is_number: false, is_right_to_left: false, words: 0 }
        },
    ));
    items
}

fn span(piece: &Piece<'_>) -> Span {
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    Span { line: number(piece.line), from: number(piece.word), to: number(piece.word + 1) }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// How far two boxes of a line are from each other.
fn gap(one: BBox, other: BBox) -> f32 {
    (other.x0 - one.x1).max(one.x0 - other.x1)
}

/// Cuts a page.
struct Cutter<'a> {
    pieces: &'a [Piece<'a>],
    tables: &'a [Found],
    is_right_to_left: bool,
    /// What was cut, in the order in which it is read: the spans of each block.
    groups: Vec<Vec<Span>>,
}

impl Cutter<'_> {
    fn cut(&mut self, items: Vec<Item>, depth: usize) {
        let heights = items.iter().filter(|item| matches!(item.kind, Kind::Part(_))).map(|item| item.frame.height());
        let height = median(heights.collect()).unwrap_or(10.0);
        let Some(around) = BBox::around(items.iter().map(|item| item.frame)) else { return };
        for Band { items: band, blank, extent } in bands(items, around, GUTTER * height) {
            let strips = if depth < DEEPEST { inner(&blank, extent, GUTTER * height) } else { Vec::new() };
            if strips.is_empty() || is_tabular(&band, &strips) {
                self.read(band);
            } else {
                let mut columns: Vec<Vec<Item>> = vec![Vec::new(); strips.len() + 1];
                for item in band {
                    columns[strips.partition_point(|(from, _)| *from < item.frame.x0)].push(item);
                }
                if self.is_right_to_left {
                    columns.reverse();
                }
                columns.into_iter().for_each(|column| self.cut(column, depth + 1));
            }
        }
    }

    /// Reads what needs no more cutting, from line to line.
    fn read(&mut self, mut items: Vec<Item>) {
        items.sort_by(|a, b| a.key().cmp(&b.key()).then(a.frame.y0.total_cmp(&b.frame.y0)));
        // Tables stand among the lines by their place; lines keep their order among themselves.
        let (tables, parts): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| matches!(item.kind, Kind::Table(_)));
        let mut tables = tables.into_iter().peekable();
        let mut paragraph = Paragraph::of_lines(&parts);
        for line in parts.chunk_by(|a, b| a.key() == b.key()) {
            let Some(frame) = BBox::around(line.iter().map(|item| item.frame)) else { continue };
            while let Some(table) = tables.next_if(|table| table.frame.y0 < frame.y0) {
                self.groups.extend(paragraph.take());
                self.read_table(&table);
            }
            if !paragraph.takes(frame) {
                self.groups.extend(paragraph.take());
            }
            paragraph.add(line, frame);
        }
        self.groups.extend(paragraph.take());
        tables.for_each(|table| self.read_table(&table));
    }

    fn read_table(&mut self, item: &Item) {
        let Kind::Table(number) = item.kind else { return };
        for row in &self.tables[number].rows {
            let mut spans: Vec<Span> = Vec::new();
            for next in row.iter().map(|index| span(&self.pieces[*index])) {
                match spans.last_mut() {
                    Some(span) if span.line == next.line && span.to == next.from => span.to = next.to,
                    _ => spans.push(next),
                }
            }
            self.groups.extend((!spans.is_empty()).then_some(spans));
        }
    }
}

/// Whether what stands on both sides of these strips is read across them: rows of numbers, labels with their values.
fn is_tabular(items: &[Item], strips: &[(f32, f32)]) -> bool {
    let column_of = |item: &Item| strips.partition_point(|(from, _)| *from < item.frame.x0);
    let mut by_line: BTreeMap<u32, HashSet<usize>> = BTreeMap::new();
    let columns = strips.len() + 1;
    let (mut cells, mut numbers, mut labels) = (vec![0_usize; columns], vec![0_usize; columns], vec![0_usize; columns]);
    for item in items {
        if matches!(item.kind, Kind::Table(_)) {
            return false;
        }
        let column = column_of(item);
        by_line.entry(item.key()).or_default().insert(column);
        cells[column] += 1;
        numbers[column] += usize::from(item.is_number && item.words <= 3);
        labels[column] += usize::from(item.is_label);
    }
    let aligned = by_line.values().filter(|columns| columns.len() >= 2).count();
    let words: usize = items.iter().map(|item| item.words).sum();
    let has_numbers = (1..columns).any(|column| numbers[column] * 2 > cells[column]);
    let has_labels = (0..columns - 1).any(|column| labels[column] * 5 >= cells[column] * 2);
    let is_short = columns >= 3 && words <= items.len() * 5 / 2;
    aligned * 5 >= by_line.len() * 3 && words <= items.len() * 6 && (has_numbers || has_labels || is_short)
}

impl Frame for Item {
    fn frame(&self) -> BBox {
        self.frame
    }
}

impl Item {
    /// By what lines are told apart: the index, which no table has.
    fn key(&self) -> u32 {
        match self.kind {
            Kind::Part(span) => span.line,
            Kind::Table(_) => u32::MAX,
        }
    }
}

/// Lines that belong together.
struct Paragraph {
    spans: Vec<Span>,
    last: Option<BBox>,
    /// The usual distance between lines, in parts of their height.
    distance: f32,
}

impl Paragraph {
    /// For lines that come one after the other.
    fn of_lines(parts: &[Item]) -> Self {
        /// Lines are set no wider than this: what is further apart is not one text.
        const WIDEST: f32 = 2.0;
        let steps = parts.windows(2).filter(|pair| pair[0].key() != pair[1].key());
        let steps = steps.map(|pair| (pair[1].frame.y1 - pair[0].frame.y1) / pair[1].frame.height().max(1.0));
        let usual = median(steps.filter(|step| *step > 0.0).collect()).unwrap_or(1.0);
        Self { spans: Vec::new(), last: None, distance: usual.clamp(1.0, WIDEST) }
    }

    fn takes(&self, frame: BBox) -> bool {
        let Some(last) = self.last else { return true };
        let height = last.height().max(frame.height());
        let step = frame.y1 - last.y1;
        step > 0.0
            && step <= (self.distance + PARAGRAPH_GAP) * height
            && (last.height() - frame.height()).abs() <= OTHER_SIZE * height
    }

    fn add(&mut self, line: &[Item], frame: BBox) {
        self.last = Some(frame);
        for item in line {
            let Kind::Part(next) = item.kind else { continue };
            match self.spans.last_mut() {
                Some(span) if span.line == next.line && span.to == next.from => span.to = next.to,
                _ => self.spans.push(next),
            }
        }
    }

    fn take(&mut self) -> Option<Vec<Span>> {
        self.last = None;
        let spans = std::mem::take(&mut self.spans);
        (!spans.is_empty()).then_some(spans)
    }
}
