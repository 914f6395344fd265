//! Paragraphs and tables in their order.

use std::collections::HashMap;

use super::paragraph::{PAGE_END, Paragraph};
use super::styles::{Numbering, Styles};
use crate::config::Limits;
use crate::error::Error;
use crate::formats::flow::{Entry, Flow, Sheet};
use crate::formats::xml::{Node, Source, Tag, Xml};

/// Columns that a level of a list is indented by.
const INDENT: usize = 2;

/// No cell takes more columns, as in Word.
const MOST_COLUMNS: u32 = 63;

/// What is known while a document is read.
pub(super) struct Reading<'a> {
    limits: &'a Limits,
    pub(super) styles: Styles,
    numbering: Numbering,
    /// Notes in the order in which they are referred to.
    notes: Vec<(Kind, String)>,
    /// Pictures that were passed over.
    pub(super) pictures: usize,
}

/// Where a note stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Foot,
    End,
}

/// Where blocks go: onto pages, or into the text of a cell.
enum Out<'o, 'a, 'p> {
    Flow(&'o mut Flow<'a, 'p>),
    Text(&'o mut String),
}

impl<'a> Reading<'a> {
    pub(super) fn new(limits: &'a Limits, styles: Styles, numbering: Numbering) -> Self {
        Self { limits, styles, numbering, notes: Vec::new(), pictures: 0 }
    }

    /// Sets the document.
    pub(super) fn document(&mut self, source: &Source<'_>, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
        let mut xml = source.read();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "body" => self.blocks(&mut xml, &mut Out::Flow(flow), None)?,
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// The text of the rest of an element that was just opened and holds blocks.
    pub(super) fn text(&mut self, xml: &mut Xml<'_>) -> Result<String, Error> {
        let mut text = String::new();
        self.blocks(xml, &mut Out::Text(&mut text), None)?;
        text.truncate(text.trim_end().len());
        Ok(text)
    }

    /// Leaves the number of a note in the text.
    pub(super) fn refer(&mut self, tag: &Tag<'_>, paragraph: &mut Paragraph) {
        let kind = if tag.name() == "endnoteReference" { Kind::End } else { Kind::Foot };
        if let Some(id) = tag.get("id") {
            self.notes.push((kind, id));
            paragraph.text.push_str(&format!("[{}]", self.notes.len()));
        }
    }

    /// Reads the rest of an element that was just opened and holds blocks; `cell` if it is one.
    fn blocks(
        &mut self,
        xml: &mut Xml<'_>,
        out: &mut Out<'_, '_, '_>,
        mut cell: Option<&mut Cell>,
    ) -> Result<(), Error> {
        let within = xml.depth();
        let mut is_read = Vec::new();
        while xml.depth() >= within {
            let tag = match xml.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                Node::Close(name) => {
                    if name.as_str() == "AlternateContent" {
                        is_read.pop();
                    }
                    continue;
                }
                Node::Text(_) => continue,
            };
            match tag.name() {
                "p" => {
                    let paragraph = self.paragraph(xml)?;
                    self.set(paragraph, out)?;
                }
                "tbl" => {
                    let sheet = self.table(xml)?;
                    match out {
                        Out::Flow(flow) => match sheet.frame() {
                            Some(text) => flow.paragraph(text)?,
                            None => flow.table(sheet)?,
                        },
                        Out::Text(text) => {
                            text.push_str(&sheet.flat());
                            text.push('\n');
                        }
                    }
                }
                "tcPr" => match &mut cell {
                    Some(cell) => cell.take(xml)?,
                    None => xml.skip()?,
                },
                "del" | "moveFrom" | "sdtPr" | "sectPr" => xml.skip()?,
                "AlternateContent" => is_read.push(false),
                "Choice" | "Fallback" if is_read.last() == Some(&true) => xml.skip()?,
                "Choice" | "Fallback" => is_read.iter_mut().last().into_iter().for_each(|read| *read = true),
                // Content controls, inserted blocks: what is within them is as good as what is beside them.
                _ => {}
            }
        }
        Ok(())
    }

    fn set(&mut self, paragraph: Paragraph, out: &mut Out<'_, '_, '_>) -> Result<(), Error> {
        let Paragraph { text, looks, boxes, ends_section } = paragraph;
        let is_blank = text.trim().is_empty();
        let (level, mark) = if is_blank { None } else { self.numbering.mark(&looks) }.unwrap_or_default();
        match out {
            Out::Text(whole) => {
                if !is_blank {
                    whole.push_str(&mark);
                }
                whole.extend(text.chars().filter(|character| *character != PAGE_END));
                whole.push('\n');
                for text in boxes {
                    whole.push_str(&text);
                    whole.push('\n');
                }
            }
            Out::Flow(flow) => {
                if looks.on_new_page == Some(true) {
                    flow.page_break()?;
                }
                let is_heading = looks.is_heading() && !is_blank;
                if is_heading {
                    flow.gap();
                }
                // A numbered heading is no item of a list.
                let indent = if is_heading { 0 } else { level * INDENT };
                let mut mark = mark.as_str();
                for (index, piece) in text.split(PAGE_END).enumerate() {
                    if index > 0 {
                        flow.page_break()?;
                    }
                    if !piece.trim().is_empty() {
                        flow.item(indent, std::mem::take(&mut mark), piece)?;
                    } else if is_blank && index == 0 {
                        flow.gap();
                    }
                }
                if is_heading {
                    flow.gap();
                }
                for text in boxes {
                    flow.paragraph(&text)?;
                }
                if ends_section {
                    flow.page_break()?;
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, xml: &mut Xml<'_>) -> Result<Sheet, Error> {
        let within = xml.depth();
        let mut sheet = Sheet::new(self.limits);
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "tr" => self.row(xml, &mut sheet)?,
                    "tblPr" | "tblGrid" | "sdtPr" | "del" | "moveFrom" => xml.skip()?,
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        Ok(sheet)
    }

    fn row(&mut self, xml: &mut Xml<'_>, sheet: &mut Sheet) -> Result<(), Error> {
        let within = xml.depth();
        let (mut row, mut column, mut is_deleted) = (Vec::new(), 0_u32, false);
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "tc" => {
                        let Cell { columns, goes_on, text } = self.cell(xml)?;
                        if goes_on {
                            sheet.continue_above(column);
                        } else {
                            row.push(Entry { column, columns, rows: 1, text });
                        }
                        column = column.saturating_add(columns);
                    }
                    "gridBefore" => column = tag.number("val").unwrap_or(0).min(MOST_COLUMNS),
                    "del" => is_deleted = true,
                    "sdtPr" | "tblPrEx" => xml.skip()?,
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        if is_deleted { Ok(()) } else { sheet.push(row) }
    }

    fn cell(&mut self, xml: &mut Xml<'_>) -> Result<Cell, Error> {
        let mut cell = Cell { columns: 1, goes_on: false, text: String::new() };
        let mut text = String::new();
        self.blocks(xml, &mut Out::Text(&mut text), Some(&mut cell))?;
        text.truncate(text.trim_end().len());
        Ok(Cell { text, ..cell })
    }
}

/// A cell of a table of Word's.
struct Cell {
    columns: u32,
    /// It is part of the one above it.
    goes_on: bool,
    text: String,
}

impl Cell {
    /// Takes in its properties, whose element was just opened.
    fn take(&mut self, xml: &mut Xml<'_>) -> Result<(), Error> {
        let within = xml.depth();
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "gridSpan" => self.columns = tag.number("val").unwrap_or(1).clamp(1, MOST_COLUMNS),
                    "vMerge" => self.goes_on = tag.get("val").is_none_or(|val| val == "continue"),
                    "tcPrChange" => xml.skip()?,
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The texts of notes.
pub(super) struct Notes(HashMap<(Kind, String), String>);

impl Notes {
    pub(super) fn read(reading: &mut Reading<'_>, foot: Option<&[u8]>, end: Option<&[u8]>) -> Result<Self, Error> {
        let mut notes = HashMap::new();
        let parts = [(Kind::Foot, "footnotes.xml", foot), (Kind::End, "endnotes.xml", end)];
        for (kind, name, bytes) in parts.into_iter().filter_map(|(kind, name, bytes)| Some((kind, name, bytes?))) {
            let source = Source::new(name, bytes);
            let mut xml = source.read();
            loop {
                match xml.next()? {
                    Node::Open(tag) if matches!(tag.name(), "footnote" | "endnote") => {
                        let id = tag.get("id").unwrap_or_default();
                        let text = reading.text(&mut xml)?;
                        notes.insert((kind, id), text.trim().to_owned());
                    }
                    Node::End => break,
                    _ => {}
                }
            }
        }
        Ok(Self(notes))
    }

    /// Those that the document refers to, by their numbers.
    pub(super) fn referred_to<'n>(&'n self, reading: &'n Reading<'_>) -> impl Iterator<Item = (usize, &'n str)> {
        let numbered = reading.notes.iter().enumerate();
        numbered.filter_map(|(index, note)| Some((index + 1, self.0.get(note)?.as_str())))
    }
}
